using System.Text;
using Facteur.Mail.Envelopes;
using Facteur.Unix;

namespace Facteur.Spool.Tests;

/// <summary>The spool on the real file system.</summary>
public sealed class SpoolTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("facteur-spool-").FullName + "/spool";
    private readonly UnixDisk _disk = new();
    private readonly TestEvents _events = new();

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_root)!, true);

    [Fact]
    public void A_message_comes_is_read_back_and_goes()
    {
        using var spool = Open();
        var id = Put(spool, "Subject: hi\n\nbody\n");
        Assert.True(spool.TryGet(id, out var entry));
        Assert.Equal(QueueState.Incoming, entry.State);
        Assert.Equal("Subject: hi\n\nbody\n", Content(spool, id));
        Assert.Equal("s@example.com", spool.Read(id)!.Envelope.Sender);
        spool.Outcome(id, new SpoolOutcome(0, true, false, "250 ok"u8.ToArray()));
        spool.Delete(id);
        Assert.Equal(CommitResult.Written, spool.Commit(false));
        Assert.True(spool.HasUnsynced);
        Assert.False(spool.TryGet(id, out _));
        Assert.Equal(0, spool.Count(QueueState.Incoming));
        Assert.Equal(CommitResult.Durable, spool.Commit(true));
        Assert.False(spool.HasUnsynced);
    }

    [Fact]
    public void Everything_is_there_after_a_restart()
    {
        ulong held, deferred, large;
        var body = string.Concat(Enumerable.Range(0, 40_000).Select(i => $"line {i} of a large message\n"));
        using (var spool = Open())
        {
            held = Put(spool, "held\n");
            deferred = Put(spool, "deferred\n");
            large = Put(spool, body);
            spool.Move(held, QueueState.Hold, 0);
            spool.Outcome(deferred, new SpoolOutcome(0, false, true, "450 later"u8.ToArray()));
            spool.Move(deferred, QueueState.Deferred, 1234);
            spool.Expire(deferred);
            Assert.Equal(CommitResult.Durable, spool.Commit(true));
            spool.Reported(deferred, [0]);
            Assert.Equal(CommitResult.Written, spool.Commit(false));
        }
        using (var spool = Open())
        {
            Assert.True(spool.TryGet(deferred, out var entry));
            Assert.Equal((QueueState.Deferred, 1234L, 1, true), (entry.State, entry.DueSeconds, entry.Attempts, entry.Expire));
            var outcome = Assert.Single(spool.Read(deferred)!.Outcomes);
            Assert.Equal((0, false, false, "450 later"), (outcome.Recipient, outcome.Done, outcome.Unreported, Encoding.Latin1.GetString(outcome.Detail.Span)));
            Assert.Equal(1234, spool.NextDueSeconds);
            Assert.Equal(body, Content(spool, large));
            Assert.Equal(1, spool.Count(QueueState.Hold));
            Assert.True(spool.TryTakeIds(1, out var next));
            Assert.True(next > large);
            Assert.Single(LargeFiles());
            spool.Delete(large);
            Assert.Equal(CommitResult.Durable, spool.Commit(true));
            Assert.Empty(LargeFiles());
        }
        Assert.Empty(_events.Damages);
    }

    [Fact]
    public void A_second_opener_is_told_why()
    {
        using var spool = Open();
        var refused = Assert.Throws<SpoolException>(Open);
        Assert.Contains("another process has the spool open", refused.Message);
    }

    [Fact]
    public void Queues_are_listed_in_their_order()
    {
        using var spool = Open();
        var ids = Enumerable.Range(0, 5).Select(i => Put(spool, $"{i}\n", QueueState.Deferred, 100 - i * 10)).ToList();
        SpoolCursor cursor = default;
        var page = new SpoolEntry[2];
        var seen = new List<ulong>();
        for (int n; (n = spool.Next(QueueState.Deferred, 95, ref cursor, page)) > 0;)
        {
            seen.AddRange(page[..n].Select(e => e.Id));
        }
        Assert.Equal([ids[4], ids[3], ids[2], ids[1]], seen);
        Assert.Equal(60, spool.NextDueSeconds);
        cursor = SpoolCursor.End;
        seen.Clear();
        for (int n; (n = spool.Previous(QueueState.Deferred, ref cursor, page)) > 0;)
        {
            seen.AddRange(page[..n].Select(e => e.Id));
        }
        Assert.Equal([ids[0], ids[1], ids[2], ids[3], ids[4]], seen);
    }

    [Fact]
    public void Verify_sees_a_sound_spool_and_a_rotten_one()
    {
        ulong id;
        using (var spool = Open())
        {
            id = Put(spool, "sound\n");
            // Works while another has it open.
            var sound = SpoolVerify.Run(_root, _disk);
            Assert.Empty(sound.Findings);
            Assert.Equal((1L, 6L), (sound.Messages, sound.ContentBytes));
            // The next batch says that the first was durable.
            Put(spool, "next\n");
        }
        var segment = Directory.GetFiles(_root + "/journal", "*.seg").Single();
        var bytes = File.ReadAllBytes(segment);
        bytes[bytes.AsSpan().IndexOf("sound\n"u8)] ^= 1;
        File.WriteAllBytes(segment, bytes);
        Assert.NotEmpty(SpoolVerify.Run(_root, _disk).Findings);
        using (var spool = Open())
        {
            Assert.True(spool.TryGet(id, out var entry));
            Assert.Equal(QueueState.Corrupt, entry.State);
        }
        Assert.Contains(_events.Damages, d => d.StartsWith("0 ", StringComparison.Ordinal) || d.Contains(".seg", StringComparison.Ordinal));
        Assert.NotEmpty(Directory.GetFiles(_root + "/corrupt"));
    }

    [Fact]
    public void A_reader_goes_on_with_a_segment_that_was_freed()
    {
        using var spool = Open();
        var id = Put(spool, "kept open\n");
        var layout = spool.Read(id)!.Layout;
        using var reader = SpoolReader.Open(_root, _disk);
        var buffer = new byte[ContentLayout.BufferLength];
        Assert.Equal(ContentRead.Data, reader.Read(id, layout, 0, 0, buffer, out _));
        File.Delete(Directory.GetFiles(_root + "/journal", "*.seg").Single());
        Assert.Equal(ContentRead.Data, reader.Read(id, layout, 0, 0, buffer, out var content));
        Assert.Equal("kept open\n", Encoding.Latin1.GetString(content.Span));
        Assert.Equal(ContentRead.Damaged, reader.Read(id + 1, layout, 0, 0, buffer, out _));
        using var late = SpoolReader.Open(_root, _disk);
        Assert.Equal(ContentRead.Moved, late.Read(id, layout, 0, 0, buffer, out _));
        Assert.Equal(ContentRead.End, late.Read(id, layout, 1, 0, buffer, out _));
    }

    [Fact]
    public void One_reader_serves_many_threads_and_keeps_no_file_of_a_message_read_to_its_end()
    {
        using var spool = Open();
        // Short ones, in many segments, and long ones in files of their own.
        var ids = Enumerable.Range(0, 24).Select(i => Put(spool, string.Concat(Enumerable.Repeat($"line of message {i}\n", i % 2 == 0 ? 3 : 200_000)))).ToList();
        var layouts = ids.ToDictionary(id => id, id => spool.Read(id)!.Layout);
        Assert.Contains(layouts.Values, layout => layout.Extents.Any(e => e.Kind == ExtentKind.File));
        using var reader = spool.OpenReader();
        var wrong = 0;
        var threads = Enumerable.Range(0, 6).Select(t => new Thread(() =>
        {
            var buffer = new byte[ContentLayout.BufferLength];
            // Pieces of several messages in turn, as deliveries share a thread.
            foreach (var group in ids.Concat(ids).Skip(t).Chunk(5))
            {
                var places = group.Select(_ => (Extent: 0, Offset: 0L)).ToArray();
                for (var left = true; left;)
                {
                    left = false;
                    for (var k = 0; k < group.Length; k++)
                    {
                        var layout = layouts[group[k]];
                        if (places[k].Extent >= layout.Extents.Count)
                        {
                            continue;
                        }
                        left = true;
                        var expected = $"line of message {ids.IndexOf(group[k])}\n";
                        if (reader.Read(group[k], layout, places[k].Extent, places[k].Offset, buffer, out var content) != ContentRead.Data
                            || !Encoding.Latin1.GetString(content.Span).Contains(expected, StringComparison.Ordinal))
                        {
                            Interlocked.Increment(ref wrong);
                            places[k] = (int.MaxValue, 0);
                            continue;
                        }
                        var offset = places[k].Offset + content.Length;
                        places[k] = offset >= layout.Extents[places[k].Extent].Length ? (places[k].Extent + 1, 0) : (places[k].Extent, offset);
                    }
                }
            }
        })).ToArray();
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());
        Assert.Equal(0, wrong);
        Assert.DoesNotContain(Directory.GetFiles("/proc/self/fd").Select(f => File.ResolveLinkTarget(f, false)?.FullName ?? ""), name => name.StartsWith(_root + "/large/", StringComparison.Ordinal));
    }

    [Fact]
    public void A_steady_flow_of_mail_allocates_little_and_frees_its_segments()
    {
        using var spool = Spool.Open(new SpoolOptions { Directory = _root, SegmentBytes = 1 << 20, CheckpointBytes = 1 << 20, ReserveBytes = 0 }, _disk, new TestTime(), _events);
        var content = new byte[1024];
        var envelope = new Envelope { Sender = "s@example.com", ContentSize = 1024, Recipients = [new EnvelopeRecipient("r@example.net")] };
        var done = new SpoolOutcome(0, true, false, new byte[40]);
        const int warm = 2000, count = 20_000;
        var start = 0L;
        for (var i = 0; i < warm + count; i += 10)
        {
            start = i == warm ? GC.GetAllocatedBytesForCurrentThread() : start;
            Assert.True(spool.TryTakeIds(10, out var id));
            for (var k = 0ul; k < 10; k++)
            {
                Assert.True(spool.Content(id + k, content));
                Assert.True(spool.End(id + k, envelope));
            }
            Assert.Equal(CommitResult.Durable, spool.Commit(i % 200 == 0));
            for (var k = 0ul; k < 10; k++)
            {
                spool.Outcome(id + k, done);
                spool.Delete(id + k);
            }
            spool.Commit(false);
            spool.Maintain();
        }
        var each = (GC.GetAllocatedBytesForCurrentThread() - start) / count;
        Assert.InRange(each, 0, 200);
        Assert.InRange(Directory.GetFiles(_root + "/journal", "*.seg").Length, 1, 8);
    }

    [Fact]
    public void Small_batches_lie_in_room_made_ahead_that_is_given_back_at_the_end()
    {
        const int fill = 64 << 10;
        string Segment() => Directory.GetFiles(_root + "/journal", "*.seg").Order().Last();
        ulong id;
        long written;
        using (var spool = Spool.Open(new SpoolOptions { Directory = _root, ReserveBytes = 0, FillBytes = fill }, _disk, new TestTime(), _events))
        {
            id = Put(spool, "first\n");
            Assert.InRange(new FileInfo(Segment()).Length, 64, 4096);
            for (var i = 0; i < 10; i++)
            {
                Put(spool, "another\n");
            }
            var length = new FileInfo(Segment()).Length;
            Assert.InRange(length, fill, fill + 4096);
            Put(spool, "second\n");
            Assert.Equal(CommitResult.Durable, spool.Commit(true));
            Assert.Equal(length, new FileInfo(Segment()).Length);

            // As after a crash: the zeros are no damage and nothing torn.
            Assert.Empty(SpoolVerify.Run(_root, _disk).Findings);
            var copy = _root + "-copy";
            Directory.CreateDirectory(copy + "/journal");
            foreach (var file in Directory.GetFiles(_root + "/journal"))
            {
                File.Copy(file, $"{copy}/journal/{Path.GetFileName(file)}");
            }
            using (var after = Spool.Open(new SpoolOptions { Directory = copy, ReserveBytes = 0 }, _disk, new TestTime(), _events))
            {
                Assert.Equal("first\n", Content(after, id));
                Assert.Equal(12, after.Count(QueueState.Incoming));
            }
            Assert.Equal(0, _events.Torns);
            Assert.Empty(_events.Damages);
            Put(spool, new string('x', fill) + "\n");
            Assert.Equal(CommitResult.Durable, spool.Commit(true));
            written = new FileInfo(Segment()).Length;
            Assert.InRange(written, fill, (2 * fill) + 4096);
        }
        Assert.Equal(written, new FileInfo(Segment()).Length);
        using (var spool = Spool.Open(new SpoolOptions { Directory = _root, ReserveBytes = 0, FillBytes = fill }, _disk, new TestTime(), _events))
        {
            Put(spool, "fourth\n");
            Assert.Equal(CommitResult.Durable, spool.Commit(true));
        }
        Assert.InRange(new FileInfo(Segment()).Length, 64, 4096);
    }

    [Fact]
    public void Long_messages_are_written_aside_and_are_there_when_they_are_settled()
    {
        using var bell = new AutoResetEvent(false);
        var bodies = new Dictionary<ulong, string>();
        using (var spool = Open())
        {
            spool.WriteAside(() => bell.Set());
            Assert.True(spool.TryTakeIds(20, out var first));
            var envelope = new Envelope { Sender = "s@example.com", ContentSize = 1, Recipients = [new EnvelopeRecipient("r@example.net")] };
            for (var id = first; id < first + 20; id++)
            {
                var body = string.Concat(Enumerable.Range(0, 20_000).Select(i => $"{id} line {i}\n"));
                Assert.True(Enumerable.Range(0, (body.Length / 50_000) + 1).All(i => spool.Content(id, Encoding.Latin1.GetBytes(body[(i * 50_000)..Math.Min(body.Length, (i + 1) * 50_000)]))));
                bodies.Add(id, body);
            }
            spool.Abort(first);
            bodies.Remove(first);
            var open = bodies.Keys.ToList();
            while (open.RemoveAll(id => spool.Settle(id) && spool.End(id, envelope)) is var ended && open.Count > 0)
            {
                Assert.True(ended > 0 || bell.WaitOne(TimeSpan.FromSeconds(20)));
            }
            Assert.Equal(CommitResult.Durable, spool.Commit(true));

            // One that is not asked for ends too, and one whose file can't be made does not.
            Assert.True(spool.TryTakeIds(600, out first));
            var waited = Put(spool, bodies.Values.First());
            bodies.Add(waited, bodies.Values.First());
            Directory.Move(_root + "/large", _root + "/elsewhere");
            var lost = first + 300;
            _ = spool.Content(lost, new byte[60_000]) && Enumerable.Range(0, 10).All(_ => spool.Content(lost, new byte[60_000]));
            Assert.False(spool.End(lost, envelope));
            Assert.False(spool.RefusedForSpace);
            Directory.Move(_root + "/elsewhere", _root + "/large");
            spool.Delete(waited);
            bodies.Remove(waited);
            Assert.Equal(CommitResult.Durable, spool.Commit(true));
        }
        using (var spool = Open())
        {
            Assert.Equal(bodies.Count, spool.Count(QueueState.Incoming));
            Assert.All(bodies, body => Assert.Equal(body.Value, Content(spool, body.Key)));
            Assert.Equal(bodies.Count, LargeFiles().Length);
        }
        Assert.Empty(_events.Damages);
    }

    [Fact]
    public void A_disk_that_does_not_take_a_long_message_holds_up_who_asks_for_more_and_not_the_engine()
    {
        var sim = new SimDisk();
        using var disk = new ManualResetEventSlim();
        using var bell = new AutoResetEvent(false);
        using var spool = Spool.Open(Workload.Options with { LargeBytes = 1500 }, sim, new TestTime(), _events);
        Assert.True(spool.TryTakeIds(1, out var id));
        sim.Fault = (call, path) => call == "write" && path.Contains("/large/", StringComparison.Ordinal) && !disk.Wait(TimeSpan.FromSeconds(20)) ? Libc.EIO : 0;
        spool.WriteAside(() => bell.Set());
        Assert.False(spool.IsBehind);
        for (var i = 0; i < 12; i++)
        {
            Assert.True(spool.Content(id, new byte[ContentLayout.PieceLimit]));
        }
        Assert.True(spool.IsBehind);
        disk.Set();
        while (spool.IsBehind)
        {
            Assert.True(bell.WaitOne(TimeSpan.FromSeconds(20)));
        }
        while (!spool.Settle(id))
        {
            Assert.True(bell.WaitOne(TimeSpan.FromSeconds(20)));
        }
        Assert.True(spool.End(id, new Envelope { Recipients = [new EnvelopeRecipient("a@b")] }));
        Assert.Equal(CommitResult.Durable, spool.Commit(true));
    }

    [Fact]
    public void Files_of_deleted_messages_are_written_over_and_given_back()
    {
        var time = new TestTime();
        var buffer = new byte[ContentLayout.BufferLength];
        var spares = _root + "/large/spare";
        using (var spool = Spool.Open(new SpoolOptions { Directory = _root, ReserveBytes = 0 }, _disk, time, _events))
        {
            var old = Put(spool, string.Concat(Enumerable.Repeat("what the first one said\n", 40_000)));
            var layout = spool.Read(old)!.Layout;
            using var reader = spool.OpenReader();
            Assert.Equal(ContentRead.Data, reader.Read(old, layout, layout.Extents.Count - 1, 0, buffer, out _));
            spool.Delete(old);
            Assert.Equal(CommitResult.Durable, spool.Commit(true));
            Assert.Empty(LargeFiles());
            var inode = Inode(Directory.GetFiles(spares).Single());

            var body = string.Concat(Enumerable.Repeat("and the second\n", 30_000));
            var id = Put(spool, body);
            Assert.Empty(Directory.GetFiles(spares));
            Assert.Equal(inode, Inode(LargeFiles().Single()));
            // Nothing of the longer one is left behind it.
            Assert.InRange(new FileInfo(LargeFiles().Single()).Length, 1, body.Length);
            Assert.Equal(body, Content(spool, id));
            Assert.Empty(SpoolVerify.Run(_root, _disk).Findings);
            // Who still had the first one open is told that it is gone, not that it is damaged.
            Assert.Equal(ContentRead.Moved, reader.Read(old, layout, layout.Extents.Count - 1, ContentLayout.PieceLimit, buffer, out _));

            spool.Delete(id);
            Assert.Equal(CommitResult.Durable, spool.Commit(true));
            time.Seconds += 59;
            spool.Maintain();
            Assert.Single(Directory.GetFiles(spares));
            time.Seconds += 2;
            spool.Maintain();
            Assert.Empty(Directory.GetFiles(spares));

            // No more than 16, and none that is very long.
            var many = Enumerable.Range(0, 17).Select(_ => Put(spool, body)).Append(Put(spool, string.Concat(Enumerable.Repeat(body, 5)))).ToList();
            many.ForEach(spool.Delete);
            Assert.Equal(CommitResult.Durable, spool.Commit(true));
            Assert.Equal(16, Directory.GetFiles(spares).Length);
            Assert.Empty(LargeFiles());
        }
        Assert.Empty(Directory.GetFiles(spares));
        // Left by a crash.
        File.WriteAllText(spares + "/00065bfeda25e001", "old");
        Open().Dispose();
        Assert.Empty(Directory.GetFiles(spares));
        Assert.Empty(_events.Damages);
    }

    [Fact]
    public void Numbers_of_short_queue_ids_begin_with_seven_digits_and_go_on()
    {
        ulong first, next;
        using (var spool = Spool.Open(new SpoolOptions { Directory = _root, ReserveBytes = 0, TimedIds = false }, _disk, new TestTime(), _events))
        {
            Assert.True(spool.TryTakeIds(1, out first));
        }
        using (var spool = Spool.Open(new SpoolOptions { Directory = _root, ReserveBytes = 0, TimedIds = false }, _disk, new TestTime(), _events))
        {
            Assert.True(spool.TryTakeIds(1, out next));
        }
        Assert.InRange(first, 0x1000000ul, 0x7FFFFFFul);
        Assert.InRange(next, first + 1, 0xFFFFFFFul);
    }

    [Fact]
    public void A_scan_meets_each_message_once_whatever_moves_meanwhile()
    {
        using var spool = Open();
        var ids = Enumerable.Range(0, 50).Select(i => Put(spool, "x\n", QueueState.Deferred, due: 1000 + i)).ToList();
        spool.Claim(ids[7]);
        spool.Delete(ids[8]);
        Assert.Equal(CommitResult.Durable, spool.Commit(true));
        var seen = new List<ulong>();
        var entries = new SpoolEntry[4];
        var place = 0;
        for (var more = true; more;)
        {
            more = spool.Scan(ref place, entries, out var n);
            foreach (var entry in entries.AsSpan(0, n))
            {
                seen.Add(entry.Id);
                spool.Move(entry.Id, QueueState.Deferred, 5000 + place);
            }
            spool.Commit(true);
        }
        Assert.Equal(ids.Where(id => id != ids[7] && id != ids[8]), seen.Order());
        spool.Move(ids[7], QueueState.Hold, 0);
        spool.Commit(true);
        place = 0;
        Assert.False(spool.Scan(ref place, new SpoolEntry[100], out var all));
        Assert.Equal(49, all);
    }

    [Fact]
    public void Outcomes_that_are_more_than_a_record_holds_are_all_there_after_cleaning_and_a_restart()
    {
        const int recipients = 40;
        var options = new SpoolOptions { Directory = _root, ReserveBytes = 0, SegmentBytes = 4 << 20, CheckpointBytes = 1 << 20, YoungSegments = 2 };
        ulong id;
        using (var spool = Spool.Open(options, _disk, new TestTime(), _events))
        {
            Assert.True(spool.TryTakeIds(1, out id));
            Assert.True(spool.Content(id, "kept\n"u8));
            var to = Enumerable.Range(0, recipients).Select(i => new EnvelopeRecipient($"r{i}@example.net")).ToList();
            Assert.True(spool.End(id, new Envelope { Sender = "s@example.com", ContentSize = 5, Recipients = to }, QueueState.Deferred, 9));
            for (var i = 0; i < recipients; i++)
            {
                spool.Outcome(id, new SpoolOutcome(i, i % 2 == 0, i % 3 == 0, Detail(i)));
                Assert.Equal(CommitResult.Durable, spool.Commit(true));
            }
            for (var i = 0; i < 10_000 && spool.Read(id)!.Layout.Extents[0].Segment < recipients / 4; i++)
            {
                spool.Maintain();
                spool.Delete(Put(spool, new string('x', 50_000) + "\n"));
                Assert.Equal(CommitResult.Durable, spool.Commit(true));
            }
            Check(spool);
        }
        using (var spool = Spool.Open(options, _disk, new TestTime(), _events))
        {
            Check(spool);
        }
        Assert.Empty(SpoolVerify.Run(_root, _disk).Findings);
        Assert.Empty(_events.Damages);

        // Together more than Record.PayloadLimit.
        static byte[] Detail(int i) => [.. Enumerable.Repeat((byte)('a' + (i % 26)), (1 << 20) - 10 - i)];
        void Check(ISpool spool)
        {
            var outcomes = spool.Read(id)!.Outcomes;
            Assert.Equal(Enumerable.Range(0, recipients), outcomes.Select(o => o.Recipient));
            Assert.All(outcomes, o => Assert.Equal((o.Recipient % 2 == 0, o.Recipient % 3 == 0), (o.Done, o.Unreported)));
            Assert.All(outcomes, o => Assert.True(o.Detail.Span.SequenceEqual(Detail(o.Recipient))));
        }
    }

    [Theory]
    [InlineData("", Libc.NFS_SUPER_MAGIC, "the directory is on NFS: the queue must be in a file system of this machine")]
    [InlineData("/journal", Libc.NFS_SUPER_MAGIC, "the directory is on NFS: the queue must be in a file system of this machine")]
    [InlineData("/corrupt", -Libc.EACCES, "statfs: Permission denied")]
    public void A_queue_on_NFS_is_refused_by_name_and_left_as_it_is(string at, long type, string why)
    {
        var options = new SpoolOptions { Directory = _root, ReserveBytes = 0, FileSystem = path => path == _root + at ? type : 0xEF53 };
        var refused = Assert.Throws<SpoolException>(() => Spool.Open(options, _disk, new TestTime(), _events));
        Assert.Equal($"{_root}{at}: {why}", refused.Message);
        Assert.Empty(Directory.GetFiles(_root, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public void A_queue_on_NFS_is_opened_when_that_is_allowed()
    {
        var options = new SpoolOptions { Directory = _root, ReserveBytes = 0, FileSystem = path => path == _root + "/large" ? Libc.NFS_SUPER_MAGIC : 0xEF53, AllowNfs = true };
        using var spool = Spool.Open(options, _disk, new TestTime(), _events);
        Assert.Equal(_root + "/large", Spool.OnNfs(options));
    }

    private static ulong Inode(string path) => UnixFile.Status(path, false, out var stat) == 0 ? stat.Inode : 0;

    private string[] LargeFiles() => [.. Directory.GetFiles(_root + "/large", "*", SearchOption.AllDirectories).Where(f => !f.Contains("/spare/", StringComparison.Ordinal))];

    private ISpool Open() => Spool.Open(new SpoolOptions { Directory = _root, ReserveBytes = 1 << 20 }, _disk, new TestTime(), _events);

    private static ulong Put(ISpool spool, string text, QueueState state = QueueState.Incoming, long due = 0)
    {
        Assert.True(spool.TryTakeIds(1, out var id));
        var bytes = Encoding.Latin1.GetBytes(text);
        for (var at = 0; at < bytes.Length; at += 60_000)
        {
            Assert.True(spool.Content(id, bytes.AsSpan(at, Math.Min(60_000, bytes.Length - at))));
        }
        Assert.True(spool.End(id, new Envelope { Sender = "s@example.com", ContentSize = bytes.Length, Recipients = [new EnvelopeRecipient("r@example.net")] }, state, due));
        Assert.Equal(CommitResult.Durable, spool.Commit(true));
        return id;
    }

    private static string Content(ISpool spool, ulong id)
    {
        using var reader = spool.OpenReader();
        var layout = spool.Read(id)!.Layout;
        var buffer = new byte[ContentLayout.BufferLength];
        var text = new StringBuilder();
        for (var i = 0; i < layout.Extents.Count; i++)
        {
            for (long at = 0; at < layout.Extents[i].Length;)
            {
                Assert.Equal(ContentRead.Data, reader.Read(id, layout, i, at, buffer, out var content));
                text.Append(Encoding.Latin1.GetString(content.Span));
                at += content.Length;
            }
        }
        return text.ToString();
    }
}
