using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Net.Logging;

namespace Facteur.Services.Server;

/// <summary>
/// The log: maillog_file or syslog. Callers format into one of two buffers under a short lock and never wait for the disk; an own thread writes the other,
/// a whole batch at a time. When both are full, lines are dropped, counted, and the count is logged. Disposing writes what is left.
/// </summary>
public sealed class MailLog : IMailLog, IDisposable
{
    private const int BufferSize = 512 * 1024;

    /// <summary>A busy log file is written every so often, in milliseconds; a line that comes when nothing was logged for as long is written at once.</summary>
    private const int BatchMilliseconds = 10;

    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(5);

    private readonly object _gate = new();
    private readonly LogLine _line;
    private readonly ILogSink _sink;
    private readonly string _ownTag;
    private readonly Thread _thread;
    private byte[] _filling = GC.AllocateUninitializedArray<byte>(BufferSize);
    private byte[] _writing = GC.AllocateUninitializedArray<byte>(BufferSize);
    private int _length;
    private long _dropped;
    private bool _idle;
    private int _reopenAt = -1;
    private bool _flush;
    private bool _ended;
    private bool _failing;

    internal MailLog(ILogSink sink, LogLine line, string ownTag)
    {
        _sink = sink;
        _line = line;
        _ownTag = ownTag;
        _thread = new Thread(Run) { IsBackground = true, Name = "log" };
        _thread.Start();
    }

    /// <summary>Opens the log that the configuration names.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="time">The clock.</param>
    /// <param name="syslogSocket">Path of syslog's socket.</param>
    /// <exception cref="ConfigException">maillog_file is outside of maillog_file_prefixes, or a value is not valid.</exception>
    /// <exception cref="IOException">The file can't be opened.</exception>
    public static MailLog Open(IConfig config, TimeProvider time, string syslogSocket = "/dev/log")
    {
        var (file, facility, mode) = Place(config);
        var line = new LogLine(file.Length == 0, facility, config.Get(CommonParameters.Myhostname), Environment.ProcessId, time);
        var tag = config.Get(CommonParameters.SyslogName) + "/postlogd";
        if (file.Length == 0)
        {
            return new MailLog(new SyslogSink(new SyslogSocket(syslogSocket)), line, tag);
        }
        return new MailLog(new FileLogSink(file, mode), line, tag);
    }

    /// <summary>Where the log is to be; nothing is opened.</summary>
    /// <param name="config">The configuration.</param>
    /// <exception cref="ConfigException">maillog_file is outside of maillog_file_prefixes, or a value is not valid.</exception>
    internal static (string File, int Facility, uint Mode) Place(IConfig config)
    {
        var (file, facility) = (config.Get(LogParameters.MaillogFile), Facility(config.Get(LogParameters.SyslogFacility)));
        return file.Length == 0 ? (file, facility, 0)
            : LogParameters.CheckFile(file, config.Get(LogParameters.MaillogFilePrefixes)) is { } wrong ? throw new ConfigException(wrong)
            : (file, facility, Mode(config.Get(LogParameters.MaillogFilePermissions)));
    }

    /// <summary>The log of a command: to postlogd where it runs, for a user may not write the file, and it may be another one by now; else as <see cref="Open"/>.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ConfigException">maillog_file is outside of maillog_file_prefixes, or a value is not valid.</exception>
    /// <exception cref="IOException">The file can't be opened.</exception>
    public static MailLog OfCommand(IConfig config, TimeProvider time)
    {
        var file = config.Get(LogParameters.MaillogFile);
        var socket = new SyslogSocket(Path.Combine(config.Get(CommonParameters.QueueDirectory), "public/postlog"));
        if (file.Length == 0 || LogParameters.CheckFile(file, config.Get(LogParameters.MaillogFilePrefixes)) is not null || !socket.Connect())
        {
            return Open(config, time);
        }
        var line = new LogLine(false, Facility(config.Get(LogParameters.SyslogFacility)), config.Get(CommonParameters.Myhostname), Environment.ProcessId, time);
        return new MailLog(new SyslogSink(socket), line, config.Get(CommonParameters.SyslogName) + "/postlogd");
    }

    /// <summary>The log of a role: to postlogd, which writes the file, or to syslog.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="link">postlogd's socket, -1 where there is none.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ConfigException">A value is not valid.</exception>
    public static MailLog OfRole(IConfig config, int link, TimeProvider time)
    {
        if (link < 0 || config.Get(LogParameters.MaillogFile).Length == 0)
        {
            return Open(config, time);
        }
        var line = new LogLine(false, Facility(config.Get(LogParameters.SyslogFacility)), config.Get(CommonParameters.Myhostname), Environment.ProcessId, time, stamped: true);
        return new MailLog(new LinkLogSink(link), line, config.Get(CommonParameters.SyslogName) + "/postlogd");
    }

    /// <summary>Lines of another process, whole, as they are.</summary>
    public void WriteLines(ReadOnlySpan<byte> lines)
    {
        lock (_gate)
        {
            if (_ended || lines.Length > BufferSize - _length)
            {
                _dropped += lines.Count((byte)'\n');
                return;
            }
            lines.CopyTo(_filling.AsSpan(_length));
            _length += lines.Length;
            if (_idle || _length > BufferSize / 2)
            {
                Monitor.Pulse(_gate);
            }
        }
    }

    /// <inheritdoc/>
    public void Write(string tag, LogLevel level, string text)
    {
        lock (_gate)
        {
            var written = _ended ? 0 : _line.Write(_filling.AsSpan(_length), tag, level, text);
            if (written == 0)
            {
                _dropped++;
                return;
            }
            _length += written;
            if (_idle || _length > BufferSize / 2)
            {
                Monitor.Pulse(_gate);
            }
        }
    }

    /// <summary>Opens the file anew after it was renamed; lines before this call go to the old one.</summary>
    public void Reopen()
    {
        lock (_gate)
        {
            // What is written from now on is the new file's: a mistake that a reload finds is not to be looked for in the old one.
            _reopenAt = _length;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Waits until all lines so far were written.</summary>
    public void Flush()
    {
        lock (_gate)
        {
            _flush = true;
            Monitor.PulseAll(_gate);
            while (_flush && !_ended)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_ended)
            {
                return;
            }
            _ended = true;
            Monitor.PulseAll(_gate);
        }
        // Standard output may be a pipe whose reader hangs: then the process ends without the last lines.
        if (_thread.Join(EndLimit))
        {
            _sink.Dispose();
        }
    }

    private void Run()
    {
        while (true)
        {
            int length;
            int reopenAt;
            bool flush, ended;
            lock (_gate)
            {
                _idle = true;
                while (_length == 0 && _reopenAt < 0 && !_flush && !_ended)
                {
                    Monitor.Wait(_gate);
                }
                _idle = false;
                (length, reopenAt, flush, ended) = (_length, _reopenAt, _flush, _ended);
                (_filling, _writing) = (_writing, _filling);
                _length = 0;
                _reopenAt = -1;
                SayDropped();
            }
            var lost = 0;
            if (reopenAt >= 0)
            {
                lost = reopenAt == 0 ? 0 : _sink.Write(_writing.AsSpan(0, reopenAt));
                _sink.Reopen();
            }
            var rest = _writing.AsSpan(Math.Max(0, reopenAt), length - Math.Max(0, reopenAt));
            lost += rest.IsEmpty ? 0 : _sink.Write(rest);
            lock (_gate)
            {
                _dropped += lost;
                _failing = lost > 0;
                if (flush)
                {
                    _flush = _length > 0;
                    Monitor.PulseAll(_gate);
                }
                if (ended && _length == 0)
                {
                    return;
                }
                // Nobody puts syslog's lines into their order.
                if (_sink is not SyslogSink && !_ended && !_flush && _reopenAt < 0 && _length <= BufferSize / 2)
                {
                    Monitor.Wait(_gate, BatchMilliseconds);
                }
            }
        }
    }

    private void SayDropped()
    {
        if (_dropped > 0 && !_ended && !_failing)
        {
            _length = _line.Write(_filling, _ownTag, LogLevel.Warning, $"{_dropped} log lines were dropped");
            _dropped = 0;
        }
    }

    private static uint Mode(string value) => value switch
    {
        "0600" or "600" => 0x180,
        "0640" or "640" => 0x1A0,
        "0644" or "644" => 0x1A4,
        _ => throw new ConfigException($"maillog_file_permissions = {value}: expected 0600, 0640 or 0644"),
    };

    private static int Facility(string name)
    {
        ReadOnlySpan<string> names = ["kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"];
        var number = names.IndexOf(name.ToLowerInvariant());
        if (number < 0 && name.StartsWith("local", StringComparison.OrdinalIgnoreCase) && name.Length == 6 && name[5] is >= '0' and <= '7')
        {
            number = 16 + (name[5] - '0');
        }
        return number >= 0 ? number << 3 : throw new ConfigException($"syslog_facility = {name}: expected mail, daemon, local0 ... local7 or another facility of syslog");
    }
}
