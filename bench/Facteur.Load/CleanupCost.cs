using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Services.Receive.Cleanup;
using Facteur.Services.Rewrite.TrivialRewrite;
using Facteur.Tables;
using Facteur.Testing;

namespace Facteur.Load;

/// <summary>What rewriting and checking one message costs in cleanup(8), without sockets and disk: 1 KiB with 8 headers.</summary>
internal static class CleanupCost
{
    private const int Rules = 100;

    private static readonly string[] Names = ["Subject", "From", "To", "Received", "X-Mailer", "X-Spam-Status", "Content-Type", "Message-Id", "Reply-To", "List-Id"];

    public static async Task<int> RunAsync(Options options)
    {
        var messages = options.Int("messages", 20_000);
        var directory = Directory.CreateTempSubdirectory("facteur-cleanup-").FullName;
        try
        {
            (string, string)[] hash = [.. HashTables(directory)];
            var pcre = Path.Combine(directory, "header_checks");
            // As people write them: most name their header first, some look anywhere.
            await File.WriteAllLinesAsync(pcre, Enumerable.Range(0, Rules).Select(i =>
                i % 5 == 4 ? $"/\\bpromo{i}(ted|tion)?\\b.*(now|today)/ REJECT {i}" : $"/^{Names[i % Names.Length]}: .*\\bword{i}[a-z]*\\b/ REJECT {i}")).ConfigureAwait(false);
            await MeasureAsync("no tables", messages, []).ConfigureAwait(false);
            await MeasureAsync("6 hash tables", messages, hash).ConfigureAwait(false);
            await MeasureAsync($"6 hash tables, {Rules} pcre header_checks", messages, [.. hash, ("header_checks", $"pcre:{pcre}")]).ConfigureAwait(false);
            await MeasureAsync("body_checks that match nothing", messages, [("body_checks", "pcre:{{/^no such line/ REJECT}}")]).ConfigureAwait(false);
            return 0;
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static IEnumerable<(string Name, string Value)> HashTables(string directory)
    {
        foreach (var name in new[] { "canonical_maps", "sender_canonical_maps", "recipient_canonical_maps", "virtual_alias_maps", "sender_bcc_maps", "recipient_bcc_maps" })
        {
            var path = Path.Combine(directory, name);
            File.WriteAllLines(path, Enumerable.Range(0, 1000).Select(i => $"user{i}@mapped.example other{i}@mapped.example"));
            yield return (name, $"hash:{path}");
        }
    }

    private static async Task MeasureAsync(string what, int messages, (string Name, string Value)[] values)
    {
        var config = new TestConfig([("append_dot_mydomain", "no"), ("relay_domains", ""), ("virtual_maps", ""), .. values]);
        var log = new Silence();
        using var tables = new TableSet(config, log, TimeProvider.System);
        using var bytes = new TableSet(config, log, TimeProvider.System, new TableOptions { Utf8 = false });
        var lists = new MatchLists(config, tables, log);
        var addresses = new AddressMaps(config, lists, IPAddress.IsLoopback);
        var rewrite = new TrivialRewriteService(config, tables, tables, addresses, lists, IPAddress.IsLoopback, new ServiceLog(log, "postfix/trivial-rewrite"));
        var cleanup = new CleanupService(config, new Nowhere(), rewrite, tables, addresses, lists, new ServiceLog(log, "postfix/cleanup"), TimeProvider.System, bytes);
        var content = Content();
        var best = double.MaxValue;
        // The first rounds are the compiler's.
        for (var round = 0; round < 10; round++)
        {
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < messages; i++)
            {
                await SendAsync(cleanup, content).ConfigureAwait(false);
            }
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMicroseconds / messages);
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {best:F1} us per message"));
    }

    private static async ValueTask SendAsync(CleanupService cleanup, byte[] content)
    {
        var envelope = new Envelope { Sender = "sender@example.com", LastRecipient = "bob@dest.example", Client = new ClientInfo("c.example.com", "192.0.2.1", 25, "c.example.com", "c.example.com", "ESMTP") };
        await using var message = await cleanup.OpenAsync(envelope, default).ConfigureAwait(false);
        await message!.WriteAsync(content, default).ConfigureAwait(false);
        message.AddRecipient(new EnvelopeRecipient("bob@dest.example"));
        var result = await message.CompleteAsync(default).ConfigureAwait(false);
        if (result.Status != CleanupStatus.Ok)
        {
            throw new InvalidOperationException($"{result.Status}: {result.Text}");
        }
    }

    private static byte[] Content()
    {
        var text = new StringBuilder(
            "Received: from c.example.com (c.example.com [192.0.2.1])\n\tby mx.dest.example (Postfix) with ESMTP id 4bQxYz1234z5\n\tfor <bob@dest.example>; Mon,  2 Nov 2026 10:00:00 +0000 (UTC)\n"
            + "Message-Id: <20261102100000.12345@example.com>\nDate: Mon, 2 Nov 2026 10:00:00 +0000\nFrom: Some Sender <sender@example.com>\nTo: Bob <bob@dest.example>\n"
            + "Subject: About the meeting next week\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n");
        while (text.Length < 1024)
        {
            text.Append("A line of text as people write it, neither long nor short, one of many.\n");
        }
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private sealed class Silence : IMailLog, ITableEvents
    {
        public void Write(string tag, LogLevel level, string text)
        {
        }

        public void Info(string text)
        {
        }

        // That there is no index is meant so.
        public void Warning(string text)
        {
        }

        public void Error(string text) => Console.Error.WriteLine(text);
    }

    private sealed class Nowhere : IIncoming
    {
        private ulong _next = 1;

        public ValueTask<ulong> TakeIdAsync(CancellationToken cancel) => new(_next++);

        public ValueTask ContentAsync(ulong id, ReadOnlyMemory<byte> content, CancellationToken cancel) => default;

        public ValueTask<CleanupStatus> EndAsync(ulong id, ReadOnlyMemory<byte> lastContent, Envelope envelope, CancellationToken cancel) => new(CleanupStatus.Ok);

        public void Abort(ulong id)
        {
        }
    }
}
