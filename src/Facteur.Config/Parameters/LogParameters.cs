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

    /// <summary>syslog_facility.</summary>
    public static readonly StringParameter SyslogFacility = new("syslog_facility", "mail", "The facility of syslog.", 1);

    /// <summary>delay_logging_resolution_limit.</summary>
    public static readonly IntParameter DelayLoggingResolutionLimit = new("delay_logging_resolution_limit", "2", "Most digits behind the point in logged delays.", 0, 6);

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
        [MaillogFile, MaillogFilePrefixes, MaillogFilePermissions, SyslogFacility, DelayLoggingResolutionLimit];
}
