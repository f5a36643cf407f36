using System.Net;
using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Receive.Cleanup;
using Facteur.Services.Rewrite.TrivialRewrite;
using Facteur.Tables;
using Facteur.Testing;

namespace Facteur.Services.Tests.Receive.Cleanup;

/// <summary>cleanup with real rewriting over fake tables and a fake queue.</summary>
internal sealed class CleanupBench
{
    public CleanupBench(MemoryTables? tables = null, params (string Name, string Value)[] values)
    {
        tables ??= new MemoryTables();
        var config = new TestConfig([("append_dot_mydomain", "no"), ("relay_domains", ""), ("virtual_maps", ""), .. values]);
        var addresses = new MemoryAddressMaps(values.FirstOrDefault(v => v.Name == "recipient_delimiter").Value ?? "", "dest.example", "mx.dest.example");
        var lists = new MemoryMatchLists(tables);
        var rewrite = new TrivialRewriteService(config, tables, tables, addresses, lists, IPAddress.IsLoopback, new ServiceLog(Log, "postfix/trivial-rewrite"));
        Service = new CleanupService(config, Incoming, rewrite, tables, addresses, lists, new ServiceLog(Log, "postfix/cleanup"), new FixedTime(),
            new TableSet(config, new Events(Log), TimeProvider.System, new TableOptions { Utf8 = false }));
    }

    /// <summary>What the tables of header_checks and the like say.</summary>
    private sealed class Events(TestLog log) : ITableEvents
    {
        public void Info(string text) => log.Write("postfix/cleanup", LogLevel.Info, text);

        public void Warning(string text) => log.Write("postfix/cleanup", LogLevel.Warning, text);

        public void Error(string text) => log.Write("postfix/cleanup", LogLevel.Error, text);
    }

    public TestLog Log { get; } = new();

    public FakeIncoming Incoming { get; } = new();

    public CleanupService Service { get; }

    public string Text => Incoming.LastText;

    public Envelope Envelope => Incoming.LastEnvelope;

    /// <summary>"address|original|orcpt|notify" of each recipient, orcpt and notify only where they are not the usual.</summary>
    public string Recipients => string.Join(
        " ", Envelope.Recipients.Select(r => $"{r.Address}|{r.OriginalAddress}{(r.Notify == DsnNotify.None ? "" : $"|{r.Notify}")}"));

    public static Envelope From(string sender, MessageOrigin origin = MessageOrigin.Smtpd, MessageFlags flags = MessageFlags.None, string fullName = "") =>
        new() { Sender = sender, Origin = origin, Flags = flags, FullName = fullName };

    public static Envelope Local(string sender, string fullName = "") => From(sender, MessageOrigin.Pickup, MessageFlags.RewriteLocal, fullName);

    /// <summary>Sends one message; "Q" in the content stands for its queue id.</summary>
    /// <param name="envelope">The envelope.</param>
    /// <param name="content">The content.</param>
    /// <param name="recipients">The recipients.</param>
    /// <param name="piece">Bytes of content written at a time.</param>
    /// <param name="fromHeaders">As sendmail -t.</param>
    public async Task<CleanupResult> SendAsync(Envelope envelope, string content, string[] recipients, int piece = int.MaxValue, bool fromHeaders = false)
    {
        await using var message = await Service.OpenAsync(envelope, default);
        Assert.NotNull(message);
        message.RecipientsFromHeaders = fromHeaders;
        foreach (var recipient in recipients)
        {
            message.AddRecipient(new EnvelopeRecipient(recipient));
        }
        ReadOnlyMemory<byte> bytes = Encoding.Latin1.GetBytes(content.Replace("{Q}", message.QueueId));
        while (!bytes.IsEmpty)
        {
            var length = Math.Min(piece, bytes.Length);
            await message.WriteAsync(bytes[..length], default);
            bytes = bytes[length..];
        }
        return await message.CompleteAsync(default);
    }
}
