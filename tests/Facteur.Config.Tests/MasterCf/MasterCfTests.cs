using CsCheck;
using Facteur.Config.MasterCf;

namespace Facteur.Config.Tests.MasterCf;

public sealed class MasterCfTests
{
    private static (IReadOnlyList<MasterEntry> Entries, List<string> Errors) Read(string text)
    {
        var file = MasterCfFile.Parse("master.cf", text);
        var errors = new List<string>(file.Errors);
        return (file.ReadEntries(errors), errors);
    }

    private static MasterEntry One(string text)
    {
        var (entries, errors) = Read(text);
        Assert.Empty(errors);
        return Assert.Single(entries);
    }

    [Fact]
    public void Dashes_are_defaults()
    {
        var entry = One("x unix - - - - - cmd");
        Assert.Equal(("x", ServiceType.Unix, true, true, false), (entry.Name, entry.Type, entry.Private, entry.Unprivileged, entry.Chroot));
        Assert.Equal((0, false, (int?)null, "cmd", 0, false, 1), (entry.WakeupSeconds, entry.WakeupConditional, entry.MaxProcesses, entry.Command, entry.Verbose, entry.Debug, entry.Line));
        Assert.Empty(entry.Arguments);
    }

    [Fact]
    public void All_fields()
    {
        var entry = One("127.0.0.1:10025 inet n n y 1000? 0 smtpd -v -v -D");
        Assert.Equal((ServiceType.Inet, false, false, true, 1000, true), (entry.Type, entry.Private, entry.Unprivileged, entry.Chroot, entry.WakeupSeconds, entry.WakeupConditional));
        Assert.Equal((0, 2, true), (entry.MaxProcesses, entry.Verbose, entry.Debug));
    }

    [Theory]
    [InlineData("inet", ServiceType.Inet)]
    [InlineData("unix", ServiceType.Unix)]
    [InlineData("unix-dgram", ServiceType.UnixDgram)]
    [InlineData("fifo", ServiceType.Fifo)]
    [InlineData("pass", ServiceType.Pass)]
    public void Types(string word, ServiceType type) => Assert.Equal((type, word), (One($"x {word} n - - - - c").Type, One($"x {word} n - - - - c").TypeName));

    [Theory]
    [InlineData("-o a=b", "b")]
    [InlineData("-oa=b", "b")]
    [InlineData("-vo a=b", "b")]
    [InlineData("-vv -Dvo a=b", "b")]
    [InlineData("-o { a = b c, d }", "b c, d")]
    [InlineData("-o {a=b}", "b")]
    [InlineData("-o a=", "")]
    [InlineData("-o a=$x/${y}", "$x/${y}")]
    [InlineData("-o { a = inline:{ {k = v w} } }", "inline:{ {k = v w} }")]
    public void Overrides(string options, string value) =>
        Assert.Equal([new("service_name", "x"), new("process_name", "smtpd"), new("a", value)], One($"x unix - - - - - smtpd {options}").Overrides);

    [Fact]
    public void Arguments_after_the_first_word_that_is_no_option_belong_to_the_command()
    {
        var entry = One("x unix - n n - 2 pipe -o a=b\n  flags=R user=u argv=/bin/p -o c=d {one two} { three }");
        Assert.Equal(["flags=R", "user=u", "argv=/bin/p", "-o", "c=d", "one two", "three"], entry.Arguments);
        Assert.Equal(3, entry.Overrides.Count);
        Assert.Equal(2, entry.MaxProcesses);
    }

    /// <summary>As Postfix's services took them: those of its master are no mistake, and say nothing here.</summary>
    [Theory]
    [InlineData("-s 2")]
    [InlineData("-s2 -o a=b", "a=b")]
    [InlineData("-s 2 -o a=b -i 5 -m 3 -oc=d", "a=b", "c=d")]
    [InlineData("-cnx -t unix -ulz -o { e = f g }", "e=f g")]
    [InlineData("-S -o a=b", "a=b")]
    public void Options_of_the_skeleton_are_taken(string options, params string[] overrides)
    {
        var entry = One($"x inet n - - - - smtpd {options}");
        Assert.Empty(entry.Arguments);
        Assert.Equal(overrides, entry.Overrides.Skip(2).Select(o => $"{o.Key}={o.Value}"));
    }

    [Fact]
    public void The_last_of_one_name_and_type_wins()
    {
        var (entries, _) = Read("a unix - - - - - one\nb unix - - - - - two\na inet n - - - - three\na unix - - - - - four\n");
        Assert.Equal(["four", "two", "three"], entries.Select(e => e.Command));
    }

    [Theory]
    [InlineData("x unix - - - - -", "bad field count")]
    [InlineData("x tcp - - - - - c", "field \"type\": bad value: \"tcp\": expected inet, unix, unix-dgram, fifo or pass")]
    [InlineData("x unix yes - - - - c", "field \"private\": bad value: \"yes\": expected y, n or -")]
    [InlineData("x unix - 1 - - - c", "field \"unprivileged\": bad value: \"1\": expected y, n or -")]
    [InlineData("x unix - - Y - - c", "field \"chroot\": bad value: \"Y\": expected y, n or -")]
    [InlineData("x unix - - - soon - c", "field \"wakeup\": bad value: \"soon\": expected seconds, seconds? or -")]
    [InlineData("x unix - - - - many c", "field \"process_limit\": bad value: \"many\": expected a number or -")]
    [InlineData("x inet - - - - - c", "inet service cannot be private: expected n in field \"private\", found \"-\"")]
    [InlineData("x unix - - - - - c -o a", "-o: missing '=' after attribute name: \"a\": expected name=value")]
    [InlineData("x unix - - - - - c -o", "invalid option: o: expected a value")]
    [InlineData("x unix - - - - - c -q", "invalid option: q")]
    [InlineData("x inet n - - - - smtpd -s 0", "invalid socket_count: 0")]
    [InlineData("x inet n - - - - smtpd -vs two", "invalid socket_count: two")]
    [InlineData("x inet n - - - - smtpd extra -o a=b", "unexpected command-line argument: extra")]
    [InlineData("x unix - - - - - c {a b", "missing '}' in \"{a b\"")]
    [InlineData("x unix - - - - - c {a}b", "syntax error after '}' in \"{a}b\"")]
    public void Errors_name_file_line_and_what_was_expected(string line, string error) =>
        Assert.Equal([$"file master.cf: line 3: {error}"], Read($"# first\n\n{line}\n").Errors);

    [Fact]
    public void A_first_line_that_continues_none_is_left_out()
    {
        var file = MasterCfFile.Parse("master.cf", "# c\n  smtp inet n - n - - smtpd\n  -o a=b\npickup unix n - n 60 1 pickup\n");
        Assert.Equal("pickup", Assert.Single(file.Lines).Fields[0]);
        Assert.Equal(["master.cf: logical line must not start with whitespace: \"  smtp inet n - n - - smtpd  -...\""], file.LeftOut);
        Assert.Empty(file.Errors);
    }

    [Fact]
    public void Each_line_of_the_stock_file_is_read()
    {
        var (entries, errors) = Read(StockFiles.Postfix);
        Assert.Empty(errors);
        Assert.Equal(41, entries.Count);
        Assert.Contains(entries, e => e is { Name: "relay", Overrides.Count: 5 });
        Assert.Contains(entries, e => e is { Name: "postlog", Type: ServiceType.UnixDgram, Private: false, MaxProcesses: 1 });
        Assert.Contains(entries, e => e is { Name: "flush", WakeupSeconds: 1000, WakeupConditional: true, MaxProcesses: 0 });
    }

    [Fact]
    public void Each_line_of_Debians_file_is_read()
    {
        var (entries, errors) = Read(StockFiles.Debian);
        Assert.Empty(errors);
        Assert.Equal(31, entries.Count);
        var uucp = Assert.Single(entries, e => e.Name == "uucp");
        Assert.Equal(["flags=Fqhu", "user=uucp", "argv=uux", "-r", "-n", "-z", "-a$sender", "-", "$nexthop!rmail", "($recipient)"], uucp.Arguments);
    }

    [Fact]
    public void Our_own_files_are_read()
    {
        var load = ConfigLoader.Load(StockFiles.Packaging);
        Assert.Empty(load.Errors);
        Assert.DoesNotContain(load.Warnings, w => w.Contains("unused", StringComparison.Ordinal) || w.Contains("overriding", StringComparison.Ordinal));
        var stock = Read(StockFiles.Debian).Entries.Where(e => e.Command != "pipe").Select(e => (e.Name, e.Type));
        Assert.Empty(stock.Except(load.Entries.Select(e => (e.Name, e.Type))));
    }

    [Fact]
    public void Any_text_is_read_without_an_exception() =>
        Check.Sample(Gen.String[Gen.Char["ab-oyn{}= \n\t#"], 0, 80], text => Read(text).Entries.Count >= 0);
}
