using System.Text.RegularExpressions;
using Facteur.Unix;

namespace Facteur.Commands.Tests;

/// <summary>postfix(1) without a running system: the words of each verb, its exit status; the log's rotation and the upgrade of master.cf.</summary>
public sealed class PostfixTests : IDisposable
{
    private readonly string _top = Directory.CreateTempSubdirectory("facteur-postfix-").FullName;

    public PostfixTests()
    {
        foreach (var directory in (string[])["etc", "q", "data"])
        {
            Directory.CreateDirectory($"{_top}/{directory}");
        }
        Main("");
        File.WriteAllText($"{_top}/etc/master.cf", "smtp inet n - n - - smtpd\n");
    }

    public void Dispose() => Directory.Delete(_top, recursive: true);

    [Theory]
    [InlineData("-x", "postfix: invalid option -- 'x'\npostfix: fatal: usage: postfix [-c config_dir] [-Dv] command")]
    [InlineData("-c", "postfix: option requires an argument -- 'c'\npostfix: fatal: usage: postfix [-c config_dir] [-Dv] command")]
    [InlineData("-c TOP/none status", "postfix: fatal: open TOP/none/main.cf: No such file or directory")]
    [InlineData("-c TOP/etc", "postfix/postlog: fatal: unknown command: ''. Usage: postfix start (or stop, reload, abort, flush, check, status, set-permissions, upgrade-configuration, logrotate)")]
    [InlineData("-c TOP/etc bogus", "postfix/postlog: fatal: unknown command: 'bogus'. Usage: postfix start (or stop, reload, abort, flush, check, status, set-permissions, upgrade-configuration, logrotate)")]
    [InlineData("-c TOP/etc status", "postfix/postlog: the Postfix mail system is not running")]
    [InlineData("-Dv -c TOP/etc status more words", "postfix/postlog: the Postfix mail system is not running")]
    [InlineData("-c TOP/etc stop", "postfix/postlog: fatal: the Postfix mail system is not running")]
    [InlineData("-c TOP/etc quick-stop", "postfix/postlog: fatal: the Postfix mail system is not running")]
    [InlineData("-c TOP/etc drain", "postfix/postlog: fatal: the Postfix mail system is not running")]
    [InlineData("-c TOP/etc abort", "postfix/postlog: fatal: the Postfix mail system is not running")]
    [InlineData("-c TOP/etc reload", "postfix/postlog: fatal: the Postfix mail system is not running")]
    [InlineData("-c TOP/etc logrotate", "postfix/postlog: fatal: empty 'maillog_file' parameter value - logfile rotation failed")]
    [InlineData("-c TOP/etc logrotate a", "postfix/postlog: fatal: usage postfix logrotate (no arguments)")]
    public void What_is_refused_is_said_as_Postfix_says_it(string arguments, string expected) =>
        Assert.Equal((1, expected.Replace("TOP", _top, StringComparison.Ordinal) + "\n", ""), Run(arguments.Split(' ')));

    [Fact]
    public void A_mistake_keeps_nobody_from_stopping()
    {
        Main("smtpd_timeout = soon");
        File.AppendAllText($"{_top}/etc/master.cf", "half an entry\n");
        Assert.Equal((1, "postfix/postlog: the Postfix mail system is not running\n", ""), Run("-c", $"{_top}/etc", "status"));
        Assert.Equal((1, "postfix/postlog: fatal: the Postfix mail system is not running\n", ""), Run("-c", $"{_top}/etc", "stop"));
        var (status, error, _) = Run("-c", $"{_top}/etc", "reload");
        Assert.Equal(1, status);
        Assert.Contains("smtpd_timeout", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Check_without_its_files_ends_as_Postfix_s()
    {
        Directory.Delete($"{_top}/q");
        Assert.Equal((1, $"postfix: fatal: chdir({_top}/q): No such file or directory\n", ""), Run("-c", $"{_top}/etc", "check"));
        File.Delete($"{_top}/etc/master.cf");
        Assert.Equal((1, $"postfix/postlog: fatal: no {_top}/etc/master.cf file found\n", ""), Run("-c", $"{_top}/etc", "check"));
    }

    [Fact]
    public void Names_that_nothing_uses_are_postconf_s_to_tell()
    {
        Main("foo = bar\nfoo = baz\nsmtp_use_tls = yes");
        var (_, error, output) = Run("-c", $"{_top}/etc", "check");
        Assert.Equal("", output);
        foreach (var line in (string[])[
            "/usr/sbin/postconf: warning: TOP/etc/main.cf: unused parameter: foo=baz", "/usr/sbin/postconf: warning: TOP/etc/main.cf: support for parameter \"smtp_use_tls\" will be removed; instead, specify \"smtp_tls_security_level\"",
            "/usr/sbin/postconf: warning: See https://www.postfix.org/DEPRECATION_README.html for details",
            "postfix/postlog: warning: TOP/etc/main.cf, line 7: overriding earlier entry: foo=bar"])
        {
            Assert.Contains(line.Replace("TOP", _top, StringComparison.Ordinal) + "\n", error, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("maillog_file = /dev/stdout", "not rotating '/dev/stdout'")]
    [InlineData("maillog_file = /nowhere/log", "maillog_file value '/nowhere/log' does not match any prefix in maillog_file_prefixes = TOP, /dev")]
    [InlineData("maillog_file = TOP/log", "logfile 'TOP/log' rotation failed: mv: cannot stat 'TOP/log': No such file or directory")]
    [InlineData("maillog_file = TOP/log\nmaillog_file_rotate_suffix = %Y%Q\nmaillog_file_compressor = nosuchprogram", "logfile 'TOP/log' rotation failed: nosuchprogram: not found", true)]
    [InlineData("maillog_file = TOP/log\nmaillog_file_compressor = false", "logfile 'TOP/log' rotation failed: ", true)]
    public void A_log_that_can_not_be_rotated(string main, string expected, bool log = false)
    {
        Main(main);
        if (log)
        {
            File.WriteAllText($"{_top}/log", "line\n");
        }
        Assert.Equal((1, $"postfix/postlog: fatal: {expected.Replace("TOP", _top, StringComparison.Ordinal)}\n", ""), Run("-c", $"{_top}/etc", "logrotate"));
        // Nothing of it is lost.
        Assert.Equal(log ? ["line\n"] : [], Directory.EnumerateFiles(_top, "log*").Select(File.ReadAllText));
    }

    [Theory]
    [InlineData("maillog_file_compressor =", "postfix: fatal: bad string length 0 < 1: maillog_file_compressor = ")]
    [InlineData("maillog_file_rotate_suffix =", "postfix: fatal: bad string length 0 < 1: maillog_file_rotate_suffix = ")]
    public void Parameters_that_can_not_be_empty(string main, string expected)
    {
        Main(main);
        var (status, error, _) = Run("-c", $"{_top}/etc", "logrotate");
        Assert.Equal(1, status);
        Assert.StartsWith(expected, error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_log_is_renamed_and_compressed()
    {
        Main("maillog_file = TOP/log\nmaillog_file_rotate_suffix = %Y%m%d-%H%M%S");
        File.WriteAllText($"{_top}/log", "line\n");
        Assert.Equal((0, "", ""), Run("-c", $"{_top}/etc", "logrotate"));
        var file = Assert.Single(Directory.EnumerateFiles(_top, "log*"));
        Assert.Matches(new Regex(@"/log\.20\d{6}-\d{6}\.gz$"), file);
        using var gzip = new System.IO.Compression.GZipStream(File.OpenRead(file), System.IO.Compression.CompressionMode.Decompress);
        Assert.Equal("line\n", new StreamReader(gzip).ReadToEnd());
    }

    [Fact]
    public void A_compressor_is_never_taken_from_the_working_directory()
    {
        var before = Environment.CurrentDirectory;
        File.WriteAllText($"{_top}/evil-gzip", $"#!/bin/sh\ntouch {_top}/ran\n");
        Assert.Equal(0, Libc.chmod($"{_top}/evil-gzip", 0x1C0));
        Main("maillog_file = TOP/log\nmaillog_file_compressor = evil-gzip");
        File.WriteAllText($"{_top}/log", "line\n");
        try
        {
            Environment.CurrentDirectory = _top;
            Assert.Equal(1, Run("-c", $"{_top}/etc", "logrotate").Status);
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }
        Assert.False(File.Exists($"{_top}/ran"));
    }

    [Fact]
    public void An_old_master_cf_is_brought_up_to_date_once()
    {
        Assert.Equal(0, Libc.chmod($"{_top}/etc/master.cf", 0x180));
        var (exit, error, output) = Run("-c", $"{_top}/etc", "upgrade-configuration");
        Assert.Equal((0, ""), (exit, error));
        Assert.StartsWith($"Editing {_top}/etc/master.cf, adding missing entry for relay service\nEditing {_top}/etc/master.cf, adding missing entry for flush service\n", output, StringComparison.Ordinal);
        Assert.Equal(17, output.Count(c => c == '\n'));
        Assert.EndsWith("\npostlog   unix-dgram n  -       n       -       1       postlogd\n", File.ReadAllText($"{_top}/etc/master.cf"), StringComparison.Ordinal);
        Assert.Equal(0, UnixFile.Status($"{_top}/etc/master.cf", followLinks: false, out var status));
        Assert.Equal(0x180u, status.Mode & 0xFFF);
        var stamp = File.GetLastWriteTimeUtc($"{_top}/etc/master.cf");
        Assert.Equal((0, "", ""), Run("-c", $"{_top}/etc", "upgrade-configuration"));
        Assert.Equal(stamp, File.GetLastWriteTimeUtc($"{_top}/etc/master.cf"));
        Assert.Equal(["main.cf", "master.cf"], Directory.EnumerateFiles($"{_top}/etc").Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    private void Main(string lines) => File.WriteAllText($"{_top}/etc/main.cf", $"""
        compatibility_level = 3.11
        queue_directory = {_top}/q
        data_directory = {_top}/data
        myhostname = mx.test
        maillog_file_prefixes = {_top}, /dev
        {lines.Replace("TOP", _top, StringComparison.Ordinal)}

        """);

    private (int Status, string Error, string Output) Run(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var context = new CommandContext(
            "postfix", [.. arguments.Select(a => a.Replace("TOP", _top, StringComparison.Ordinal))], Stream.Null, output, error, TimeProvider.System, new Dictionary<string, string>());
        var status = Postfix.Run(context, (_, _) => 0);
        return (status, error.ToString(), output.ToString());
    }
}
