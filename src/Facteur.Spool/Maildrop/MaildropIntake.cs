using System.Buffers;
using System.Globalization;
using System.Text;

namespace Facteur.Spool.Maildrop;

/// <summary>
/// Takes a message's records from a local user and writes them as a maildrop file. What the user may not say (the time, who submits) is
/// replaced; anything invalid ends it. The bytes may be cut anywhere.
/// </summary>
/// <param name="file">The file.</param>
/// <param name="submitter">The user to record, or null when the file's owner is the user.</param>
/// <param name="sizeLimit">message_size_limit; 0 for no limit.</param>
/// <param name="time">The clock.</param>
public sealed class MaildropIntake(MaildropFile file, uint? submitter, long sizeLimit, TimeProvider time)
{
    private readonly MaildropMessage _message = new();
    private readonly ArrayBufferWriter<byte> _held = new();
    private readonly ArrayBufferWriter<byte> _out = new();
    private bool _begun;
    private long _content;

    /// <summary>Says what is wrong with a sender, or null; null: users may say what they want (local_login_sender_maps).</summary>
    public Func<string, string?>? CheckSender { get; init; }

    /// <summary>The message is whole: <see cref="MaildropFile.Commit"/> may be called.</summary>
    public bool Ended => _message.Ended;

    /// <summary>Takes bytes.</summary>
    /// <returns>What is wrong with the message, or null.</returns>
    public string? Take(ReadOnlySpan<byte> bytes)
    {
        Begin();
        while (!bytes.IsEmpty)
        {
            var part = bytes[..Math.Min(bytes.Length, MaildropRecord.SizeLimit)];
            bytes = bytes[part.Length..];
            _held.Write(part);
            var rest = _held.WrittenSpan;
            if (Records(ref rest) is { } wrong)
            {
                return wrong;
            }
            var kept = rest.ToArray();
            _held.ResetWrittenCount();
            _held.Write(kept);
        }
        return null;
    }

    private string? Records(ref ReadOnlySpan<byte> input)
    {
        bool invalid;
        while (MaildropRecord.TryTake(ref input, out var record, out invalid))
        {
            if (IsReserved(record))
            {
                continue;
            }
            if (_message.Accept(record) is { } wrong)
            {
                return wrong;
            }
            if (record.Type == MaildropRecordType.Sender && CheckSender?.Invoke(_message.Sender) is { } mayNot)
            {
                return mayNot;
            }
            _content += _message.InContent ? record.Data.Length + 2 : 0;
            if (sizeLimit > 0 && _content > sizeLimit)
            {
                return "message file too big";
            }
            _out.Write(record.Raw);
        }
        // One write for all that came: a record is a line of mail.
        file.Write(_out.WrittenSpan);
        _out.ResetWrittenCount();
        return invalid ? "invalid record" : null;
    }

    private static bool IsReserved(in MaildropRecord record) => record.Type switch
    {
        MaildropRecordType.Time => true,
        MaildropRecordType.Attribute => record.Data.StartsWith("submit_uid="u8),
        _ => false,
    };

    private void Begin()
    {
        if (_begun)
        {
            return;
        }
        _begun = true;
        var head = new ArrayBufferWriter<byte>();
        var micros = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
        Write(head, MaildropRecordType.Time, string.Create(CultureInfo.InvariantCulture, $"{micros / 1_000_000,10} {micros % 1_000_000,6}"));
        if (submitter is { } uid)
        {
            Write(head, MaildropRecordType.Attribute, string.Create(CultureInfo.InvariantCulture, $"{MaildropMessage.SubmitUid}={uid}"));
        }
        file.Write(head.WrittenSpan);
    }

    private static void Write(ArrayBufferWriter<byte> into, MaildropRecordType type, string text) => MaildropRecord.Write(type, Encoding.UTF8.GetBytes(text), into);
}
