namespace Facteur.Config.Parameters;

/// <summary>Parameters of the log.</summary>
public static class LogParameters
{
    /// <summary>maillog_file.</summary>
    public static readonly StringParameter MaillogFile = new("maillog_file", "", "File, or /dev/stdout, that the log goes to instead of syslog.");

    /// <summary>maillog_file_prefixes.</summary>
    public static readonly StringParameter MaillogFilePrefixes = new("maillog_file_prefixes", "/var, /dev/stdout", "What maillog_file must begin with.", 1);

    /// <summary>maillog_file_permissions.</summary>
    public static readonly StringParameter MaillogFilePermissions = new("maillog_file_permissions", "0600", "Mode of a log file that is made: 0600, 0640 or 0644.", 1);

    /// <summary>maillog_file_compressor; used by "postfix logrotate".</summary>
    public static readonly StringParameter MaillogFileCompressor = new("maillog_file_compressor", "gzip", "The program that gets the name of a log file that was put aside.", 1);

    /// <summary>maillog_file_rotate_suffix; used by "postfix logrotate".</summary>
    public static readonly StringParameter MaillogFileRotateSuffix = new("maillog_file_rotate_suffix", "%Y%m%d-%H%M%S", "What the name of a log file that is put aside ends with, as date(1) writes it.", 1);

    /// <summary>syslog_facility.</summary>
    public static readonly StringParameter SyslogFacility = new("syslog_facility", "mail", "The facility of syslog.", 1);

    /// <summary>delay_logging_resolution_limit.</summary>
    public static readonly IntParameter DelayLoggingResolutionLimit = new("delay_logging_resolution_limit", "2", "Most digits behind the point in logged delays.", 0, 6);

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
        [MaillogFile, MaillogFilePrefixes, MaillogFilePermissions, MaillogFileCompressor, MaillogFileRotateSuffix, SyslogFacility, DelayLoggingResolutionLimit];

    /// <summary>What is wrong with the place of a log file, or null.</summary>
    /// <param name="file">maillog_file.</param>
    /// <param name="prefixes">maillog_file_prefixes.</param>
    public static string? CheckFile(string file, string prefixes) => ListSyntax.Split(prefixes).Any(prefix => Below(file, prefix)) ? null
        : $"maillog_file value '{file}' does not match any prefix in maillog_file_prefixes = {prefixes}";

    private static bool Below(string file, string prefix) =>
        file == prefix || (file.StartsWith(prefix, StringComparison.Ordinal) && (prefix.EndsWith('/') || file[prefix.Length] == '/') && !file.Contains("/../", StringComparison.Ordinal));
}
