using Facteur.Config;
using Facteur.Unix;

namespace Facteur.Commands.Tests;

/// <summary>postfix set-permissions and what postfix check says, over an instance of another user's.</summary>
public sealed class PostfixPermissionsTests : IDisposable
{
    private const string Owner = "games", Group = "mail";

    private readonly string _top = Directory.CreateTempSubdirectory("facteur-permissions-").FullName;
    private readonly List<string> _said = [];
    private readonly uint _owner;
    private readonly uint _group;

    public PostfixPermissionsTests()
    {
        Assert.SkipWhen(Libc.geteuid() != 0, "needs root, to give files away");
        UserAccount.Find(Owner, out var account);
        (_owner, _group) = (account!.Uid, GroupAccount.Find(Group)!.Value);
        foreach (var directory in (string[])["etc", "bin"])
        {
            Directory.CreateDirectory($"{_top}/{directory}");
        }
        Main("");
    }

    public void Dispose() => Directory.Delete(_top, recursive: true);

    [Fact]
    public void Everything_is_made_and_given_to_whom_it_belongs()
    {
        Program("postdrop", native: true);
        Program("postqueue", native: true);
        Assert.True(Set(), string.Join('\n', _said));
        Assert.Equal(
            "data games any 700|spool root any 755|spool/corrupt games any 700|spool/journal games any 700|spool/maildrop games mail 730|spool/pid root any 755|spool/private games any 700|spool/public games mail 710",
            string.Join('|', Directory.EnumerateDirectories(_top, "*", SearchOption.AllDirectories).Select(d => Path.GetRelativePath(_top, d)).Where(d => d is not ("etc" or "bin")).Order(StringComparer.Ordinal).Select(Describe)));
        Assert.Equal("bin/postdrop root mail 2755", Describe("bin/postdrop"));
        Check();
        Assert.Empty(_said);
    }

    [Fact]
    public void What_is_wrong_is_said_as_Postfix_says_it_and_set_right()
    {
        Program("postdrop", native: true);
        Assert.True(Set());
        File.WriteAllText($"{_top}/spool/corrupt/4ABC", "x");
        File.WriteAllText($"{_top}/spool/journal/segment", "x");
        File.WriteAllText($"{_top}/etc/aliases", "x");
        File.WriteAllText($"{_top}/data/cache", "x");
        Assert.Equal(0, Libc.chown($"{_top}/spool", _owner, 0));
        Assert.Equal(0, Libc.chmod($"{_top}/spool/pid", 0x1FF));
        Assert.Equal(0, Libc.chmod($"{_top}/etc/aliases", 0x1B6));
        Assert.Equal(0, Libc.chown($"{_top}/etc/aliases", _owner, 0));
        Assert.Equal(0, Libc.chown($"{_top}/spool/maildrop", 0, 0));
        Assert.Equal(0, Libc.chmod($"{_top}/spool/public", 0x1FF));
        Assert.Equal(0, Libc.chmod($"{_top}/bin/postdrop", 0x1ED));
        Assert.Equal(0, Libc.chown($"{_top}/bin/postdrop", 0, 0));
        Check();
        Assert.Equal(
            [
                "damaged message: corrupt/4ABC", "group or other writable: TOP/etc/./aliases", "group or other writable: TOP/spool/pid", "mode is not 710: TOP/spool/public", "mode is not 755: TOP/spool/pid",
                "not owned by games: TOP/data/./cache", "not owned by games: TOP/spool/corrupt/4ABC", "not owned by games: TOP/spool/journal/segment", "not owned by games: TOP/spool/maildrop",
                "not owned by group mail: TOP/bin/postdrop", "not owned by group mail: TOP/spool/maildrop", "not owned by root: TOP/etc/./aliases", "not owned by root: TOP/spool/.",
                "not set-gid or not owner+group+world executable: TOP/bin/postdrop",
            ], _said.Select(s => s.Replace(_top, "TOP")["warning: ".Length..]).Order(StringComparer.Ordinal));
        _said.Clear();
        Assert.True(Set());
        Check();
        // What an administrator has put there is the administrator's to mend.
        Assert.Equal(3, _said.Count(s => s.Contains("/etc/./aliases", StringComparison.Ordinal) || s.EndsWith("/data/./cache", StringComparison.Ordinal)));
        Assert.Equal("warning: damaged message: corrupt/4ABC", Assert.Single(_said, s => !s.Contains("/etc/./aliases", StringComparison.Ordinal) && !s.EndsWith("/data/./cache", StringComparison.Ordinal)));
    }

    /// <summary>What Postfix's "postfix check" said of the same tree, in its order.</summary>
    [Fact]
    public void All_is_said_in_the_order_of_Postfix()
    {
        Assert.True(Set());
        File.WriteAllText($"{_top}/data/x", "x");
        File.WriteAllText($"{_top}/etc/master.cf", "");
        File.CreateSymbolicLink($"{_top}/etc/link", "/etc/hosts");
        File.WriteAllText($"{_top}/spool/corrupt/AAA", "x");
        Directory.CreateDirectory($"{_top}/spool/etc");
        File.WriteAllText($"{_top}/spool/etc/hosts", "x");
        File.Copy("/etc/passwd", $"{_top}/spool/etc/passwd");
        Assert.Equal(0, Libc.chown($"{_top}/spool/etc/passwd", _owner, 0));
        Assert.Equal(0, Libc.chown($"{_top}/spool", _owner, 0));
        Assert.Equal(0, Libc.chmod($"{_top}/spool/pid", 0x1FF));
        Assert.Equal(0, Libc.chown($"{_top}/etc/main.cf", _owner, 0));
        Assert.Equal(0, Libc.chmod($"{_top}/etc/master.cf", 0x1B6));
        File.CreateSymbolicLink($"{_top}/etc/inner", "master.cf");
        Assert.Equal(0, Libc.chmod($"{_top}/data/x", 0x1B6));
        Assert.Equal(0, Libc.chown($"{_top}/spool/public", _owner, 0));
        Check();
        string[] expected =
        [
            "not owned by root: TOP/spool/.", "group or other writable: TOP/spool/pid", "not owned by root: TOP/etc/./main.cf", "group or other writable: TOP/etc/./master.cf",
            "group or other writable: TOP/etc/./inner", "symlink leaves directory: TOP/etc/./link", "not owned by games: TOP/data/./x", "group or other writable: TOP/data/./x",
            "not owned by games: TOP/spool/corrupt/AAA", "not owned by group mail: TOP/spool/public", "mode is not 755: TOP/spool/pid", "not owned by root: TOP/spool/etc/passwd",
            "TOP/spool/etc/hosts and /etc/hosts differ", "damaged message: corrupt/AAA",
        ];
        // Files of one directory come in any order.
        var said = _said.Select(s => s.Replace(_top, "TOP")["warning: ".Length..]).ToList();
        Assert.Equal(expected.Order(StringComparer.Ordinal), said.Order(StringComparer.Ordinal));
        Assert.Equal(expected.Select(Kind).Distinct(), said.Select(Kind).Distinct());
        static string Kind(string text) => $"{text.Split(':')[0].Split('/')[0]}{(text.Contains("/etc/./", StringComparison.Ordinal) ? "etc" : text.Contains("/data/", StringComparison.Ordinal) ? "data" : "")}";
    }

    [Fact]
    public void Check_makes_what_is_missing()
    {
        Assert.True(new PostfixPermissions(_said.Add).Make(Load()));
        Assert.Equal("spool/maildrop games mail 730", Describe("spool/maildrop"));
        Assert.Empty(_said);
    }

    [Fact]
    public void A_program_that_is_compiled_when_it_runs_is_not_made_set_gid()
    {
        Program("postdrop", native: false);
        File.WriteAllText($"{_top}/bin/postqueue", "#!/bin/sh\n");
        Assert.False(Set());
        Assert.Equal([$"error: {_top}/bin/postdrop: not a natively compiled program: it is not made set-gid", $"error: {_top}/bin/postqueue: not a natively compiled program: it is not made set-gid"], _said);
        Assert.EndsWith(" 755", Describe("bin/postdrop"), StringComparison.Ordinal);
        _said.Clear();
        Assert.Equal(0, Libc.chown($"{_top}/bin/postdrop", 0, _group));
        Assert.Equal(0, Libc.chmod($"{_top}/bin/postdrop", 0x5ED));
        Check();
        Assert.Contains($"warning: set-gid, but not a natively compiled program: {_top}/bin/postdrop", _said);
    }

    [Fact]
    public void Links_that_an_owner_put_into_a_directory_give_nothing_away()
    {
        Assert.True(Set());
        File.WriteAllText($"{_top}/secret", "x");
        Assert.Equal(0, Libc.link($"{_top}/secret", $"{_top}/spool/journal/hard"));
        File.CreateSymbolicLink($"{_top}/spool/journal/soft", $"{_top}/secret");
        Directory.CreateDirectory($"{_top}/tree");
        File.WriteAllText($"{_top}/tree/file", "x");
        File.CreateSymbolicLink($"{_top}/spool/corrupt/tree", $"{_top}/tree");
        Directory.Delete($"{_top}/spool/private");
        File.CreateSymbolicLink($"{_top}/spool/private", $"{_top}/tree");
        Assert.False(Set());
        Assert.StartsWith($"error: set owner and mode of {_top}/spool/private: ", Assert.Single(_said), StringComparison.Ordinal);
        Assert.All((string[])["secret", "tree", "tree/file"], path => Assert.StartsWith($"{path} root ", Describe(path), StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("mail_owner = nosuchuser", "parameter mail_owner: unknown user name value: nosuchuser")]
    [InlineData("setgid_group = nosuchgroup", "parameter setgid_group: unknown group name: nosuchgroup")]
    [InlineData("default_privs = games", "parameters default_privs and mail_owner specify the same user games")]
    [InlineData("default_privs = root", "parameter default_privs: user root has privileged user ID")]
    [InlineData("setgid_group = root", "parameter setgid_group: group root has privileged group ID")]
    [InlineData("setgid_group = games", "parameters mail_owner and setgid_group: user games and group games have the same group ID: 60")]
    [InlineData("setgid_group = nogroup", "parameters default_privs and setgid_group: user nobody and group nogroup have the same group ID: 65534")]
    [InlineData("queue_owner = nobody", "parameters default_privs and queue_owner specify the same user nobody")]
    [InlineData("queue_owner = root", "parameter queue_owner: user root has privileged user ID")]
    public void Accounts_that_must_not_be_used(string setting, string expected)
    {
        Main(setting);
        Assert.False(Set());
        Assert.Equal($"fatal: file {_top}/etc/main.cf: {expected}", Assert.Single(_said));
        Assert.False(Directory.Exists($"{_top}/spool"));
    }

    private void Main(string lines) => File.WriteAllText($"{_top}/etc/main.cf", $"""
        compatibility_level = 3.11
        queue_directory = {_top}/spool
        data_directory = {_top}/data
        command_directory = {_top}/bin
        mail_owner = {Owner}
        setgid_group = {Group}
        default_privs = nobody
        {lines}

        """);

    private void Program(string name, bool native)
    {
        File.WriteAllText($"{_top}/bin/{name}", native ? "\u007fELF\0.text\0__managedcode\0.data\0" : "\u007fELF\0.text\0.data\0hostfxr\0");
        Assert.Equal(0, Libc.chmod($"{_top}/bin/{name}", 0x1ED));
    }

    private bool Set() => new PostfixPermissions(_said.Add).Set(Load());

    private void Check() => new PostfixPermissions(_said.Add).Check(Load());

    private IConfig Load() => ConfigLoader.Load($"{_top}/etc", new LoadOptions { WithMaster = false }).Config;

    private string Describe(string path)
    {
        Assert.Equal(0, UnixFile.Status($"{_top}/{path}", followLinks: false, out var status));
        UserAccount.Find(status.Uid, out var user);
        return $"{path} {user!.Name} {(status.Gid == _group ? Group : "any")} {Convert.ToString(status.Mode & 0xFFF, 8)}";
    }
}
