using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Deliver;
using Facteur.Services.Server;
using Facteur.Spool;
using Facteur.Tables;
using Facteur.Testing;

namespace Facteur.Services.Tests.Deliver;

/// <summary>What an agent needs around it: a directory, tables from text, a message in memory, forwards kept.</summary>
public sealed class DeliverRoom : IDisposable, ITableSet, IRewrite, IResubmit, ISpoolReader
{
    private readonly Dictionary<string, Dictionary<string, string>> _tables = new(StringComparer.Ordinal);
    private readonly Dictionary<string, uint> _owners = new(StringComparer.Ordinal);
    private UserHands? _hands;
    private byte[] _content = [];
    private int[] _cuts = [];

    public string Directory { get; } = System.IO.Directory.CreateTempSubdirectory("facteur-deliver-").FullName;

    public TestLog Log { get; } = new();

    public BlockingThreads Threads { get; } = new("test", 4);

    public List<(Envelope Envelope, string Content)> Forwards { get; } = [];

    public CleanupStatus ForwardStatus { get; set; }

    public HashSet<string> LocalDomains { get; } = new(StringComparer.OrdinalIgnoreCase) { "dest.example", "localhost.dest.example" };

    public FixedTime Time { get; } = new();

    public IReadOnlyList<string> Lines => [.. Log.Lines.Select(l => System.Text.RegularExpressions.Regex.Replace(l, "delays?=[0-9./]+", m => m.Value.Split('=')[0] + "=N"))];

    public void Table(string name, params (string Key, string Value)[] rows) =>
        _tables[name] = rows.ToDictionary(r => r.Key, r => r.Value, StringComparer.OrdinalIgnoreCase);

    /// <summary>Says whose file a table is; root's unless it is said.</summary>
    public void Owner(string name, uint uid) => _owners[name] = uid;

    /// <summary>Hands within this process, whose children are the built program's.</summary>
    public UserHands Hands(BlockingThreads? threads = null, TimeProvider? time = null)
    {
        _hands?.Dispose();
        return _hands = UserHands.InProcess(threads ?? Threads, HelperProgram.Beside(AppContext.BaseDirectory), time ?? Time);
    }

    /// <summary>Skips a test that needs a child of another user where no such user may read the program.</summary>
    public static void NeedsChildren()
    {
        if (!Facteur.Unix.FileIdentity.CanChange)
        {
            return;
        }
        for (var directory = AppContext.BaseDirectory.TrimEnd('/'); directory is { Length: > 1 }; directory = System.IO.Path.GetDirectoryName(directory))
        {
            if (Facteur.Unix.UnixFile.Status(directory, followLinks: true, out var status) != 0 || (status.Mode & 1) == 0)
            {
                Assert.Skip($"needs a build that other users may read: {directory} is closed to them");
            }
        }
    }

    public ServiceLog ServiceLog(string tag) => new(Log, tag);

    public string Path(string name) => System.IO.Path.Combine(Directory, name);

    public string Read(string name) => File.ReadAllText(Path(name));

    /// <summary>The message's pieces are cut at these places.</summary>
    public DeliveryRequest Request(string content, string[] recipients, string sender = "a@sender.example", string nexthop = "", int[]? cuts = null, DeliveryFlags flags = 0, string transport = "local", DsnNotify notify = 0)
    {
        _content = Encoding.UTF8.GetBytes(content);
        _cuts = [0, .. cuts ?? [], .. Enumerable.Range(1, _content.Length / ContentLayout.BufferLength).Select(i => i * ContentLayout.BufferLength), _content.Length];
        return new DeliveryRequest
        {
            RequestId = 7,
            MessageId = 1,
            QueueId = "Q1",
            Transport = transport,
            Nexthop = nexthop,
            Envelope = new Envelope { Sender = sender },
            Recipients = [.. recipients.Select((r, i) => new DeliveryRecipient(i, new EnvelopeRecipient(r.Split(' ')[0], r.Split(' ').Length > 1 ? r.Split(' ')[1] : "", Notify: notify)))],
            Layout = new ContentLayout([.. Enumerable.Range(0, _cuts.Length - 1).Select(i => new Extent(ExtentKind.Journal, 1, _cuts[i], _cuts[i + 1] - _cuts[i]))]),
            ActiveMicros = 0,
            Flags = flags,
        };
    }

    public ContentRead ReadResult { get; set; } = ContentRead.Data;

    /// <summary>The threads that contents were read on.</summary>
    public System.Collections.Concurrent.ConcurrentDictionary<string, int> ReadOn { get; } = [];

    ContentRead ISpoolReader.Read(ulong id, ContentLayout layout, int extent, long offset, Memory<byte> buffer, out ReadOnlyMemory<byte> content)
    {
        ReadOn[Thread.CurrentThread.Name ?? ""] = 0;
        var piece = layout.Extents[extent];
        _content.AsMemory((int)piece.Offset, piece.Length).CopyTo(buffer);
        content = buffer[..piece.Length];
        return ReadResult == ContentRead.Data || extent + 1 < layout.Extents.Count ? ContentRead.Data : ReadResult;
    }

    public void Dispose()
    {
        _hands?.Dispose();
        Threads.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
    }

    ITable ITableSet.Open(string name) => new Rows(name, _tables.GetValueOrDefault(name), _owners.GetValueOrDefault(name));

    ValueTask<string?> IRewrite.RewriteAsync(bool local, string address, CancellationToken cancel) =>
        ValueTask.FromResult<string?>(address.Contains('@') ? address : $"{address}@dest.example");

    ValueTask<Resolution> IRewrite.ResolveAsync(string sender, string recipient, CancellationToken cancel)
    {
        var domain = recipient[(recipient.LastIndexOf('@') + 1)..];
        return ValueTask.FromResult(LocalDomains.Contains(domain)
            ? new Resolution("local", "mx.dest.example", recipient, ResolveFlags.Local) : new Resolution("smtp", domain, recipient, ResolveFlags.Default));
    }

    IResubmitMessage IResubmit.Begin(Envelope envelope) => new Message(this, envelope);

    private sealed class Message(DeliverRoom room, Envelope envelope) : IResubmitMessage
    {
        private readonly MemoryStream _content = new();

        public ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
        {
            _content.Write(content.Span);
            return default;
        }

        public ValueTask<ResubmitResult> EndAsync(CancellationToken cancel)
        {
            if (room.ForwardStatus != CleanupStatus.Ok)
            {
                return ValueTask.FromResult(new ResubmitResult(new CleanupResult(room.ForwardStatus), ""));
            }
            room.Forwards.Add((envelope, Encoding.UTF8.GetString(_content.ToArray())));
            return ValueTask.FromResult(new ResubmitResult(new CleanupResult(CleanupStatus.Ok), $"F{room.Forwards.Count}"));
        }

        public void Dispose() => _content.Dispose();
    }

    private sealed class Rows(string name, Dictionary<string, string>? rows, uint owner) : IOwnedTable
    {
        public string Name => name;

        public bool IsPattern => false;

        public bool CanBlock => false;

        public IReadOnlyList<string> Files => name.Contains(":/", StringComparison.Ordinal) ? [name[(name.IndexOf(":/", StringComparison.Ordinal) + 1)..].TrimEnd('}')] : [];

        public (Lookup Lookup, uint Owner) FindOwned(string key) =>
            (rows is null ? Lookup.Error("no such table") : rows.TryGetValue(key, out var value) ? Lookup.Found(value) : Lookup.NotFound, owner);

        public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel) => ValueTask.FromResult(FindOwned(key).Lookup);

        public void Dispose()
        {
        }
    }

    public sealed class FixedTime : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 11, 2, 3, 4, 5, TimeSpan.Zero);

        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
