using System.Buffers;
using System.Text;
using CsCheck;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool.Maildrop;
using Facteur.Unix;

namespace Facteur.Spool.Tests.Maildrop;

public sealed class MaildropTests : IDisposable
{
    /// <summary>Bytes that Postfix 3.7's postdrop wrote for: sendmail -t extra -oi.</summary>
    private const string FromPostfix =
        "541131373935333633353530203432313030384115726577726974655f636f6e746578743d6c6f63616c4604726f6f745304726f6f7452056578747261"
        + "52032d6f694d004e05546f3a20784e0b5375626a6563743a2068694e004e09626f6479206c696e6558005201784500";

    /// <summary>The beginning of one with -N success -V env1 -R hdrs -B 8BITMIME -F "Joe Full".</summary>
    private const string FromPostfixWithOptions =
        "541131373935333633353530203339333333354110656e76656c6f70655f69643d656e7631410b7265745f666c6167733d324115726577726974655f636f6e746578743d6c6f"
        + "63616c46084a6f652046756c6c53036a6f65410d656e636f64696e673d38626974410e6e6f746966795f666c6167733d325203626f62410e6e6f746966795f666c6167733d325202616c4d00";

    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-maildrop-").FullName;

    public MaildropTests() => Directory.CreateDirectory(Path.Combine(_directory, "maildrop"));

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void One_at_a_time_may_take_files_out()
    {
        var one = new MaildropDirectory(_directory).TryLock();
        Assert.NotNull(one);
        Assert.Null(new MaildropDirectory(_directory).TryLock());
        one.Dispose();
        using var another = new MaildropDirectory(_directory).TryLock();
        Assert.NotNull(another);
        Assert.Contains("maildrop", Assert.Throws<IOException>(() => new MaildropDirectory($"{_directory}/none").TryLock()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Reads_what_Postfix_writes()
    {
        var (message, content, wrong) = Read(Convert.FromHexString(FromPostfix));
        Assert.Null(wrong);
        Assert.True(message.Ended);
        Assert.Equal(("root", "root"), (message.Sender, message.FullName));
        Assert.Equal(["extra", "-oi", "x"], message.Recipients.Select(r => r.Address));
        Assert.Equal("To: x\nSubject: hi\n\nbody line\n", content);
    }

    [Fact]
    public void Reads_the_options_of_a_submission()
    {
        var (message, _, wrong) = Read(Convert.FromHexString(FromPostfixWithOptions));
        Assert.Null(wrong);
        Assert.Equal(("joe", "Joe Full", "env1", DsnReturn.Headers, BodyType.EightBitMime), (message.Sender, message.FullName, message.EnvelopeId, message.Return, message.Body));
        Assert.Equal([new EnvelopeRecipient("bob", "", "", DsnNotify.Success), new EnvelopeRecipient("al", "", "", DsnNotify.Success)], message.Recipients);
    }

    [Fact]
    public void A_full_name_beyond_all_measure_is_cut_and_still_fits_an_envelope()
    {
        var bytes = new ArrayBufferWriter<byte>();
        MaildropRecord.Write(MaildropRecordType.FullName, Encoding.UTF8.GetBytes(new string('\u20AC', 999) + "\U0001F600"), bytes);
        var (message, _, wrong) = Read(bytes.WrittenSpan.ToArray());
        Assert.Null(wrong);
        Assert.Equal(new string('\u20AC', 999), message.FullName);
        Assert.True(EnvelopeCodec.Fits(new Envelope { FullName = message.FullName }));
    }

    [Theory]
    [InlineData("M", "no sender")]
    [InlineData("S a|S b", "more than one sender")]
    [InlineData("S a|> redirect@x", "unexpected record type: 62")]
    [InlineData("S a|L smtp:[filter]", "unexpected record type: 76")]
    [InlineData("S a|M|p 123", "unexpected record type: 112")]
    [InlineData("S a|M|X|K", "unexpected record type: 75")]
    [InlineData("S a|A notify_flags=99", "bad value of notify_flags")]
    [InlineData("S a\nb", "control character in text")]
    [InlineData("S a|M|X|E|R x", "record behind the end")]
    public void Refuses_what_a_user_may_not_say(string records, string expected)
    {
        var bytes = new ArrayBufferWriter<byte>();
        foreach (var record in records.Split('|'))
        {
            MaildropRecord.Write((MaildropRecordType)record[0], Encoding.UTF8.GetBytes(record.Length > 2 ? record[2..] : ""), bytes);
        }
        Assert.Equal(expected, Read(bytes.WrittenSpan.ToArray()).Wrong);
    }

    [Fact]
    public void Addresses_lie_in_the_file_without_quotes()
    {
        var bytes = new ArrayBufferWriter<byte>();
        MaildropRecord.Write(MaildropRecordType.Sender, "john smith@x.example"u8, bytes);
        Assert.Equal("\"john smith\"@x.example", Read(bytes.WrittenSpan.ToArray()).Message.Sender);
    }

    [Fact]
    public void Any_bytes_are_read_without_an_exception_and_records_survive() =>
        Gen.Select(Gen.Byte.Array[0, 300], Gen.Int[1, 7]).Sample((bytes, _) =>
        {
            Read(bytes);
            if (bytes.Length > 0)
            {
                var written = new ArrayBufferWriter<byte>();
                MaildropRecord.Write((MaildropRecordType)bytes[0], bytes, written);
                var rest = written.WrittenSpan;
                Assert.True(MaildropRecord.TryTake(ref rest, out var record, out var invalid));
                Assert.False(invalid);
                Assert.True(rest.IsEmpty);
                Assert.True(record.Data.SequenceEqual(bytes));
            }
        });

    [Fact]
    public void An_endless_length_is_invalid_and_not_waited_for()
    {
        ReadOnlySpan<byte> input = [(byte)'S', 0xff, 0xff, 0xff, 0xff, 0xff];
        Assert.False(MaildropRecord.TryTake(ref input, out _, out var invalid));
        Assert.True(invalid);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1000)]
    public void An_intake_records_who_and_when_and_takes_the_rest_wherever_it_is_cut(int step)
    {
        var directory = new MaildropDirectory(_directory);
        Assert.Equal(0, directory.Create(TimeProvider.System, out var file));
        using (file)
        {
            var intake = new MaildropIntake(file!, 4711, 0, TimeProvider.System);
            var forged = new ArrayBufferWriter<byte>();
            MaildropRecord.Write(MaildropRecordType.Attribute, "submit_uid=0"u8, forged);
            byte[] bytes = [.. forged.WrittenSpan, .. Convert.FromHexString(FromPostfix)];
            for (var at = 0; at < bytes.Length; at += step)
            {
                Assert.Empty(directory.List(10));
                Assert.Null(intake.Take(bytes.AsSpan(at, Math.Min(step, bytes.Length - at))));
            }
            Assert.True(intake.Ended);
            Assert.Equal(0, file!.Commit());
            var entry = Assert.Single(directory.List(10));
            Assert.Equal(file.Name, entry.Name);
            Assert.Equal(0, UnixFile.Status(entry.Path, false, out var status));
            Assert.Equal(0x81E4u, status.Mode);
            var (message, content, wrong) = Read(File.ReadAllBytes(entry.Path));
            Assert.Null(wrong);
            Assert.Equal(4711u, message.Submitter);
            Assert.Equal("To: x\nSubject: hi\n\nbody line\n", content);
        }
        Assert.Single(Directory.GetFiles(directory.Path));
    }

    [Fact]
    public void A_file_that_pickup_took_before_its_name_was_synced_was_taken()
    {
        // As postdrop: who may add to the directory and not read it.
        Assert.Equal(0, Libc.chmod(_directory, 0x1ED));
        Assert.Equal(0, Libc.chmod(Path.Combine(_directory, "maildrop"), 0x1DB));
        var user = Libc.geteuid() == 0 ? 65534 : Libc.geteuid();
        var errno = -1;
        var thread = new Thread(() =>
        {
            if (Libc.geteuid() == 0)
            {
                _ = Libc.setfsuid(user);
            }
            Assert.Equal(0, new MaildropDirectory(_directory).Create(TimeProvider.System, out var file));
            using (file)
            {
                file!.Write("x"u8);
                file.Named = () => Assert.Equal(0, UnixPath.Rename(Path.Combine(_directory, "maildrop", file.Name), Path.Combine(_directory, "maildrop", file.Name + "-7")));
                errno = file.Commit();
            }
        });
        thread.Start();
        thread.Join();
        _ = Libc.chmod(Path.Combine(_directory, "maildrop"), 0x1FF);
        Assert.Equal(0, errno);
        Assert.EndsWith("-7", Assert.Single(Directory.GetFiles(Path.Combine(_directory, "maildrop"))), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_commit_nothing_stays_and_too_much_is_refused()
    {
        var directory = new MaildropDirectory(_directory);
        directory.Create(TimeProvider.System, out var file);
        using (file)
        {
            Assert.Equal("message file too big", new MaildropIntake(file!, null, 10, TimeProvider.System).Take(Convert.FromHexString(FromPostfix)));
        }
        Assert.Empty(Directory.GetFiles(directory.Path));
    }

    private static (MaildropMessage Message, string Content, string? Wrong) Read(byte[] bytes)
    {
        var message = new MaildropMessage();
        var content = new StringBuilder();
        ReadOnlySpan<byte> input = bytes;
        while (MaildropRecord.TryTake(ref input, out var record, out _))
        {
            if (message.Accept(record) is { } wrong)
            {
                return (message, content.ToString(), wrong);
            }
            if (record.Type is MaildropRecordType.Line or MaildropRecordType.LinePart)
            {
                content.Append(Encoding.UTF8.GetString(record.Data)).Append(record.Type == MaildropRecordType.Line ? "\n" : "");
            }
        }
        return (message, content.ToString(), null);
    }
}
