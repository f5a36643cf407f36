using Facteur.Mail.Addresses;

namespace Facteur.Contracts;

/// <summary>Severity of a log line; all but Info stand in front of the text.</summary>
public enum LogLevel : byte
{
    /// <summary>No word in front.</summary>
    Info = 0,

    /// <summary>"warning: ".</summary>
    Warning = 1,

    /// <summary>"error: ".</summary>
    Error = 2,

    /// <summary>"fatal: ".</summary>
    Fatal = 3,

    /// <summary>"panic: ".</summary>
    Panic = 4,
}

/// <summary>Where log lines go: maillog_file or syslog. Never waits: when the log can't keep up, lines are dropped and counted, mail goes on.</summary>
public interface IMailLog
{
    /// <summary>Writes one line.</summary>
    /// <param name="tag">Program, such as "postfix/smtpd".</param>
    /// <param name="level">Severity.</param>
    /// <param name="text">The line without severity; control characters are made printable here.</param>
    void Write(string tag, LogLevel level, string text);
}

/// <summary>The log of one service: its tag is $syslog_name/service.</summary>
public sealed class ServiceLog(IMailLog log, string tag, bool verbose = false, bool internalAddresses = false)
{
    /// <summary>The tag.</summary>
    public string Tag { get; } = tag;

    /// <summary>The service's entry says -v: what is said in its sessions is logged, too.</summary>
    public bool IsVerbose { get; } = verbose;

    /// <summary>The log of another service that writes to the same place.</summary>
    public ServiceLog As(string tag) => new(log, tag, internalAddresses: internalAddresses);

    /// <summary>An address as lines show it: as it is, or without quotes (info_log_address_format = internal).</summary>
    public string Address(string address) => internalAddresses ? AddressParts.Internal(address) : address;

    /// <summary>A plain line.</summary>
    public void Info(string text) => log.Write(Tag, LogLevel.Info, text);

    /// <summary>A warning.</summary>
    public void Warning(string text) => log.Write(Tag, LogLevel.Warning, text);

    /// <summary>An error.</summary>
    public void Error(string text) => log.Write(Tag, LogLevel.Error, text);

    /// <summary>The service can't go on.</summary>
    public void Fatal(string text) => log.Write(Tag, LogLevel.Fatal, text);
}
