using System.Text;
using Facteur.Unix;

namespace Facteur.Commands.Tests;

public sealed class PostmapTests
{
    private static readonly Dictionary<string, string> Files = new()
    {
        ["t1"] = "key1 value one\nKEY2   value\n  continued\n# comment\ndup a\ndup b\nnokey\n",
        ["al"] = "a: b, c\n\"q u\": d\nbad line\n",
        ["acl.cidr"] = "10.0.0.0/8 ten\n!192.168.0.0/16 notpriv\n2001:db8::/32 v6\nif 1.0.0.0/8\n1.2.3.0/24 inner\nendif\nbad\n",
        ["re"] = "/^(.*)@x$/ $1@y\n!/foo/ nofoo\nif /^a/\n/b/ ab\nendif\n",
    };

    private const string BadCidr = "postmap: warning: cidr map @E@/acl.cidr, line 7: bad address pattern: \"bad\": skipping this rule\n";

    /// <summary>The recording of scenario 47 (Postfix 3.11.6), in its order, in one directory.</summary>
    [Fact]
    public void Scenario_47_answers_as_recorded()
    {
        using var directory = new TableDirectory();
        foreach (var (name, text) in Files)
        {
            directory.Write(name, text);
        }
        Check("postmap|lmdb:@E@/t1", "", 0, "",
            "postmap: warning: lmdb:@E@/t1: duplicate entry: \"dup\"\npostmap: warning: @E@/t1, line 7: expected format: key whitespace value\n");
        Check("postmap|-q|key1|lmdb:@E@/t1", "", 0, "value one\n", "");
        Check("postmap|-q|key2|lmdb:@E@/t1", "", 0, "value  continued\n", "");
        Check("postmap|-q|nokeyatall|lmdb:@E@/t1", "", 1, "", "");
        Check("postmap|-s|lmdb:@E@/t1", "", 0, "dup\ta\nkey1\tvalue one\nkey2\tvalue  continued\n", "");
        Check("postmap|-d|key1|lmdb:@E@/t1", "", 0, "", "");
        Check("postmap|-q|-|lmdb:@E@/t1", "key1\ndup\nkey2\n", 0, "dup\ta\nkey2\tvalue  continued\n", "");
        Check("postmap|-i|lmdb:@E@/t1", "added here\n", 0, "", "");
        Check("postmap|-q|added|lmdb:@E@/t1", "", 0, "here\n", "");
        Check("postalias|lmdb:@E@/al", "", 0, "", "postalias: warning: @E@/al, line 3: need name:value pair\n");
        Check("postalias|-s|lmdb:@E@/al", "", 0, "@:\t@\na:\tb, c\nq u:\td\n", "");
        Check("postmap|-q|10.1.2.3|cidr:@E@/acl.cidr", "", 0, "ten\n", BadCidr);
        Check("postmap|-q|1.2.3.4|cidr:@E@/acl.cidr", "", 0, "notpriv\n", BadCidr);
        Check("postmap|-q|192.168.1.1|cidr:@E@/acl.cidr", "", 1, "", BadCidr);
        Check("postmap|-q|2001:db8::1|cidr:@E@/acl.cidr", "", 0, "v6\n", BadCidr);
        Check("postmap|-q|u@x|regexp:@E@/re", "", 0, "u@y\n", "");
        Check("postmap|-q|k|inline:{ k=v, { j = w x } }", "", 0, "v\n", "");
        Check("postmap|-q|any|static:{a b}", "", 0, "a b\n", "");
        Check("postmap|-q|u|pipemap:{inline:{u=v},inline:{v=w}}", "", 0, "w\n", "");
        Check("postmap|-q|u|unionmap:{inline:{u=v},inline:{u=w}}", "", 0, "v,w\n", "");
        Check("postmap|-hmq|-|regexp:@E@/re", "abH: x\nSubject: foo\n\nbody\n", 0, "abH: x\tnofoo\n", "");
        Check("postmap|-q|x|nosuchtype:foo", "", 1, "", "postmap: fatal: unsupported dictionary type: nosuchtype\n");

        void Check(string line, string input, int status, string output, string error)
        {
            var words = line.Replace("@E@", directory.Path).Split('|');
            var run = TableCommandRun.Of(words[0] == "postmap" ? Postmap.Run : Postalias.Run, words[0], directory.Path, input, words[1..]);
            Assert.Equal($"{line}\n{status}\n{output}\n{error}", $"{line}\n{run.Status}\n{run.Output}\n{run.Error}".Replace(directory.Path + "/", "@E@/"));
        }
    }

    [Theory]
    [InlineData("-q|a|-d|b|static:x", "postmap: fatal: specify only one of -s -q or -d\n")]
    [InlineData("-q|-|-q|-|static:x", "postmap: fatal: specify only one of -s -q or -d\n")]
    [InlineData("-s|-q|a|static:x", "postmap: fatal: specify only one of -s -q or -d\n")]
    [InlineData("-h|static:x", "postmap: fatal: specify -b -h or -m only with \"-q -\"\n")]
    [InlineData("-b|-q|a|static:x", "postmap: fatal: specify -b -h or -m only with \"-q -\"\n")]
    [InlineData("-d|x|static:y", "postmap: fatal: table static:y: delete operation is not supported\n")]
    [InlineData("-s|static:y", "postmap: fatal: table static:y: sequence operation is not supported\n")]
    [InlineData("-q|a|-s|static:x", "postmap: fatal: specify only one of -s or -q or -d\n")]
    [InlineData("static:y", "postmap: fatal: open y: No such file or directory\n")]
    [InlineData("-i|static:y", "postmap: fatal: unsupported dictionary type: static does not support bulk-mode creation.\n")]
    [InlineData("-d|x|unionmap:{static:y}", "postmap: fatal: unionmap:{static:y} map requires O_RDONLY access mode\n")]
    [InlineData("-q|x|proxy:static:y", "postmap: warning: request for unapproved table: \"static:y\"\npostmap: warning: to approve this table for read-only access, list proxy:static:y in main.cf:proxy_read_maps\npostmap: fatal: proxymap service is not configured for table \"static:y\"\n")]
    [InlineData("-q|x|static:", "postmap: fatal: open dictionary: expecting \"type:name\" form instead of \"static:\"\n")]
    [InlineData("-d|x|hash:/nonexistent", "postmap: fatal: open database /nonexistent.lmdb: No such file or directory\n")]
    [InlineData("-q|a|static:{x", "postmap: fatal: bad static:name syntax: missing '}' in \"{x\"\n")]
    [InlineData("-d|x|texthash:/nonexistent", "postmap: fatal: texthash:/nonexistent map requires O_RDONLY access mode\n")]
    [InlineData("-d|x|inline:{x=y}", "postmap: fatal: inline:{x=y} map requires O_RDONLY access mode\n")]
    [InlineData("-d|x|tcp:127.0.0.1:1", "postmap: fatal: tcp:127.0.0.1:1 map requires O_RDONLY access mode\n")]
    [InlineData("-d|x|fail:y", "postmap: fatal: table fail:y: delete error: Application error\n")]
    [InlineData("-s|fail:y", "postmap: fatal: table fail:y: sequence error: Application error\n")]
    [InlineData("-i|fail:y", "postmap: fatal: table fail:y: write error: Application error\n")]
    [InlineData("-s|-s|static:y", "postmap: fatal: table static:y: sequence operation is not supported\n")]
    [InlineData("-q|x|memcache:/nonexistent", "postmap: fatal: open /nonexistent: No such file or directory\n")]
    [InlineData("-c", "postmap: option requires an argument -- 'c'\npostmap: fatal: usage: postmap [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...\n")]
    public void Mistakes_are_told(string arguments, string error)
    {
        using var directory = new TableDirectory();
        Assert.Equal(new TableCommandRun(1, "", error), TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", arguments.Split('|')));
    }

    [Theory]
    [InlineData("-q|a|pcre:{{/x/ y}}z", "", 1, "", "postmap: fatal: pcre map: syntax error after '}' in \"{{/x/ y}}z\"\n")]
    [InlineData("-q|a|cidr:{{1.2.3.4 y}", "", 1, "", "postmap: fatal: cidr map: missing '}' in \"{{1.2.3.4 y}\"\n")]
    [InlineData("-q|a|inline:{{a=b}c}", "", 1, "", "postmap: fatal: syntax error after '}' in \"{a=b}c\": \"inline:{{a=b}c}\"; need \"inline:{name=value...}\"\n")]
    [InlineData("-q|a|inline:{ }", "", 1, "", "postmap: fatal: empty table: \"inline:{ }\"; need \"inline:{name=value...}\"\n")]
    [InlineData("-q|a|inline:{,,}", "", 1, "", "postmap: fatal: empty table: \"inline:{,,}\"; need \"inline:{name=value...}\"\n")]
    [InlineData("-q|a|pcre:{}", "", 1, "", "")]
    [InlineData("-q|a|regexp:{}", "", 1, "", "")]
    [InlineData("-q|1.2.3.4|cidr:{}", "", 1, "", "")]
    [InlineData("-q|1.2.3.4|cidr:{{/24 y}}", "", 1, "", "postmap: warning: cidr map {{/24 y}}, line 1: bad network value in \"/24\": skipping this rule\n")]
    [InlineData("-q|a|regexp:{{endif foo}}", "", 1, "", "postmap: warning: regexp map {{endif foo}}, line 1: ignoring ENDIF without matching IF\n")]
    [InlineData("-s|inline:{x=}", "", 0, "x\t\n", "postmap: warning: table inline:{x=}: key x: empty string result is not allowed\npostmap: warning: table inline:{x=} should return NO RESULT in case of NOT FOUND\n")]
    [InlineData("-s|inline:{=y}", "", 0, "\ty\n", "postmap: warning: table inline:{=y}: empty lookup key value is not allowed\n")]
    [InlineData("-q|-|static:{x", "", 1, "", "")]
    [InlineData("-q|-|static:x", "a\0b\n", 0, "a\tx\n", "")]
    [InlineData("-h|-q|-|regexp:{{/^(subject): (.*)/ $1 $2}}", "Subject \t: odd\n\n", 0, "Subject: odd\tSubject odd\n", "")]
    [InlineData("-b|-q|-|regexp:{{/^$/ EMPTY}, {/./ LINE}}", "Subject: x\nno header\n\nlast\n", 0, "\tEMPTY\nno header\tLINE\n\tEMPTY\nlast\tLINE\n", "")]
    [InlineData("-h|-b|-q|-|regexp:{{/^$/ EMPTY}, {/./ LINE}}", "A: x\n\nlast\n", 0, "A: x\tLINE\n\tEMPTY\nlast\tLINE\n", "")]
    public void Postfix_says_the_same(string arguments, string input, int status, string output, string error)
    {
        using var directory = new TableDirectory();
        Assert.Equal(new TableCommandRun(status, output, error), TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, input, arguments.Split('|')));
    }

    [Theory]
    [InlineData("-q", "k")]
    [InlineData("-s", "-s")]
    public void Bytes_that_are_no_text_leave_as_they_came(string option, string argument)
    {
        using var directory = new TableDirectory();
        directory.Write("main.cf", "smtputf8_enable = no\n");
        File.WriteAllBytes($"{directory.Path}/t", [.. "k "u8, 0xFC, .. "x\n"u8]);
        using var output = new MemoryStream();
        using var writer = new StreamWriter(output, new UTF8Encoding(false));
        var arguments = (string[])[option, .. (string[])(option == argument ? [] : [argument]), $"texthash:{directory.Path}/t"];
        Assert.Equal(0, Postmap.Run(new CommandContext("postmap", arguments, Stream.Null, writer, TextWriter.Null, TimeProvider.System, new Dictionary<string, string> { ["MAIL_CONFIG"] = directory.Path })));
        writer.Flush();
        Assert.Equal([.. (option == "-s" ? "k\t"u8 : ""u8), 0xFC, .. "x\n"u8], output.ToArray());
    }

    [Fact]
    public void An_alias_without_a_name_is_one()
    {
        using var directory = new TableDirectory();
        var path = directory.Write("a", "\"\": x\nroot: joe\n\"a b\"c: C <d@e>,\"F g\"<h>\n");
        foreach (var table in (string[])[$"lmdb:{path}", $"hash:{path}"])
        {
            Assert.Equal(new TableCommandRun(0, "", ""), TableCommandRun.Of(Postalias.Run, "postalias", directory.Path, "", table));
            Assert.Equal(
                new TableCommandRun(0, ":\tx\n@:\t@\na b c:\tC <d@e>, \"F g\" <h>\nroot:\tjoe\n", $"postalias: warning: table {table}: empty lookup key value is not allowed\n"),
                TableCommandRun.Of(Postalias.Run, "postalias", directory.Path, "", "-s", table));
            Assert.Equal(new TableCommandRun(0, "x\n", ""), TableCommandRun.Of(Postalias.Run, "postalias", directory.Path, "", "-q", "", table));
        }
    }

    /// <summary>As Debian's Postfix 3.7 writes it.</summary>
    [Theory]
    [InlineData("|\"/b c\"", "|\"/b c\"")]
    [InlineData("| \"/b c\"", "|\"/b c\"")]
    [InlineData("|x\"y\"", "|x \"y\"")]
    [InlineData("/a\"b c\"", "/a \"b c\"")]
    [InlineData("a(b)c", "a (b) c")]
    [InlineData("/a\\ b", "\"/a b\"")]
    [InlineData("x\\ y, z", "\"x y\", z")]
    [InlineData("a\\,b", "\"a,b\"")]
    [InlineData("c\\\"d\\\\", "\"c\\\"d\\\\\"")]
    [InlineData("a\\@b@c", "\"a@b\"@c")]
    [InlineData("\\joe", "joe")]
    [InlineData("\\\\joe", "\"\\\\joe\"")]
    [InlineData("x\\", "x")]
    [InlineData("\\|x y", "\"|x\" y")]
    [InlineData("\"q \\\" r\\\\\"", "\"q \\\" r\\\\\"")]
    public void An_alias_is_written_in_its_external_form(string value, string written)
    {
        using var directory = new TableDirectory();
        var path = directory.Write("a", $"a: {value}\n\"q \\\" r\\\\ s\": x\n");
        Assert.Equal(new TableCommandRun(0, "", ""), TableCommandRun.Of(Postalias.Run, "postalias", directory.Path, "", $"lmdb:{path}"));
        Assert.Equal($"@:\t@\na:\t{written}\nq \" r\\ s:\tx\n", TableCommandRun.Of(Postalias.Run, "postalias", directory.Path, "", "-s", $"lmdb:{path}").Output);
    }

    [Theory]
    [InlineData("k\ufffd", "postmap|-q|k\xff|t", "k\xff")]
    [InlineData("\ufffd\ufffd", "facteur|postmap|-uq\xff\xfe|t", "\xff\xfe")]
    [InlineData("\ufffd", "postmap|-q|\xef\xbf\xbd|t", "\xef\xbf\xbd")]
    [InlineData("k", "postmap|-q|k|t", "k")]
    public void A_key_has_the_bytes_that_were_given(string argument, string line, string bytes) =>
        Assert.Equal(Encoding.Latin1.GetBytes(bytes), ArgumentBytes.Of(argument, Encoding.Latin1.GetBytes(line.Replace('|', '\0') + "\0")));

    [Fact]
    public void A_value_that_is_no_BASE64_is_told_with_F()
    {
        using var directory = new TableDirectory();
        var table = $"lmdb:{directory.Write("t", "a 1\n")}";
        Assert.Equal(0, TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", table).Status);
        var told = $"postmap: warning: table {table}: key a: malformed BASE64 value: 1\n";
        Assert.Equal(new TableCommandRun(1, "", told + $"postmap: fatal: table {table}: query error\n"), TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-Fq", "a", table));
        Assert.Equal(new TableCommandRun(0, "", told), TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-Fs", table));
    }

    [Fact]
    public void Files_of_a_table_without_index_are_read_with_F()
    {
        using var directory = new TableDirectory();
        directory.Write("one", "first\n");
        directory.Write("two", "second");
        directory.Write("t", $"a {directory.Path}/one, {directory.Path}/two\nb {directory.Path}/none\n");
        var table = $"texthash:{directory.Path}/t";
        Assert.Equal(new TableCommandRun(0, "first\n\nsecond\n", ""), TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-Fq", "a", table));
        var none = new TableCommandRun(1, "", $"postmap: warning: {table}: key b: open {directory.Path}/none: No such file or directory: skipping this entry\n");
        Assert.Equal(none, TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-Fq", "b", table));
        Assert.Equal($"a\tfirst\n\nsecond\n", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-Fs", table).Output);
        Assert.Equal("second\n", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-Fq", "x", $"static:{directory.Path}/two").Output);
    }

    [Fact]
    public void Files_are_values_with_F()
    {
        using var directory = new TableDirectory();
        var one = directory.Write("one", "hh\n");
        var two = directory.Write("two", "a 1\nb 2\n");
        var table = "lmdb:" + directory.Write("ft", $"k {one}, {two}\nj {directory.Path}/none\n");
        Assert.Equal(
            new TableCommandRun(0, "", $"postmap: warning: {directory.Path}/ft, line 2: open {directory.Path}/none: No such file or directory: skipping this entry\n"),
            TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-F", table));
        Assert.Equal("aGgKCmEgMQpiIDIK\n", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-q", "k", table).Output);
        Assert.Equal("hh\n\na 1\nb 2\n\n", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-Fq", "k", table).Output);
    }

    /// <summary>Root makes a user's table with that user's rights, unless it is told not to (postmap(1), -o); as Debian's 3.7 does.</summary>
    [Theory]
    [InlineData("m", "", 0, "nobody", "postmap: warning: @E@/u/m, line 1: open @E@/secret: Permission denied: skipping this entry\n", "mine\tb3du\n")]
    [InlineData("m", "-o", 0, "root", "", "k\tc2VjcmV0\nmine\tb3du\n")]
    [InlineData("../m", "", 1, null, "postmap: warning: @E@/u/../m, line 1: open @E@/secret: Permission denied: skipping this entry\npostmap: fatal: open database @E@/u/../m.lmdb: Permission denied\n", "")]
    [InlineData("../m", "-o", 0, "root", "", "k\tc2VjcmV0\nmine\tb3du\n")]
    [InlineData("../r", "", 0, "root", "", "k\tc2VjcmV0\nmine\tb3du\n")]
    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    public void Root_makes_a_user_s_table_as_that_user(string name, string option, int status, string? owner, string error, string entries)
    {
        Assert.SkipUnless(FileIdentity.CanChange && UserAccount.Find("nobody", out var found) == 0 && found is not null, "needs root, and the user nobody");
        _ = UserAccount.Find("nobody", out var nobody);
        using var directory = new TableDirectory();
        const UnixFileMode Others = UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        File.SetUnixFileMode(directory.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | Others);
        File.SetUnixFileMode(directory.Write("secret", "secret"), UnixFileMode.UserRead);
        var home = Directory.CreateDirectory(Path.Combine(directory.Path, "u")).FullName;
        var own = directory.Write("u/own", "own");
        foreach (var path in (string[])["m", "u/m", "r"])
        {
            directory.Write(path, $"k {directory.Path}/secret\nmine {own}\n");
        }
        foreach (var path in (string[])[home, own, home + "/m", directory.Path + "/m"])
        {
            Assert.Equal(0, Libc.chown(path, nobody!.Uid, nobody.Gid));
        }
        var table = $"lmdb:{home}/{name}";
        var run = TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", option.Length > 0 ? [option, "-F", table] : ["-F", table]);
        Assert.Equal((status, error), (run.Status, run.Error.Replace(directory.Path, "@E@", StringComparison.Ordinal)));
        var index = $"{home}/{name}.lmdb";
        Assert.Equal(owner is not null, File.Exists(index));
        if (owner is not null)
        {
            Assert.Equal(0, UnixFile.Status(index, followLinks: false, out var made));
            Assert.Equal(owner == "root" ? 0 : nobody!.Uid, made.Uid);
            Assert.Equal(entries, TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-s", table).Output);
        }
        // The thread that called is root's still.
        Assert.Equal("secret", File.ReadAllText(directory.Path + "/secret"));
    }

    [Fact]
    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    public void An_index_has_the_permissions_of_its_text()
    {
        using var directory = new TableDirectory();
        var path = directory.Write("t", "a 1\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite);
        Assert.Equal(0, TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", path).Status);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(path + ".lmdb"));
        File.SetUnixFileMode(path + ".lmdb", UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Equal(0, TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", path).Status);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path + ".lmdb"));
        File.Delete(path + ".lmdb");
        Assert.Equal(0, TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-p", path).Status);
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead, File.GetUnixFileMode(path + ".lmdb"));
    }

    [Fact]
    public void Without_UTF8_bytes_stay_what_they_are()
    {
        using var directory = new TableDirectory();
        var path = Path.Combine(directory.Path, "t");
        File.WriteAllBytes(path, [(byte)'k', 0xc4, (byte)' ', 0xff, (byte)'\n']);
        Assert.Contains("non-UTF-8 input", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", path).Error);
        Assert.Equal(new TableCommandRun(0, "", ""), TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-u", path));
        Assert.Equal("k\u00c4\t\u00ff\n", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-us", path).Output);
        Assert.True(File.ReadAllBytes(path + ".lmdb").AsSpan().IndexOf(new byte[] { (byte)'k', 0xc4, 0, 0xff, 0 }) > 0);
    }

    [Fact]
    public void Answers_are_JSON_with_j()
    {
        using var directory = new TableDirectory();
        var table = "lmdb:" + directory.Write("t", "a one \"two\" \\\nb \u00fc\n");
        Assert.Equal(0, TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", table).Status);
        Assert.Equal("{\"a\": \"one \\\"two\\\" \\\\\"}\n", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-jq", "a", table).Output);
        Assert.Equal("{\"b\": \"\u00fc\"}\n", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "b\nc\n", "-jq", "-", table).Output);
        Assert.Equal(2, TableCommandRun.Of(Postalias.Run, "postalias", directory.Path, "", "-js", table).Output.Split("}\n{").Length);
    }

    [Fact]
    public void A_CDB_file_is_made_asked_listed_and_changed()
    {
        using var directory = new TableDirectory();
        var table = "cdb:" + directory.Write("t", "b 2\na 1\nB 3\n");
        Assert.Equal(new TableCommandRun(0, "", $"postmap: warning: {table}: duplicate entry: \"b\"\n"), TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", table));
        Assert.Equal("b\t2\na\t1\n", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-s", table).Output);
        Assert.Equal(0, TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "c 3\n", "-i", table).Status);
        Assert.Equal(0, TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-d", "b", table).Status);
        Assert.Equal("a\t1\nc\t3\n", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-s", table).Output);
        Assert.Equal(["t", "t.cdb"], Directory.GetFiles(directory.Path, "t.*").Select(Path.GetFileName).Order());
    }

    [Theory]
    [InlineData("nis")]
    [InlineData("nisplus")]
    [InlineData("netinfo")]
    public void Types_of_networks_that_are_gone_are_refused_by_name(string type)
    {
        using var directory = new TableDirectory();
        Assert.StartsWith($"postmap: fatal: unsupported dictionary type: {type}: NIS", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-q", "a", type + ":mail.aliases").Error);
    }

    /// <summary>As Debian's Postfix 3.7 says it.</summary>
    [Fact]
    public void What_is_not_UTF8_in_an_index_is_no_answer()
    {
        using var directory = new TableDirectory();
        var path = Path.Combine(directory.Path, "t");
        File.WriteAllBytes(path, [(byte)'j', (byte)' ', 0xff, (byte)'\n']);
        var table = "lmdb:" + path;
        Assert.Equal(0, TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-u", table).Status);
        Assert.Equal(
            new TableCommandRun(1, "", $"postmap: warning: {table}: key \"j\": non-UTF-8 value \"?\": malformed UTF-8 or invalid codepoint\npostmap: fatal: table {table}: query error\n"),
            TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-q", "j", table));
    }

    [Fact]
    public void Newaliases_makes_what_alias_maps_reads()
    {
        using var directory = new TableDirectory();
        var path = directory.Write("aliases", "postmaster: root\nRoot: joe, \"|cmd\"\n");
        directory.Write("main.cf", $"myhostname = mx.dest.example\nalias_database = hash:{path}\nalias_maps = hash:{path}\n");
        var before = TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-q", "root", "hash:" + path);
        Assert.Equal((0, "joe, \"|cmd\"\n"), (before.Status, before.Output));
        Assert.Contains("no index", before.Error);
        Assert.Equal(new TableCommandRun(0, "", ""), TableCommandRun.Of(Newaliases.Run, "newaliases", directory.Path, ""));
        Assert.Equal(new TableCommandRun(0, "joe, \"|cmd\"\n", ""), TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, "", "-q", "root", "hash:" + path));
        Assert.Equal(new TableCommandRun(0, "@\n", ""), TableCommandRun.Of(Postalias.Run, "postalias", directory.Path, "", "-q", "@", "hash:" + path));
    }

    [Theory]
    [InlineData("-z", "newaliases: invalid option -- 'z'\n")]
    [InlineData("-oX", "newaliases: -oX: expected -oAalias_database\n")]
    public void Newaliases_refuses_what_it_does_not_know(string argument, string error)
    {
        using var directory = new TableDirectory();
        var run = TableCommandRun.Of(Newaliases.Run, "newaliases", directory.Path, "", argument);
        Assert.Equal((1, error + "newaliases: fatal: usage: newaliases [-v] [-C config_dir] [-oAalias_database]\n"), (run.Status, run.Error));
    }

    [Fact]
    public void Attached_messages_have_headers_with_m()
    {
        using var directory = new TableDirectory();
        const string Message = "Subject: top\nContent-Type: multipart/mixed;\n boundary=\"b\"\n\n--b\nContent-Type: message/rfc822\n\nSubject: inner\n\ntext\n--b--\nSubject: epilogue\n";
        Assert.Equal(
            "Subject: top\tx\nSubject: inner\tx\n", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, Message, "-hmq", "-", "regexp:{{/^Subject/ x}}").Output);
        Assert.Equal("Subject: epilogue\tx\n", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, Message, "-bmq", "-", "regexp:{{/^Subject/ x}}").Output);
        Assert.Equal(
            "Subject: inner\tx\nSubject: epilogue\tx\n", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, Message, "-bq", "-", "regexp:{{/^Subject/ x}}").Output);
        Assert.Equal("Subject: top\tx\n", TableCommandRun.Of(Postmap.Run, "postmap", directory.Path, Message, "-hq", "-", "regexp:{{/^Subject/ x}}").Output);
    }
}
