using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Facteur.Unix;

namespace Facteur.System.Tests.Parts;

/// <summary>
/// A private Postfix in a directory of its own: SMTP on a port of the loopback, everything goes to the next hop. Tests that use it are skipped where Postfix is
/// not installed, or without root, which it wants.
/// </summary>
internal sealed partial class PostfixInstance : IDisposable
{
    private readonly Port _port = new();
    private readonly Process _guard;
    private readonly string _postfix;

    /// <param name="main">Lines of main.cf that win over the others.</param>
    public PostfixInstance(string main)
    {
        Assert.SkipUnless(Libc.geteuid() == 0, "needs root to run a private Postfix");
        _postfix = Program.Need("postfix");
        Assert.SkipUnless(File.Exists("/usr/lib/postfix/sbin/master") && File.Exists("/etc/postfix/postfix-script"), "needs Debian's Postfix");
        Top = Directory.CreateTempSubdirectory("facteur-postfix-").FullName;
        Assert.Equal(0, Libc.chmod(Top, 0x1ED));
        foreach (var directory in (string[])["etc", "spool", "data"])
        {
            Directory.CreateDirectory($"{Top}/{directory}");
        }
        Program.Run("/bin/chown", ["postfix", $"{Top}/data"]).Fine();
        foreach (var name in (string[])["dynamicmaps.cf", "postfix-files", "post-install", "postfix-script", "dynamicmaps.cf.d", "postfix-files.d"])
        {
            if (Path.Exists($"/etc/postfix/{name}"))
            {
                Program.Run("/bin/cp", ["-r", $"/etc/postfix/{name}", $"{Top}/etc/"]).Fine();
            }
        }
        var guard = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true };
        foreach (var argument in (string[])["-c", "trap '' INT TERM HUP; read end; kill -9 $(cat \"$1\"); rm -rf \"$2\"", "guard", $"{Spool}/pid/master.pid", Top])
        {
            guard.ArgumentList.Add(argument);
        }
        _guard = Process.Start(guard)!;
        File.WriteAllText($"{Etc}/main.cf", $"""
            compatibility_level = 3.6
            queue_directory = {Spool}
            data_directory = {Top}/data
            command_directory = /usr/sbin
            daemon_directory = /usr/lib/postfix/sbin
            shlib_directory = /usr/lib/postfix
            meta_directory = {Etc}
            mail_owner = postfix
            setgid_group = postdrop
            myhostname = postfix.test
            mydestination =
            mynetworks = 127.0.0.0/8
            inet_interfaces = 127.0.0.1
            inet_protocols = ipv4
            delay_warning_time = 1h
            maillog_file = {Top}/maillog
            maillog_file_prefixes = {Top}
            {main}

            """);
        var master = File.ReadAllText("/etc/postfix/master.cf");
        master = SmtpLine().Replace(master, $"127.0.0.1:{_port.Number}$1");
        File.WriteAllText($"{Etc}/master.cf", Chroot().Replace(master, "$1n$2"));
    }

    public string Top { get; }

    public string Etc => $"{Top}/etc";

    /// <summary>queue_directory.</summary>
    public string Spool => $"{Top}/spool";

    /// <summary>Where SMTP is.</summary>
    public int Smtp => _port.Number;

    public string Log => File.Exists($"{Top}/maillog") ? File.ReadAllText($"{Top}/maillog") : "";

    public void Start()
    {
        Program.Run(_postfix, ["-c", Etc, "start"]).Fine();
        Poll.Until(() => Log.Contains("daemon started", StringComparison.Ordinal), () => Log);
    }

    public void Stop()
    {
        Program.Run(_postfix, ["-c", Etc, "stop"]).Fine();
        Poll.Until(() => !File.Exists($"{Spool}/pid/master.pid") || !Lives(), () => "the end of Postfix");
    }

    /// <summary>Runs one of Postfix's programs on this instance.</summary>
    public Outcome Run(string name, params string[] arguments) => Program.Run(Program.Need(name), ["-c", Etc, .. arguments]);

    public void Logged(string text) => Poll.Until(() => Log.Contains(text, StringComparison.Ordinal), () => $"log line with \"{text}\"\n{Log}");

    public void Dispose()
    {
        if (Directory.Exists($"{Spool}/pid") && Lives())
        {
            Stop();
        }
        _guard.Kill();
        _guard.Dispose();
        _port.Dispose();
        Directory.Delete(Top, recursive: true);
    }

    private bool Lives()
    {
        try
        {
            return int.TryParse(File.ReadAllText($"{Spool}/pid/master.pid"), CultureInfo.InvariantCulture, out var pid) && Directory.Exists($"/proc/{pid}");
        }
        catch (IOException)
        {
            return false;
        }
    }

    [GeneratedRegex(@"^smtp(\s+inet)", RegexOptions.Multiline)]
    private static partial Regex SmtpLine();

    [GeneratedRegex(@"^(\S+\s+\S+\s+\S+\s+\S+\s+)y(\s)", RegexOptions.Multiline)]
    private static partial Regex Chroot();
}
