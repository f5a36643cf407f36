using System.Buffers;
using System.Globalization;
using System.Text;
using Facteur.Mail.Dsn;

namespace Facteur.Spool.PostfixQueue;

/// <summary>
/// The files in defer/, bounce/ and trace/: what became of each recipient since the last report, as lines "name=value" with an empty line behind each
/// recipient. A recipient is named by the place of its record in the queue file.
/// </summary>
/// <param name="recipient">Takes each recipient's place and status.</param>
public sealed class DeliveryLogFile(Action<long, DeliveryStatus> recipient)
{
    private const int LineLimit = 8 << 10;

    private readonly ArrayBufferWriter<byte> _line = new(256);
    private readonly Dictionary<string, string> _fields = new(StringComparer.Ordinal);

    /// <summary>Takes bytes of the file, cut anywhere.</summary>
    public void Take(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var end = bytes.IndexOf((byte)'\n');
            var part = end < 0 ? bytes : bytes[..end];
            _line.Write(part[..Math.Min(part.Length, Math.Max(0, LineLimit - _line.WrittenCount))]);
            if (end < 0)
            {
                return;
            }
            Line(_line.WrittenSpan);
            _line.ResetWrittenCount();
            bytes = bytes[(end + 1)..];
        }
    }

    /// <summary>The file is over.</summary>
    public void End()
    {
        Line(_line.WrittenSpan);
        Line([]);
        _line.ResetWrittenCount();
    }

    /// <summary>One recipient's lines.</summary>
    /// <param name="place">Where its record is in the queue file.</param>
    /// <param name="to">The recipient.</param>
    /// <param name="status">What became of it.</param>
    /// <param name="into">Where to.</param>
    public static void Write(long place, Mail.Envelopes.EnvelopeRecipient to, DeliveryStatus status, IBufferWriter<byte> into)
    {
        var action = status.Action != DsnAction.None ? status.Action
            : status.Outcome switch { DeliveryOutcome.Bounced => DsnAction.Failed, DeliveryOutcome.Deferred => DsnAction.Delayed, _ => DsnAction.Delivered };
        // Postfix: the first line is the form of old releases, which readers of today pass over.
        Line($"<{to.Address}>: {status.Reason}");
        Field("recipient", to.Address);
        Field("offset", place.ToString(CultureInfo.InvariantCulture));
        Field("original_recipient", to.OriginalAddress == to.Address ? null : to.OriginalAddress);
        Field("dsn_orig_rcpt", to.DsnOriginalRecipient);
        Field("notify_flags", to.Notify == DsnNotify.None ? null : ((int)to.Notify).ToString(CultureInfo.InvariantCulture));
        Field("status", status.Status.ToString());
        Field("action", Word(action));
        Field("diag_type", status.DiagnosticType);
        Field("diag_text", status.DiagnosticText);
        Field("mta_type", status.RemoteMtaType);
        Field("mta_mname", status.RemoteMta);
        Field("reason", status.Reason);
        Line("");

        void Field(string name, string? value)
        {
            if (!string.IsNullOrEmpty(value))
            {
                Line($"{name}={value}");
            }
        }

        void Line(string text)
        {
            Encoding.UTF8.GetBytes(Printable(text), into);
            into.Write("\n"u8);
        }
    }

    private void Line(ReadOnlySpan<byte> line)
    {
        if (line.IsEmpty)
        {
            Entry();
            _fields.Clear();
            return;
        }
        var equals = line.IndexOf((byte)'=');
        // Postfix: names are letters; a line that begins otherwise is of the old form, without a place.
        if (equals <= 0 || !char.IsAsciiLetter((char)line[0]) || _fields.Count >= 32)
        {
            return;
        }
        _fields[Encoding.Latin1.GetString(line[..equals]).Trim()] = Printable(Encoding.UTF8.GetString(line[(equals + 1)..]).Trim());
    }

    private void Entry()
    {
        if (!long.TryParse(_fields.GetValueOrDefault("offset"), NumberStyles.None, CultureInfo.InvariantCulture, out var place)
            || !EnhancedStatus.TryParse(_fields.GetValueOrDefault("status"), out var code))
        {
            return;
        }
        var action = _fields.GetValueOrDefault("action") switch
        {
            "failed" => DsnAction.Failed,
            "delivered" => DsnAction.Delivered,
            "relayed" => DsnAction.Relayed,
            "expanded" => DsnAction.Expanded,
            _ => DsnAction.Delayed,
        };
        var outcome = action switch { DsnAction.Failed => DeliveryOutcome.Bounced, DsnAction.Delayed => DeliveryOutcome.Deferred, _ => DeliveryOutcome.Sent };
        recipient(place, new DeliveryStatus(outcome, code, _fields.GetValueOrDefault("reason", "no reason was recorded"), action,
            _fields.GetValueOrDefault("diag_type"), _fields.GetValueOrDefault("diag_text"), _fields.GetValueOrDefault("mta_type"), _fields.GetValueOrDefault("mta_mname")));
    }

    private static string Word(DsnAction action) => action switch
    {
        DsnAction.Failed => "failed",
        DsnAction.Delivered => "delivered",
        DsnAction.Relayed => "relayed",
        DsnAction.Expanded => "expanded",
        _ => "delayed",
    };

    private static string Printable(string text) => text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? '?' : c)) : text;
}
