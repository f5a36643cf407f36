using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Facteur.Config;
using Facteur.Contracts;
using Facteur.Services.Server;
using Facteur.Testing;
using Facteur.Unix;

namespace Facteur.Services.Tests.Server;

public sealed class MailLogTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory().FullName;

    private string File1 => Path.Combine(_directory, "log");

    public void Dispose() => Directory.Delete(_directory, true);

    [Fact]
    public void Lines_are_as_Postfix_writes_them()
    {
        using (var log = Open())
        {
            log.Write("postfix/smtpd", LogLevel.Info, "connect from c[1.2.3.4]");
            log.Write("postfix/smtpd", LogLevel.Warning, "a\nb\u0085c\ud800d é €");
        }
        var lines = File.ReadAllLines(File1);
        Assert.Matches($@"^[A-Z][a-z][a-z] \d\d \d\d:\d\d:\d\d mx postfix/smtpd\[{Environment.ProcessId}\]: connect from c\[1\.2\.3\.4\]$", lines[0]);
        Assert.EndsWith("]: warning: a?b?c?d é €", lines[1], StringComparison.Ordinal);
        Assert.True(OperatingSystem.IsLinux() && File.GetUnixFileMode(File1) == (UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Fact]
    public void A_renamed_file_is_left_after_reopen()
    {
        using var log = Open();
        log.Write("t", LogLevel.Info, "one");
        log.Flush();
        File.Move(File1, File1 + ".1");
        log.Reopen();
        log.Flush();
        log.Write("t", LogLevel.Info, "two");
        log.Flush();
        Assert.Contains("one", File.ReadAllText(File1 + ".1"), StringComparison.Ordinal);
        Assert.Contains("two", Assert.Single(File.ReadAllLines(File1)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_pipe_costs_lines_while_nobody_reads_it_and_never_waits()
    {
        Assert.Equal(0, Libc.mkfifo(File1, 0x180));
        using var log = Open();
        log.Write("t", LogLevel.Info, "nobody reads");
        log.Flush();
        using var reader = new FileStream(File1, FileMode.Open, FileAccess.ReadWrite);
        log.Write("t", LogLevel.Info, "somebody reads");
        log.Flush();
        var bytes = new byte[4096];
        Assert.Contains("somebody reads", Encoding.UTF8.GetString(bytes, 0, reader.Read(bytes)), StringComparison.Ordinal);
        for (var i = 0; i < 1000; i++)
        {
            log.Write("t", LogLevel.Info, new string('x', 200));
            log.Flush();
        }
    }

    [Fact]
    public void Many_threads_lose_no_line()
    {
        using (var log = Open())
        {
            Parallel.For(0, 2000, i => log.Write("t", LogLevel.Info, i.ToString(CultureInfo.InvariantCulture)));
        }
        Assert.Equal(2000, File.ReadAllLines(File1).Distinct().Count());
    }

    [Fact]
    public void A_log_that_can_not_keep_up_drops_and_counts()
    {
        var sink = new StuckSink();
        using (var log = new MailLog(sink, new LogLine(false, 0, "mx", 1, TimeProvider.System), "postfix/postlogd"))
        {
            var text = new string('x', 4000);
            for (var i = 0; i < 1000; i++)
            {
                log.Write("t", LogLevel.Info, text);
            }
            sink.Free.Set();
            log.Flush();
            log.Write("t", LogLevel.Info, "after");
            log.Flush();
        }
        Assert.Matches(@"postfix/postlogd\[1\]: warning: \d+ log lines were dropped", sink.Text);
        Assert.Contains("after", sink.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("maillog_file_prefixes", "/nowhere", "does not match any prefix in maillog_file_prefixes")]
    [InlineData("maillog_file_permissions", "0666", "expected 0600, 0640 or 0644")]
    [InlineData("syslog_facility", "post", "expected mail")]
    public void What_can_not_be_is_said(string name, string value, string message)
    {
        var config = new TestConfig(new Dictionary<string, string> { ["maillog_file"] = File1, ["maillog_file_prefixes"] = _directory, [name] = value }.Select(p => (p.Key, p.Value)).ToArray());
        Assert.Contains(message, Assert.Throws<ConfigException>(() => MailLog.Open(config, TimeProvider.System)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Syslog_gets_a_datagram_per_line()
    {
        var path = Path.Combine(_directory, "dev-log");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        using (var log = MailLog.Open(new TestConfig(), TimeProvider.System, path))
        {
            log.Write("postfix/qmgr", LogLevel.Info, "one");
            log.Write("postfix/qmgr", LogLevel.Warning, "two");
        }
        var buffer = new byte[1000];
        Assert.Matches($@"^<22>[A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d postfix/qmgr\[{Environment.ProcessId}\]: one$", Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer)));
        Assert.StartsWith("<20>", Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer)), StringComparison.Ordinal);
    }

    private MailLog Open() => MailLog.Open(new TestConfig(("maillog_file", File1), ("maillog_file_prefixes", _directory)), TimeProvider.System);

    private sealed class StuckSink : ILogSink
    {
        private readonly StringBuilder _text = new();

        internal ManualResetEventSlim Free { get; } = new();

        internal string Text => _text.ToString();

        public int Write(ReadOnlySpan<byte> lines)
        {
            Free.Wait();
            _text.Append(Encoding.UTF8.GetString(lines));
            return 0;
        }

        public void Reopen()
        {
        }

        public void Dispose() => Free.Dispose();
    }
}
