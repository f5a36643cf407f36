using System.Text;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool.PostfixQueue;
using Facteur.Unix;

namespace Facteur.Spool.Tests.PostfixQueue;

/// <summary>Mail between Postfix's queue and the journal: all that is known of it stays known, and whenever it is cut off, each message is in one of the two.</summary>
public sealed class PostfixImportTests : IDisposable
{
    private const long Now = 1_790_000_000;
    private static readonly string Large = string.Concat(Enumerable.Range(0, 30_000).Select(n => $"line {n}\n"));

    private readonly string _top = Directory.CreateTempSubdirectory("facteur-postfix-").FullName;
    private readonly Events _events = new();
    private SimDisk _disk = new();

    private string Queue => $"{_top}/queue";

    public void Dispose() => Directory.Delete(_top, recursive: true);

    [Fact]
    public void Everything_known_of_a_message_comes_with_it()
    {
        var deferred = Put("deferred/A", "ABCDEF1", Message("one", 4), "Subject: one\n\n" + Large, i => i is 1 or 2 or 3, 0, 0x1C8, Now + 500);
        PutLog("defer/A", "ABCDEF1", deferred[0], "one", 0, DeliveryStatus.Deferred(4, 1, "no way"));
        PutLog("bounce", "ABCDEF1", deferred[1], "one", 1, DeliveryStatus.Bounced(1, 1, "no such user"));
        PutLog("trace", "ABCDEF1", deferred[3], "one", 3, DeliveryStatus.Sent("taken", DsnAction.Relayed));
        Put("hold", "ABCDEF2", Message("two", 1), "Subject: two\n\n", _ => false, null, 0x1C0, Now - 5);
        Put("incoming", "ABCDEF3", Message("three", 1), "Subject: three\n\n", _ => false, null, 0x1C0, Now - 5);
        Put("active", "3Z5Tvp1Gz2z2abc", Message("four", 1), "Subject: four\n\n", _ => false, null, 0x1C0, Now - 5);
        Put("active", "ABCDEF5", Message("done", 1), "Subject: done\n\n", _ => true, null, 0x1C0, Now - 5);
        using var spool = Open();
        var import = Import(spool);
        Assert.Equal((4, 0), (import.Imported, import.Left));
        Assert.Equal(4, _events.Lines.Count);
        Assert.Contains(_events.Lines, line => line.StartsWith("deferred/ABCDEF1 ", StringComparison.Ordinal));
        CheckAll(spool);
        Assert.Empty(Files());

        // And goes with it, and comes back.
        Export(spool);
        Assert.Empty(Messages(spool));
        Assert.Equal(["bounce", "defer", "deferred", "hold", "incoming", "trace"],
            Files().Select(file => file[(Queue.Length + 1)..].Split('/')[0]).Distinct().Order(StringComparer.Ordinal));
        Assert.Equal((4, 0), (Import(spool).Imported, _events.Lefts.Count));
        CheckAll(spool);
        Assert.Empty(Files());
    }

    // Postfix takes the attribute back when the first attempt is reported.
    [Theory]
    [InlineData(true, MessageFlags.None)]
    [InlineData(false, MessageFlags.ReportDeliveries)]
    public void A_report_of_the_first_attempt_is_not_asked_for_again(bool tried, MessageFlags expected)
    {
        var message = Message("one", 1);
        message.Flags |= MessageFlags.ReportDeliveries;
        var places = Put("deferred", "ABCDEF1", message, "x\n", _ => false, null, 0x1C0, Now);
        if (tried)
        {
            PutLog("defer", "ABCDEF1", places[0], "one", 0, DeliveryStatus.Deferred(4, 1, "no way"));
        }
        using var spool = Open();
        Import(spool);
        Export(spool);
        Import(spool);
        Assert.Equal(expected, Assert.Single(Messages(spool)).Value.Envelope.Flags & MessageFlags.ReportDeliveries);
    }

    private static void CheckAll(ISpool spool)
    {
        var all = Messages(spool);
        Assert.Equal(["four@x.test", "one@x.test", "three@x.test", "two@x.test"], all.Keys.Order(StringComparer.Ordinal));
        var one = all["one@x.test"];
        Assert.Equal((QueueState.Deferred, Now + 500, true), (one.Entry.State, one.Entry.DueSeconds, one.Entry.Expire));
        Assert.Equal(Message("one", 4).Recipients, one.Envelope.Recipients);
        Assert.Equal("Subject: one\n\n" + Large, Content(spool, one));
        Assert.Equal(
            [
                (0, false, false, DeliveryStatus.Deferred(4, 1, "no way"), true),
                (1, true, true, DeliveryStatus.Bounced(1, 1, "no such user"), true),
                (2, true, false, DeliveryStatus.Sent("done before it was imported"), true),
                (3, true, true, DeliveryStatus.Sent("taken", DsnAction.Relayed), true),
            ],
            one.Outcomes.OrderBy(o => o.Recipient).Select(o => (o.Recipient, o.Done, o.Unreported, OutcomeDetail.Read(o.Detail.Span).Status!, OutcomeDetail.Read(o.Detail.Span).Warned)));
        Assert.Equal(QueueState.Hold, all["two@x.test"].Entry.State);
        Assert.Equal(QueueState.Incoming, all["three@x.test"].Entry.State);
    }

    [Fact]
    public void What_cannot_be_imported_stays_and_is_told()
    {
        Put("incoming", "ABCDEF1", Message("good", 1), "x\n", _ => false, null, 0x1C0, Now);
        Put("incoming", "ABCDEF2", Message("unfinished", 1), "x\n", _ => false, null, 0x180, Now);
        Put("incoming", "ABCDEF3", Message("cut", 1), "x\n", _ => false, null, 0x1C0, Now);
        using (var cut = new FileStream($"{Queue}/incoming/ABCDEF3", FileMode.Open))
        {
            cut.SetLength(cut.Length - 3);
        }
        File.CreateSymbolicLink($"{Queue}/incoming/ABCDEF4", $"{Queue}/incoming/ABCDEF2");
        Directory.CreateDirectory($"{Queue}/deferred/ABCDEF5");
        File.WriteAllText($"{Queue}/incoming/of.another", "kind");
        Directory.CreateDirectory($"{Queue}/hold");
        Put("hold", "ABCDEF6", Message("big", 1, new string('a', 4000)), "x\n", _ => false, null, 0x1C0, Now);
        using var spool = Open();
        var import = Import(spool);
        Assert.Equal((1, 2), (import.Imported, import.Left));
        Assert.Equal([$"{Queue}/hold/ABCDEF6: address too long", $"{Queue}/incoming/ABCDEF3: file ends without an end record"], _events.Lefts.Order(StringComparer.Ordinal));
        Assert.Equal(["good@x.test"], Messages(spool).Keys);
        Assert.Equal(["ABCDEF3", "ABCDEF6"], new PostfixQueueDirectory(Queue).Left(100).Select(left => left.File.Name).Order(StringComparer.Ordinal));
        // The next time it is as before.
        Assert.Equal((0, 2), (Import(spool).Imported, import.Left));
    }

    [Fact]
    public void A_file_on_its_way_counts_only_when_the_journal_has_not_that_very_message()
    {
        Put("incoming", "ABCDEF1", Message("one", 2), "x\n", i => i == 1, null, 0x1C0, Now);
        using var spool = Open();
        File.Copy($"{Queue}/incoming/ABCDEF1", $"{_top}/one");
        Import(spool);
        var number = Messages(spool)["one@x.test"].Entry.Id;
        // As after a crash behind the commit.
        Move($"{_top}/one", $"{Queue}/incoming/ABCDEF1-{number:X}");
        // Its number is another message's, as in another journal; and a number of nothing.
        Put("incoming", "ABCDEF2", Message("two", 1), "x\n", _ => false, null, 0x1C0, Now);
        Move($"{Queue}/incoming/ABCDEF2", $"{Queue}/incoming/ABCDEF2-{number:X}");
        Put("deferred", "ABCDEF3", Message("three", 1), "x\n", _ => false, null, 0x1C0, Now);
        Move($"{Queue}/deferred/ABCDEF3", $"{Queue}/deferred/ABCDEF3-FFFFFFFF");
        var import = Import(spool);
        Assert.Equal((3, 0), (import.Imported, import.Left));
        Assert.Equal(["one@x.test", "three@x.test", "two@x.test"], Messages(spool).Keys.Order(StringComparer.Ordinal));
        Assert.Equal(3, spool.Count(QueueState.Incoming) + spool.Count(QueueState.Deferred));
        Assert.Empty(Files());
    }

    [Theory]
    [InlineData("write")]
    [InlineData("sync")]
    public void A_disk_that_refuses_leaves_all_where_it_is(string operation)
    {
        for (var n = 0; n < 5; n++)
        {
            Put("incoming", $"ABCDEF{n}", Message($"m{n}", 1), "x\n", _ => false, null, 0x1C0, Now);
        }
        using (var spool = Open())
        {
            Assert.True(spool.TryTakeIds(1, out _));
            _disk.Fault = (what, _) => what.Contains(operation, StringComparison.OrdinalIgnoreCase) ? Libc.ENOSPC : 0;
            var import = Import(spool);
            Assert.Equal((0, 5, true), (import.Imported, import.Left, import.Refused));
            Assert.Equal(5, Files().Count);
            Assert.Equal(5, new PostfixQueueDirectory(Queue).Left(100).Count());
            _disk.Fault = null;
        }
        using (var spool = Open())
        {
            Assert.Equal(5, Import(spool).Imported);
            Assert.Equal(5, Messages(spool).Count);
        }
    }

    [Fact]
    public void Cut_off_at_any_instant_an_import_goes_on()
    {
        for (var (instant, killed) = (1, true); killed; instant++)
        {
            foreach (var powerCut in (bool[])[false, true])
            {
                (_disk, _events.Lines) = (new SimDisk(), []);
                Remake();
                killed = false;
                try
                {
                    using var spool = Open();
                    KillAt(instant);
                    Import(spool);
                }
                catch (KilledException)
                {
                    killed = true;
                }
                _disk = powerCut ? _disk.AfterCut(_ => false) : _disk.AfterKill();
                using var after = Open();
                var import = Import(after);
                Assert.Equal(0, import.Left);
                Assert.Equal(Names, Messages(after).Keys.Order(StringComparer.Ordinal));
                Assert.Equal(Names.Length, Enum.GetValues<QueueState>().Sum(after.Count));
                Assert.All(Messages(after).Values, message => Assert.Equal([1], message.Outcomes.Where(o => o.Done).Select(o => o.Recipient)));
                Assert.Equal("Subject: m0\n\n" + Large, Content(after, Messages(after)["m0@x.test"]));
                Assert.Empty(Files());
            }
            Assert.True(instant > 3 || killed);
        }
    }

    [Fact]
    public void Cut_off_at_any_instant_an_export_goes_on_or_comes_back()
    {
        for (var (instant, killed) = (1, true); killed; instant++)
        {
            foreach (var (powerCut, back) in ((bool, bool)[])[(false, true), (true, true), (true, false)])
            {
                _disk = new SimDisk();
                Remake();
                using (var spool = Open())
                {
                    Import(spool);
                }
                Assert.Empty(Files());
                killed = false;
                try
                {
                    using var spool = Open();
                    KillAt(instant);
                    Export(spool);
                }
                catch (KilledException)
                {
                    killed = true;
                }
                _disk = powerCut ? _disk.AfterCut(_ => false) : _disk.AfterKill();
                using var after = Open();
                if (!back)
                {
                    new PostfixImport(new PostfixQueueDirectory(Queue), after, _events).Settle();
                    Export(after);
                    Assert.Empty(Messages(after));
                    Assert.Equal(Names.Length, new PostfixQueueDirectory(Queue).Left(100).Count());
                    Assert.DoesNotContain(Files(), file => Path.GetFileName(file).AsSpan().ContainsAny('-', '.'));
                }
                Import(after);
                Assert.Equal(Names, Messages(after).Keys.Order(StringComparer.Ordinal));
                Assert.Equal(Names.Length, Enum.GetValues<QueueState>().Sum(after.Count));
                var first = Messages(after)["m0@x.test"];
                Assert.Equal("Subject: m0\n\n" + Large, Content(after, first));
                Assert.Equal((QueueState.Deferred, Now + 60), (first.Entry.State, first.Entry.DueSeconds));
                Assert.Equal([(0, false), (1, true)], first.Outcomes.OrderBy(o => o.Recipient).Select(o => (o.Recipient, o.Done)));
                Assert.Equal("later", OutcomeDetail.Read(first.Outcomes.First(o => o.Recipient == 0).Detail.Span).Status!.Reason);
            }
            Assert.True(instant > 3 || killed);
        }
    }

    // As Postfix 3.7 named and placed a file.
    [Theory]
    [InlineData(1_795_398_502_064_039, 3_530_847, true, "4jXpkG0RgWzVbTH", "0/F")]
    [InlineData(1_795_395_671_090_413, 11_698_857, false, "1612DB282A9", "1/6")]
    public void Files_have_the_names_and_places_that_Postfix_gives_them(long arrival, ulong inode, bool longIds, string name, string place)
    {
        Assert.Equal(name, PostfixQueueDirectory.Id(arrival, inode, longIds));
        Assert.Equal($"{Queue}/deferred/{place}", new PostfixQueueDirectory(Queue).Place("deferred", name, 2));
        Assert.Equal($"{Queue}/deferred", new PostfixQueueDirectory(Queue).Place("deferred", name, 0));
        Directory.CreateDirectory($"{Queue}/defer/{place}");
        File.WriteAllText($"{Queue}/defer/{place}/{name}", "");
        Assert.Equal($"{Queue}/defer/{place}/{name}", new PostfixQueueDirectory(Queue).Log("defer", name));
        Assert.Null(new PostfixQueueDirectory(Queue).Log("bounce", name));
    }

    private static string[] Names => ["m0@x.test", "m1@x.test", "m2@x.test"];

    private void Remake()
    {
        if (Directory.Exists(Queue))
        {
            Directory.Delete(Queue, recursive: true);
        }
        for (var n = 0; n < 3; n++)
        {
            var places = Put(n == 0 ? "deferred/A" : "incoming", $"ABCDEF{n}", Message($"m{n}", 2), $"Subject: m{n}\n\n{(n == 0 ? Large : "")}", i => i == 1, null, 0x1C0, Now + (n == 0 ? 60 : 0));
            PutLog("defer", $"ABCDEF{n}", places[0], $"m{n}", 0, DeliveryStatus.Deferred(0, 0, "later"));
        }
    }

    private void KillAt(int instant) => _disk.Changed = () =>
    {
        if (--instant == 0)
        {
            _disk.Changed = null;
            throw new KilledException();
        }
    };

    private PostfixImport Import(ISpool spool)
    {
        var import = new PostfixImport(new PostfixQueueDirectory(Queue), spool, _events);
        import.Run();
        return import;
    }

    private void Export(ISpool spool)
    {
        var options = new PostfixExportOptions(false, ["deferred", "defer"], 1, 0, null);
        new PostfixExport(new PostfixQueueDirectory(Queue), spool, _events, options, new TestTime()).Run();
    }

    private ISpool Open() => Spool.Open(new SpoolOptions { Directory = SimDisk.Root, ReserveBytes = 0, TimedIds = false, FileSystem = static _ => 0 }, _disk, new TestTime(), new TestEvents());

    private static Envelope Message(string name, int recipients, string domain = "y.test") => new()
    {
        Sender = $"{name}@x.test",
        ArrivalMicros = Now * 1_000_000 - 7,
        Origin = MessageOrigin.Pickup,
        Recipients = [.. Enumerable.Range(0, recipients).Select(i => new EnvelopeRecipient($"r{i}@{domain}", $"o{i}@y.test", "", DsnNotify.Failure))],
    };

    private IReadOnlyList<long> Put(string directory, string name, Envelope envelope, string content, Func<int, bool> isDone, long? warn, uint mode, long time)
    {
        Directory.CreateDirectory($"{Queue}/{directory}");
        var path = $"{Queue}/{directory}/{name}";
        File.WriteAllBytes(path, QueueFileTests.Write(envelope, content, isDone, warn));
        File.SetLastWriteTimeUtc(path, DateTimeOffset.FromUnixTimeSeconds(time).UtcDateTime);
        Assert.Equal(0, Libc.chmod(path, mode));
        var (message, _, _) = QueueFileTests.Read(File.ReadAllBytes(path));
        return [.. message.Recipients.Select(r => r.Offset)];
    }

    private void PutLog(string directory, string name, long place, string of, int recipient, DeliveryStatus status)
    {
        Directory.CreateDirectory($"{Queue}/{directory}");
        var into = new System.Buffers.ArrayBufferWriter<byte>();
        DeliveryLogFile.Write(place, Message(of, recipient + 1).Recipients[recipient], status, into);
        File.WriteAllBytes($"{Queue}/{directory}/{name}", into.WrittenSpan.ToArray());
    }

    private static void Move(string from, string to)
    {
        File.Move(from, to);
        Assert.Equal(0, Libc.chmod(to, 0x1C0));
    }

    private List<string> Files() => [.. Directory.EnumerateFiles(Queue, "*", SearchOption.AllDirectories)];

    private static Dictionary<string, SpoolMessage> Messages(ISpool spool)
    {
        var found = new Dictionary<string, SpoolMessage>();
        var entries = new SpoolEntry[100];
        var place = 0;
        for (var more = true; more;)
        {
            more = spool.Scan(ref place, entries, out var count);
            foreach (var entry in entries[..count])
            {
                var message = spool.Read(entry.Id)!;
                found.Add(message.Envelope.Sender, message);
            }
        }
        return found;
    }

    private static string Content(ISpool spool, SpoolMessage message)
    {
        using var reader = spool.OpenReader();
        var text = new StringBuilder();
        Assert.True(ContentCopy.CopyAsync(reader, message.Entry.Id, message.Layout, piece =>
        {
            text.Append(Encoding.Latin1.GetString(piece.Span));
            return ValueTask.CompletedTask;
        }).AsTask().GetAwaiter().GetResult());
        return text.ToString();
    }

    private sealed class KilledException : Exception;

    private sealed class Events : IPostfixQueueEvents
    {
        public List<string> Lines { get; set; } = [];

        public List<string> Lefts { get; } = [];

        public void Moved(PostfixQueueFile file, ulong message) => Lines.Add($"{file} {message}");

        public void Left(string path, string why) => Lefts.Add($"{path}: {why}");
    }
}
