using System.Text;
using System.Text.RegularExpressions;

namespace Facteur.Services.Tests.Receive.Smtpd;

/// <summary>
/// Plays tests/transcripts/smtpd: what a client sends, what Postfix 3.11.6 answered and logged. Lines: "main: name = value", "table: name" with its
/// entries behind "| ", "--- smtp ADDRESS", "C: command", "C> escaped bytes", "S: reply", "! closed by server", "--- log", "--- log Qn", "--- mail Qn".
/// </summary>
public sealed partial class TranscriptTests
{
    public static TheoryData<string> Files()
    {
        var data = new TheoryData<string>();
        foreach (var file in Directory.GetFiles(Folder, "*.smtp").Order(StringComparer.Ordinal))
        {
            data.Add(Path.GetFileName(file));
        }
        return data;
    }

    private static string Folder
    {
        get
        {
            var folder = new DirectoryInfo(AppContext.BaseDirectory);
            while (!File.Exists(Path.Combine(folder!.FullName, "Facteur.slnx")))
            {
                folder = folder.Parent;
            }
            return Path.Combine(folder.FullName, "tests", "transcripts", "smtpd");
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public async Task Session_is_as_recorded(string file)
    {
        var lines = await File.ReadAllLinesAsync(Path.Combine(Folder, file), TestContext.Current.CancellationToken);
        var world = Read(lines, out var start);
        SmtpdClient? client = null;
        for (var at = start; at < lines.Length && !lines[at].StartsWith("--- log", StringComparison.Ordinal); at++)
        {
            client = await PlayAsync(world, client, lines[at], $"{file}:{at + 1}");
        }
        if (client is not null)
        {
            Assert.Equal("", await client.FinishAsync());
        }
        CheckSections(world, lines, file);
    }

    private static SmtpdWorld Read(string[] lines, out int start)
    {
        var main = new List<(string, string)>();
        var tables = new Dictionary<string, Dictionary<string, string>>();
        Dictionary<string, string>? table = null;
        for (start = 0; !lines[start].StartsWith("---", StringComparison.Ordinal); start++)
        {
            var line = lines[start];
            if (line.StartsWith("main: ", StringComparison.Ordinal))
            {
                var parts = line[6..].Split(" = ", 2);
                main.Add((parts[0].TrimEnd(' ', '='), parts.Length > 1 ? parts[1] : ""));
            }
            else if (line.StartsWith("table: ", StringComparison.Ordinal))
            {
                tables[line[7..]] = table = new(StringComparer.OrdinalIgnoreCase);
            }
            else if (line.StartsWith("| ", StringComparison.Ordinal))
            {
                var space = line.IndexOf(' ', 2);
                table![line[2..space]] = line[(space + 1)..];
            }
        }
        var world = new SmtpdWorld([.. main]);
        foreach (var (name, entries) in tables)
        {
            world.Tables[name] = entries;
        }
        return world;
    }

    private static async Task<SmtpdClient?> PlayAsync(SmtpdWorld world, SmtpdClient? client, string line, string place)
    {
        if (line.StartsWith("--- smtp ", StringComparison.Ordinal))
        {
            if (client is not null)
            {
                Assert.Equal("", await client.FinishAsync());
            }
            return world.Connect(line[9..]);
        }
        if (client is not null && line.StartsWith("C: ", StringComparison.Ordinal))
        {
            await client.SendAsync(Encoding.UTF8.GetBytes(line[3..] + "\r\n"));
        }
        else if (client is not null && line.StartsWith("C> ", StringComparison.Ordinal))
        {
            await client.SendAsync(Unescape(line[3..]));
        }
        else if (client is not null && line.StartsWith("S: ", StringComparison.Ordinal))
        {
            var reply = await client.ReadLineAsync();
            Assert.True(reply == line[3..], $"{place}: expected {line[3..]}\n   but was {reply}");
        }
        else if (client is not null && line == "! closed by server")
        {
            var reply = await client.ReadLineAsync();
            Assert.True(reply is null, $"{place}: expected the end of the session, got {reply}");
        }
        return client;
    }

    private static void CheckSections(SmtpdWorld world, string[] lines, string file)
    {
        for (var at = 0; at < lines.Length; at++)
        {
            var log = LogHead().Match(lines[at]);
            var mail = MailHead().Match(lines[at]);
            if (!log.Success && !mail.Success)
            {
                continue;
            }
            var expected = lines.Skip(at + 1).TakeWhile(line => !line.StartsWith("---", StringComparison.Ordinal)).Where(line => line.Length > 0).ToList();
            var id = log.Success ? log.Groups[1].Value : mail.Groups[1].Value;
            var actual = mail.Success
                ? [.. Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(world.Cleanup.Messages.Single(m => m.QueueId == id).Content)).Split('\n').SkipLast(1).Select(Escape)]
                : world.LogLines.Where(line => id.Length == 0 ? !QueueLine().IsMatch(line) : line.StartsWith(id + ": ", StringComparison.Ordinal))
                    .Select(line => id.Length == 0 ? line : line[(id.Length + 2)..]).ToList();
            Assert.True(expected.SequenceEqual(actual), $"{file}:{at + 1}: expected\n{string.Join('\n', expected)}\nbut was\n{string.Join('\n', actual)}");
        }
    }

    private static string Escape(string line) => "| " + Date().Replace(line, "DATE").Replace("\r", "\\r", StringComparison.Ordinal);

    private static byte[] Unescape(string text)
    {
        var bytes = new List<byte>();
        var source = Encoding.UTF8.GetBytes(text);
        for (var i = 0; i < source.Length; i++)
        {
            if (source[i] != '\\')
            {
                bytes.Add(source[i]);
                continue;
            }
            switch (source[++i])
            {
                case (byte)'r':
                    bytes.Add((byte)'\r');
                    break;
                case (byte)'n':
                    bytes.Add((byte)'\n');
                    break;
                case (byte)'x':
                    bytes.Add(Convert.ToByte(Encoding.UTF8.GetString(source, i + 1, 2), 16));
                    i += 2;
                    break;
                default:
                    bytes.Add(source[i]);
                    break;
            }
        }
        return [.. bytes];
    }

    [GeneratedRegex("^--- log ?(Q[0-9]+)?$")]
    private static partial Regex LogHead();

    [GeneratedRegex("^--- mail (Q[0-9]+)$")]
    private static partial Regex MailHead();

    [GeneratedRegex("^Q[0-9]+: ")]
    private static partial Regex QueueLine();

    [GeneratedRegex(@"[A-Z][a-z][a-z], \d+ [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d \+0000 \(UTC\)")]
    private static partial Regex Date();
}
