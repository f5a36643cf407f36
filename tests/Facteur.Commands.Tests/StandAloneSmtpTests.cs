using System.Net.Sockets;
using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool.Maildrop;

namespace Facteur.Commands.Tests;

/// <summary>What the SMTP session of sendmail -bs hands over, and what of it is in maildrop.</summary>
public sealed class StandAloneSmtpTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-sendmail-").FullName;

    public StandAloneSmtpTests()
    {
        Directory.CreateDirectory(Path.Combine(_directory, "maildrop"));
        Main("");
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_message_lies_in_maildrop_with_all_that_SMTP_said()
    {
        var (exit, error) = Serve(async cleanup =>
        {
            var envelope = new Envelope
            {
                Sender = "\"a b\"@s.example",
                EnvelopeId = "env+1",
                Return = DsnReturn.Headers,
                Body = BodyType.EightBitMime,
                Flags = MessageFlags.SmtpUtf8,
            };
            await using var message = await cleanup.OpenAsync(envelope, default);
            await message!.WriteAsync("Subject: x\n\nbo"u8.ToArray(), default);
            await message.WriteAsync("dy\n.\n\n"u8.ToArray(), default);
            message.AddRecipient(new EnvelopeRecipient("bob", "bob", "rfc822;b+b", DsnNotify.Success | DsnNotify.Delay));
            message.AddRecipient(new EnvelopeRecipient("al@x.example"));
            Assert.Empty(Complete());
            Assert.Equal(new CleanupResult(CleanupStatus.Ok), await message.CompleteAsync(default));
            Assert.Single(Complete());
            Assert.Matches("^[0-9A-F]{6,}$", message.QueueId);
        });
        Assert.Equal((0, ""), (exit, error));
        Assert.Equal(
            "A envelope_id=env+1|A ret_flags=2|A rewrite_context=local|S a b@s.example|A encoding=8bit|A smtputf8=1|M "
            + "|N Subject: x|N |N body|N .|N |X |A notify_flags=10|A dsn_orig_rcpt=rfc822;b+b|R bob|R al@x.example|E ", Records(Assert.Single(Complete())));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(2048)]
    [InlineData(100_000)]
    public void Content_is_kept_byte_for_byte_wherever_it_is_cut(int piece)
    {
        var random = new Random(piece);
        var content = new byte[50_001];
        random.NextBytes(content);
        // Lines of the record limit and one more or less, and long ones: 50000 random bytes have an LF each 256 or so.
        content.AsSpan(0, 20_000).Replace((byte)'\n', (byte)'x');
        foreach (var end in (int[])[2047, 4096, 6146, 10_000])
        {
            content[end] = (byte)'\n';
        }
        content[^1] = (byte)'\n';
        Assert.Equal(0, Serve(async cleanup =>
        {
            await using var message = await cleanup.OpenAsync(new Envelope { Sender = "a" }, default);
            for (var at = 0; at < content.Length; at += piece)
            {
                await message!.WriteAsync(content.AsMemory(at, Math.Min(piece, content.Length - at)), default);
            }
            message!.AddRecipient(new EnvelopeRecipient("bob"));
            Assert.Equal(CleanupStatus.Ok, (await message.CompleteAsync(default)).Status);
        }).Exit);
        Assert.Equal(content, Content(Assert.Single(Complete())));
    }

    [Fact]
    public void Each_message_of_a_session_is_a_file_and_one_without_end_is_none()
    {
        Assert.Equal(0, Serve(async cleanup =>
        {
            var names = new HashSet<string>();
            for (var i = 0; i < 3; i++)
            {
                await using var message = await cleanup.OpenAsync(new Envelope { Sender = "a" }, default);
                await message!.WriteAsync("x\n"u8.ToArray(), default);
                message.AddRecipient(new EnvelopeRecipient("bob"));
                names.Add(message.QueueId);
                if (i < 2)
                {
                    Assert.Equal(CleanupStatus.Ok, (await message.CompleteAsync(default)).Status);
                }
            }
            Assert.Equal(3, names.Count);
        }).Exit);
        Assert.Equal(2, Complete().Length);
        Assert.Equal(2, Directory.GetFileSystemEntries(Path.Combine(_directory, "maildrop")).Length);
    }

    [Theory]
    [InlineData("bob", 5000, CleanupStatus.TooLarge, null, "sendmail: warning: message file too big\n")]
    [InlineData("b\0b", 10, CleanupStatus.Rejected, "control character in text", "sendmail: warning: control character in text\n")]
    public void What_maildrop_does_not_take_is_refused_for_good(string recipient, int size, CleanupStatus status, string? text, string warning)
    {
        Main("message_size_limit = 1000\n");
        var (_, error) = Serve(async cleanup =>
        {
            await using var message = await cleanup.OpenAsync(new Envelope { Sender = "a" }, default);
            await message!.WriteAsync(Encoding.UTF8.GetBytes(new string('x', size) + "\n"), default);
            message.AddRecipient(new EnvelopeRecipient(recipient));
            Assert.Equal(new CleanupResult(status, text), await message.CompleteAsync(default));
        });
        Assert.Equal(warning, error);
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(_directory, "maildrop")));
    }

    [Fact]
    public void Without_a_way_into_maildrop_the_program_keeps_its_mail()
    {
        Directory.Delete(Path.Combine(_directory, "maildrop"));
        var (exit, error) = Serve(async cleanup =>
        {
            await using var message = await cleanup.OpenAsync(new Envelope { Sender = "a" }, default);
            await message!.WriteAsync("x\n"u8.ToArray(), default);
            message.AddRecipient(new EnvelopeRecipient("bob"));
            Assert.Equal(new CleanupResult(CleanupStatus.WriteError), await message.CompleteAsync(default));
        });
        Assert.Equal(0, exit);
        Assert.Matches("^sendmail: warning: connect to [^\n]+/submit: [^\n]+\n$", error);
    }

    [Theory]
    [InlineData("OK 12345ABCDE", CleanupStatus.Ok, null)]
    [InlineData("REFUSED message file too big", CleanupStatus.TooLarge, null)]
    [InlineData("REFUSED address too long", CleanupStatus.Rejected, "address too long")]
    [InlineData("RETRY queue file write error", CleanupStatus.WriteError, null)]
    [InlineData("", CleanupStatus.WriteError, null)]
    public void The_submission_service_says_whether_trying_again_helps(string answer, CleanupStatus status, string? text)
    {
        Directory.Delete(Path.Combine(_directory, "maildrop"));
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(_directory, "submit")));
        listener.Listen();
        var (exit, _) = Serve(async cleanup =>
        {
            await using var message = await cleanup.OpenAsync(new Envelope { Sender = "a" }, default);
            message!.AddRecipient(new EnvelopeRecipient("al"));
            Assert.False(listener.Poll(TimeSpan.Zero, SelectMode.SelectRead));
            await message.WriteAsync("x\n"u8.ToArray(), default);
            using var service = await listener.AcceptAsync();
            message.AddRecipient(new EnvelopeRecipient("bob"));
            service.Send(Encoding.UTF8.GetBytes(answer + "\n"));
            Assert.Equal(new CleanupResult(status, text), await message.CompleteAsync(default));
        });
        Assert.Equal(0, exit);
    }

    [Fact]
    public void A_bad_configuration_is_an_error_before_the_first_reply()
    {
        Main("compatibility_level = old\n");
        Assert.Equal((75, "sendmail: fatal: bad compatibility level in compatibility_level=old: expected major[.minor[.patch]]\n"), Serve(_ => throw new InvalidOperationException("served")));
    }

    private void Main(string more) => File.WriteAllText(
        Path.Combine(_directory, "main.cf"), $"compatibility_level = 3.11\nmyhostname = mx.dest.example\nqueue_directory = {_directory}\n{more}");

    private (int Exit, string Error) Serve(Func<ICleanup, Task> session)
    {
        var error = new StringWriter { NewLine = "\n" };
        var context = new CommandContext(
            "sendmail", ["-bs"], Stream.Null, TextWriter.Null, error, TimeProvider.System, new Dictionary<string, string> { ["MAIL_CONFIG"] = _directory });
        var exit = Sendmail.Run(context, _ => throw new InvalidOperationException("another command"), (_, _, cleanup) =>
        {
            session(cleanup).GetAwaiter().GetResult();
            return 0;
        });
        return (exit, error.ToString());
    }

    private string[] Complete() => [.. Directory.GetFiles(Path.Combine(_directory, "maildrop")).Where(file => !Path.GetFileName(file).Contains('.'))];

    private static string Records(string file)
    {
        ReadOnlySpan<byte> bytes = File.ReadAllBytes(file);
        var text = new StringBuilder();
        while (MaildropRecord.TryTake(ref bytes, out var record, out _))
        {
            var data = Encoding.UTF8.GetString(record.Data);
            if (record.Type != MaildropRecordType.Time && !data.StartsWith("submit_uid=", StringComparison.Ordinal))
            {
                text.Append(text.Length > 0 ? "|" : "").Append((char)record.Type).Append(' ').Append(data);
            }
        }
        return text.ToString();
    }

    private static byte[] Content(string file)
    {
        ReadOnlySpan<byte> bytes = File.ReadAllBytes(file);
        var content = new List<byte>();
        while (MaildropRecord.TryTake(ref bytes, out var record, out _))
        {
            if (record.Type is MaildropRecordType.Line or MaildropRecordType.LinePart)
            {
                content.AddRange(record.Data);
                if (record.Type == MaildropRecordType.Line)
                {
                    content.Add((byte)'\n');
                }
            }
        }
        return [.. content];
    }
}
