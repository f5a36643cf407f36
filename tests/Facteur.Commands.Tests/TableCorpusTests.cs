using System.Text.Json;
using Facteur.Tables;

namespace Facteur.Commands.Tests;

/// <summary>What a Postfix 3.11.6 answered to postmap and postalias, and what we answer.</summary>
public sealed class TableCorpusTests
{
    /// <summary>Steps where we differ on purpose, with the reason (arguments: expected status, output, error).</summary>
    private static readonly Dictionary<string, (string Why, int Status, string Output, string Error)> Differences = new(StringComparer.Ordinal)
    {
        ["hash-postmap -s hash:@E@/t"] = ("an index is an LMDB file: its order is that of bytes", 0,
            "\"quoted key\"\tqv\nk5\tv5\nk6\tv6 # not comment\nkey1\tvalue1\nkey2\tvalue two\nkey3\tcontinued value\n", ""),
        ["hash-postalias -s hash:@E@/a"] = ("the same", 0,
            "@:\t@\ncmd:\t|\"/bin/prog arg, with comma\"\nfile:\t/var/mail/x\ninc:\t:include:/etc/list\nlist one:\ta, b, c@d.example\nmailer-daemon:\tpostmaster\npostmaster:\troot\nroot:\tjoe\n", ""),
        ["lmdb-postmap -q  lmdb:@E@/t"] = ("an empty key is in no table, and no reason to stop", 1, "", ""),
        ["texthash-postmap -s texthash:@E@/t"] = ("the order of the text, not of Postfix's hash function", 0,
            "key1\tvalue1\nkey2\tvalue two\nkey3\tcontinued value\n\"quoted key\"\tqv\nk5\tv5\nk6\tv6 # not comment\n",
            "postmap: warning: @E@/t, line 4: duplicate entry: \"key1\"\npostmap: warning: @E@/t, line 7: expected format: key whitespace value -- ignoring this line\n"),
    };

    /// <summary>A file of recordings of the same form, for those who have more of them.</summary>
    private const string MoreCases = "FACTEUR_TABLE_CASES";

    public static TheoryData<string> Cases() => new(Own().Select(c => c.GetProperty("name").GetString()!));

    [Theory]
    [MemberData(nameof(Cases))]
    public void We_answer_as_Postfix_did(string name) => Play(Own().Single(c => c.GetProperty("name").GetString() == name));

    [Fact]
    public void We_answer_as_Postfix_did_elsewhere()
    {
        var path = Environment.GetEnvironmentVariable(MoreCases);
        if (path is null)
        {
            Assert.Skip($"{MoreCases} names no file of recordings");
        }
        Read(File.OpenRead(path)).ForEach(Play);
    }

    private static void Play(JsonElement test)
    {
        var name = test.GetProperty("name").GetString()!;
        if (name.StartsWith("pcre", StringComparison.Ordinal) && !TableTypes.Names.Contains("pcre"))
        {
            Assert.Skip("needs libpcre2");
        }
        using var directory = new TableDirectory(test.GetProperty("main").GetString()!);
        foreach (var file in test.GetProperty("files").EnumerateObject())
        {
            directory.Write(file.Name, file.Value.GetString()!);
        }
        foreach (var step in test.GetProperty("steps").EnumerateArray())
        {
            var words = step.GetProperty("argv").EnumerateArray().Select(a => a.GetString()!).ToArray();
            var expected = (step.GetProperty("rc").GetInt32(), step.GetProperty("out").GetString()!, step.GetProperty("err").GetString()!);
            var line = $"{name} {string.Join(' ', words[1..])}";
            if (Differences.TryGetValue(line, out var ours))
            {
                expected = (ours.Status, ours.Output, ours.Error);
            }
            Func<CommandContext, int> command = words[0] == "postmap" ? Postmap.Run : Postalias.Run;
            var run = TableCommandRun.Of(
                command, words[0], directory.Path, step.GetProperty("stdin").GetString()!, [.. words[1..].Select(w => w.Replace("@E@", directory.Path))]);
            // An index is named by its table, not by a Berkeley DB file.
            var type = name.Split('-')[0];
            var error = expected.Item3.Replace("@E@/t.db: duplicate", $"{type}:@E@/t: duplicate").Replace("@E@/a.db: duplicate", $"{type}:@E@/a: duplicate");
            Assert.Equal(
                $"{line}\n{expected.Item1}\n{expected.Item2}\n{error}".Replace("@E@", directory.Path),
                $"{line}\n{run.Status}\n{run.Output}\n{run.Error}".Replace("@E@", directory.Path));
        }
    }

    private static List<JsonElement> Own() => Read(typeof(TableCorpusTests).Assembly.GetManifestResourceStream("tables.json")!);

    private static List<JsonElement> Read(Stream recordings)
    {
        using var stream = recordings;
        return [.. JsonDocument.Parse(stream).RootElement.EnumerateArray()];
    }
}
