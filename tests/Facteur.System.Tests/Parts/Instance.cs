using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Facteur.Unix;

namespace Facteur.System.Tests.Parts;

/// <summary>
/// A private mail system in a directory of its own: SMTP on a port of the loopback, Maildirs for some names at box.test, everything else goes to the next hop.
/// Disposing ends it and removes the directory.
/// </summary>
internal sealed class Instance : IDisposable
{
    private const string Boxes = "a also.dots also.eight also.empty also.kilo300 also.long also.mega3 anyone b bdat big crash cut dots early eight empty from happy "
        + "heads hidden home kilo300 long mega3 one plain postmaster quiet r0 r1 r2 r3 r4 r6 s sender two works";

    private readonly Port _port = new();
    private readonly Process _guard;

    /// <param name="main">Lines of main.cf that win over those of every instance.</param>
    /// <param name="spool">queue_directory; null is a directory of the instance's own.</param>
    /// <param name="smtpd">maxproc of smtpd in master.cf.</param>
    public Instance(string main = "", string? spool = null, string smtpd = "-")
    {
        Top = Directory.CreateTempSubdirectory("facteur-").FullName;
        LogFile = $"{Top}/maillog";
        Spool = spool ?? $"{Top}/spool";
        Assert.Equal(0, Libc.chmod(Top, 0x1ED));
        foreach (var directory in (string[])["etc", "spool", "data", "mail"])
        {
            Directory.CreateDirectory($"{Top}/{directory}");
        }
        // The mail system leaves our session: when the tests are killed, the end of its input tells this shell to clean up.
        var guard = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true };
        foreach (var argument in (string[])["-c", "trap '' INT TERM HUP; read end; kill -9 $(cat \"$1\"); rm -rf \"$2\"", "guard", $"{Spool}/pid/master.pid", Top])
        {
            guard.ArgumentList.Add(argument);
        }
        _guard = Process.Start(guard)!;
        var (uid, gid) = (Libc.geteuid(), Libc.getegid());
        if (uid == 0)
        {
            // virtual(8) never delivers as root: the mailboxes are nobody's then.
            Assert.Equal(0, UserAccount.Find("nobody", out var nobody));
            (uid, gid) = (nobody!.Uid, nobody.Gid);
            Assert.Equal(0, Libc.chown($"{Top}/mail", uid, gid));
        }
        var group = Program.Run("/usr/bin/id", ["-gn"]).Fine().Trim();
        File.WriteAllText(MainCf, $"""
            compatibility_level = 3.11
            queue_directory = {Spool}
            data_directory = {Top}/data
            mail_owner = {Environment.UserName}
            setgid_group = {group}
            myhostname = mail.test
            mydomain = mail.test
            myorigin = box.test
            mydestination =
            mynetworks = 127.0.0.0/8
            inet_interfaces = 127.0.0.1
            inet_protocols = ipv4
            smtp_dns_support_level = disabled
            smtp_host_lookup = native
            virtual_mailbox_domains = box.test
            virtual_mailbox_base = {Top}/mail
            virtual_mailbox_maps = texthash:{Top}/etc/boxes
            virtual_uid_maps = static:{uid}
            virtual_gid_maps = static:{gid}
            virtual_minimum_uid = 1
            alias_maps =
            biff = no
            minimal_backoff_time = 300s
            maillog_file = {Top}/maillog
            maillog_file_prefixes = {Top}, /dev/full
            {main}

            """);
        // virtual(8) takes no $1 from patterns: it would let strangers name files.
        File.WriteAllLines($"{Top}/etc/boxes", Boxes.Split(' ').Select(name => $"{name}@box.test {name}/"));
        File.WriteAllText(MasterCf, $"""
            127.0.0.1:{_port.Number} inet n - n - {smtpd} smtpd
            pickup unix n - n 60 1 pickup
            cleanup unix n - n - 0 cleanup
            qmgr unix n - n 300 1 qmgr
            rewrite unix - - n - - trivial-rewrite
            bounce unix - - n - 0 bounce
            defer unix - - n - 0 bounce
            trace unix - - n - 0 bounce
            showq unix n - n - - showq
            anvil unix - - n - 1 anvil
            smtp unix - - n - - smtp
            relay unix - - n - - smtp
            local unix - n n - - local
            virtual unix - n n - - virtual
            error unix - - n - - error
            retry unix - - n - - error
            discard unix - - n - - discard

            """);
    }

    /// <summary>The directory of it all.</summary>
    public string Top { get; }

    /// <summary>queue_directory.</summary>
    public string Spool { get; }

    public string MainCf => $"{Top}/etc/main.cf";

    public string MasterCf => $"{Top}/etc/master.cf";

    /// <summary>Where SMTP is.</summary>
    public int Smtp => _port.Number;

    /// <summary>The log so far.</summary>
    public string Log => File.Exists(LogFile) ? File.ReadAllText(LogFile) : "";

    /// <summary>maillog_file.</summary>
    public string LogFile { get; private set; }

    /// <summary>The process, or 0.</summary>
    public int Pid => File.Exists($"{Spool}/pid/master.pid") && int.TryParse(File.ReadAllText($"{Spool}/pid/master.pid"), CultureInfo.InvariantCulture, out var pid) ? pid : 0;

    /// <summary>A started instance.</summary>
    public static Instance Started(string main = "", string? spool = null, string smtpd = "-")
    {
        var instance = new Instance(main, spool, smtpd);
        instance.Start();
        return instance;
    }

    /// <summary>The whole mail system in one process: the other way that these tests are played.</summary>
    public static bool Single { get; } = Environment.GetEnvironmentVariable("FACTEUR_SINGLE_PROCESS") == "yes";

    public void Start()
    {
        var start = Run("postfix", Single ? ["start", "--single-process"] : ["start"]);
        Assert.True(start.Exit == 0, start.Error + Log);
    }

    public void Stop()
    {
        Postfix("stop").Fine();
    }

    /// <summary>SIGKILL; back when the process is gone.</summary>
    public void Kill()
    {
        var pid = Pid;
        Assert.Equal(0, Libc.kill(pid, Libc.SIGKILL));
        Poll.Until(() => !Lives(pid), () => $"the end of process {pid}");
        Gone();
    }

    /// <summary>The log is another file: before the start.</summary>
    public void LogTo(string file)
    {
        LogFile = file;
        Set($"maillog_file = {file}");
    }

    /// <summary>The process of a role, 0 when there is none; of several the one that began last: others leave.</summary>
    public int Role(string name) => Directory.EnumerateDirectories("/proc").Where(p => Mine(p, name)).OrderByDescending(Began).Select(p => int.Parse(Path.GetFileName(p), CultureInfo.InvariantCulture)).FirstOrDefault();

    // Field 22 of proc(5) stat; the name before it may hold blanks.
    private static long Began(string process)
    {
        try
        {
            var stat = File.ReadAllText($"{process}/stat");
            return long.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    /// <summary>Waits until nothing of this instance runs: roles end with their master.</summary>
    public void Gone() => Poll.Until(() => !Directory.EnumerateDirectories("/proc").Any(p => Mine(p, "")), () => "the end of the roles");

    private bool Mine(string process, string role)
    {
        try
        {
            return char.IsAsciiDigit(Path.GetFileName(process)[0]) && File.ReadAllText($"{process}/cmdline") is var line
                && line.Contains($"\0role\0{role}", StringComparison.Ordinal) && line.Contains($"{Top}/", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Waits until a recipient is taken: a reload is asked for, not waited for, and the sessions that began before it follow what was.</summary>
    public void Takes(string recipient)
    {
        var reply = "";
        Poll.Until(() => (reply = Asked()).StartsWith("250", StringComparison.Ordinal), () => $"a recipient {recipient} that is taken, not {reply}");

        string Asked()
        {
            using var client = new Client(Smtp);
            client.Expect("250", "EHLO client.test");
            client.Expect("250", "MAIL FROM:<s@out.test>");
            return client.Say($"RCPT TO:<{recipient}>");
        }
    }

    /// <summary>Runs one of the names on this instance.</summary>
    public Outcome Run(string name, params string[] arguments) => Run(name, [], arguments);

    /// <summary>Runs one of the names on this instance, with input.</summary>
    public Outcome Run(string name, byte[] input, params string[] arguments) =>
        Program.Run(Program.Facteur, [name, .. (string[])(name is "sendmail" or "mailq" ? ["-C", $"{Top}/etc"] : ["-c", $"{Top}/etc"]), .. arguments], input);

    public Outcome Postfix(string command) => Run("postfix", command);

    /// <summary>Changes main.cf: a later line wins.</summary>
    public void Set(string lines) => File.AppendAllText(MainCf, lines + "\n");

    /// <summary>Reads main.cf again; back when that is done.</summary>
    public void Reload()
    {
        var before = Count("reload -- version");
        Postfix("reload").Fine();
        Poll.Until(() => Count("reload -- version") > before, () => "reload");

        int Count(string text) => Log.Split(text).Length;
    }

    /// <summary>What postqueue -j lists.</summary>
    public IReadOnlyList<JsonElement> Queue() =>
        [.. Run("postqueue", "-j").Fine().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(line))).RootElement)];

    /// <summary>The messages in a mailbox, as Latin-1.</summary>
    public IReadOnlyList<string> Box(string name)
    {
        var directory = $"{Top}/mail/{name}/new";
        return Directory.Exists(directory) ? [.. Directory.EnumerateFiles(directory).Order(StringComparer.Ordinal).Select(file => File.ReadAllText(file, Encoding.Latin1))] : [];
    }

    /// <summary>The message in a mailbox that contains a text, when it is there.</summary>
    public string Delivered(string box, string text) =>
        Poll.Until(() => Box(box).FirstOrDefault(message => message.Contains(text, StringComparison.Ordinal)), () => $"mail to {box} with {text}\n{Log}");

    /// <summary>Waits for a text in the log.</summary>
    public void Logged(string text) => Poll.Until(() => Log.Contains(text, StringComparison.Ordinal), () => $"log line with \"{text}\"\n{Log}");

    /// <summary>spool verify finds nothing.</summary>
    public void Verify() => Assert.Contains(" 0 findings", Program.Run(Program.Facteur, ["spool", "verify", Spool]).Fine(), StringComparison.Ordinal);

    public void Dispose()
    {
        if (Pid is > 0 and var pid && Lives(pid))
        {
            _ = Libc.kill(pid, Libc.SIGKILL);
            Poll.Until(() => !Lives(pid), () => $"the end of process {pid}");
        }
        Gone();
        _guard.Kill();
        _guard.Dispose();
        _port.Dispose();
        Directory.Delete(Top, recursive: true);
    }

    // A zombie has ended, whoever fetches it.
    private static bool Lives(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/stat").Split(") ")[^1][0] != 'Z';
        }
        catch (IOException)
        {
            return false;
        }
    }
}
