using System.Text;
using Facteur.Unix;

namespace Facteur.System.Tests.Parts;

/// <summary>
/// An instance as a package would install it, without anything that runs: commands with postdrop set-gid to a group that nobody is in, maildrop 0730, and
/// /etc/postfix of its own in a name space of its own. Commands are run in it as ordinary users. Needs root.
/// </summary>
internal sealed class SetGidHouse : IDisposable
{
    /// <summary>Who owns the queue, and the group of the set-gid program: accounts that every Linux has.</summary>
    public const string Owner = "games", Group = "mail";

    /// <summary>Two ordinary users.</summary>
    public const string User = "nobody", SecondUser = "daemon";

    private const uint Everybody = 0x1ED;

    private readonly uint _owner;
    private readonly uint _group;

    public SetGidHouse(string main = "")
    {
        Assert.SkipWhen(Libc.geteuid() != 0, "needs root, to make a program set-gid and to run it as somebody else");
        foreach (var program in (string[])["unshare", "setpriv", "prlimit", "bash", "mount"])
        {
            Program.Need(program);
        }
        Top = Directory.CreateTempSubdirectory("facteur-setgid-").FullName;
        Assert.SkipWhen(UnixFile.IgnoresSetId(Top), $"{Top} is on a file system that ignores set-gid bits");
        Assert.Equal(0, UserAccount.Find(Owner, out var owner));
        (_owner, _group) = (owner!.Uid, GroupAccount.Find(Group)!.Value);
        Assert.Equal(0, Libc.chmod(Top, Everybody));
        foreach (var directory in (string[])["bin", "etc", "etc/postfix", "other", "spool", "spool/pid", "home"])
        {
            Directory.CreateDirectory($"{Top}/{directory}");
            Assert.Equal(0, Libc.chmod($"{Top}/{directory}", Everybody));
        }
        Own("spool/maildrop", 0x1D8, _group);
        Own("spool/public", 0x1C8, _group);
        Own("spool/private", 0x1C0, _group);
        Assert.Equal(0, Libc.chmod($"{Top}/home", 0x1FF));
        // A whole /etc, so that nothing of this machine's is needed or touched.
        foreach (var name in (string[])["passwd", "group", "nsswitch.conf", "ld.so.cache", "localtime", "dotnet"])
        {
            if (Path.Exists($"/etc/{name}"))
            {
                Program.Run("/bin/cp", ["-rL", $"/etc/{name}", $"{Top}/etc/{name}"]).Fine();
            }
        }
        Main = $"""
            compatibility_level = 3.11
            queue_directory = {Top}/spool
            data_directory = {Top}/data
            command_directory = {Top}/bin
            mail_owner = {Owner}
            setgid_group = {Group}
            default_privs = nobody
            myhostname = mail.test
            maillog_file = {Top}/maillog
            maillog_file_prefixes = {Top}

            """;
        File.WriteAllText($"{Top}/etc/postfix/main.cf", Main + main + "\n");
        File.Copy($"{Top}/etc/postfix/main.cf", $"{Top}/other/main.cf");
        Install("facteur-postdrop");
        foreach (var name in (string[])["postdrop", "postqueue", "postlog"])
        {
            File.CreateSymbolicLink($"{Top}/bin/{name}", "facteur-postdrop");
        }
        Assert.Equal(0, Libc.chown(Postdrop, 0, _group));
        Assert.Equal(0, Libc.chmod(Postdrop, 0x5ED));
    }

    public string Top { get; }

    public string Main { get; }

    public string Postdrop => $"{Top}/bin/facteur-postdrop";

    public string Maildrop => $"{Top}/spool/maildrop";

    /// <summary>Whether the program under test is the native one.</summary>
    public bool IsNative { get; private set; }

    /// <summary>A message as sendmail hands it to postdrop.</summary>
    public static byte[] Message { get; } = [.. Encoding.Latin1.GetBytes("S\u0003bobR\u0003bobM\0N\u0005first"), .. Encoding.Latin1.GetBytes("N\u0004lastX\0E\0")];

    /// <summary>Puts an executable into the house's bin: the native one, where ./build has made it of this source, else the one beside the tests.</summary>
    public void Install(string executable)
    {
        var native = Native(executable);
        IsNative = native is not null;
        if (native is not null)
        {
            File.Copy(native, $"{Top}/bin/{executable}");
            return;
        }
        foreach (var file in Directory.EnumerateFiles(AppContext.BaseDirectory).Where(f => Path.GetFileName(f) is var name
            && (name == executable || name.StartsWith($"{executable}.", StringComparison.Ordinal) || name.EndsWith(".dll", StringComparison.Ordinal))))
        {
            File.Copy(file, $"{Top}/bin/{Path.GetFileName(file)}", overwrite: true);
        }
    }

    /// <summary>Skips what only says something of a native program.</summary>
    public void NeedNative() => Assert.SkipUnless(IsNative, "needs the native program of this source: ./build");

    /// <summary>
    /// Runs a bash script in the house as a user. In the script, $P is postdrop, $T the house, $B its bin.
    /// </summary>
    public Outcome As(string user, string script, byte[]? input = null, string group = "nogroup") => Program.Run("/usr/bin/env",
    [
        "unshare", "--mount", "--propagation", "private", "/bin/bash", "-c",
        "mount --bind \"$0/etc\" /etc && export T=$0 B=$0/bin P=$0/bin/postdrop && cd \"$T/home\" && exec setpriv --reuid \"$1\" --regid \"$2\" --clear-groups /bin/bash -c \"$3\"",
        Top, user, group, script,
    ], input, "/");

    /// <summary>The messages that pickup would take.</summary>
    public IReadOnlyList<string> Messages() => [.. Files().Where(f => !f.Contains('.'))];

    /// <summary>All that lies in maildrop.</summary>
    public IReadOnlyList<string> Files() => [.. Directory.EnumerateFileSystemEntries(Maildrop).Select(f => Path.GetFileName(f))];

    /// <summary>Empties maildrop.</summary>
    public void Clear()
    {
        foreach (var file in Directory.EnumerateFiles(Maildrop))
        {
            File.Delete(file);
        }
    }

    public void Dispose() => Directory.Delete(Top, recursive: true);

    /// <summary>A program as it is shipped, when it was built after these tests.</summary>
    public static string? Native(string executable)
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Facteur.slnx")))
        {
            directory = directory.Parent;
        }
        var file = new FileInfo(Path.Combine(directory?.FullName ?? "/", "artifacts", "bin", executable));
        // An older one would be another program's test.
        return file.Exists && file.LastWriteTimeUtc >= File.GetLastWriteTimeUtc(Path.Combine(AppContext.BaseDirectory, "Facteur.Commands.dll")) ? file.FullName : null;
    }

    private void Own(string name, uint mode, uint group)
    {
        Directory.CreateDirectory($"{Top}/{name}");
        Assert.Equal(0, Libc.chown($"{Top}/{name}", _owner, group));
        Assert.Equal(0, Libc.chmod($"{Top}/{name}", mode));
    }
}
