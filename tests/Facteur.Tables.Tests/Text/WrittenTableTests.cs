using Facteur.Tables.Text;

namespace Facteur.Tables.Tests.Text;

/// <summary>Tables as they are written: what "facteur check" judges.</summary>
public sealed class WrittenTableTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Theory]
    [InlineData("texthash:", "# c\nkey value\nlong\n  one\n", "key=value:2 long=one:3")]
    [InlineData("hash:", "a b c\n", "a=b c:1")]
    [InlineData("proxy:lmdb:", "a b\n", "a=b:1")]
    [InlineData("cidr:", "if 10.0.0.0/8\n!10.1.0.0/16 OK\nendif\n0.0.0.0/0 REJECT no\n", "10.0.0.0/8=:1 !10.1.0.0/16=OK:2 0.0.0.0/0=REJECT no:4")]
    [InlineData("regexp:", "/a b\\/c/i OK\n!/(x)\\1/ REJECT\nif /y/\n  # c\n/z/ DUNNO\nendif\n/open", "/a b\\/c/i=OK:1 !/(x)\\1/=REJECT:2 /y/=:3 /z/=DUNNO:5 /open=:7")]
    [InlineData("pcre:", "(x(y OK\n/ends in backslash\\", "(x(y=OK:1 /ends in backslash\\=:2")]
    public void The_text_of_a_file_has_its_lines(string type, string text, string expected)
    {
        File.WriteAllText(_path, text);
        var written = WrittenTable.Read(type + _path)!;
        Assert.Equal(_path, written.Path);
        Assert.Equal(expected, string.Join(' ', written.Entries.Select(e => $"{e.Key}={e.Value}:{e.Line}")));
    }

    [Theory]
    [InlineData("static:OK", "*=OK")]
    [InlineData("static:{550 no}", "*=550 no")]
    [InlineData("inline:{a=b, {c = d e}}", "a=b c=d e")]
    [InlineData("regexp:{{/x/ OK}, {/y/ REJECT}}", "/x/=OK /y/=REJECT")]
    [InlineData("fail:", "")]
    public void What_stands_in_the_name_has_none(string name, string expected)
    {
        var written = WrittenTable.Read(name)!;
        Assert.Equal("", written.Path);
        Assert.Equal(expected, string.Join(' ', written.Entries.Select(e => $"{e.Key}={e.Value}")));
        Assert.All(written.Entries, e => Assert.Equal(0, e.Line));
    }

    [Theory]
    [InlineData("mysql:/etc/x")]
    [InlineData("tcp:localhost:1")]
    [InlineData("unionmap:{static:a,static:b}")]
    [InlineData("nonsense")]
    public void What_servers_answer_is_written_nowhere(string name) => Assert.Null(WrittenTable.Read(name));

    [Fact]
    public void A_file_that_is_not_there_is_an_error() => Assert.Throws<TableException>(() => WrittenTable.Read("cidr:/no/such/file"));
}
