using System.Buffers;
using System.Buffers.Binary;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>Kinds of frames between the expander and a helper (docs/formats/local.md).</summary>
internal enum HelperFrame : byte
{
    /// <summary>→ Read a file.</summary>
    Read = 1,

    /// <summary>→ Deliver into a mailbox.</summary>
    Deliver = 2,

    /// <summary>→ Run a command.</summary>
    Run = 3,

    /// <summary>→ A piece of content.</summary>
    Content = 4,

    /// <summary>→ All content was sent, or it can't be: a <see cref="Spool.ContentRead"/>.</summary>
    ContentEnd = 5,

    /// <summary>← The end of Read.</summary>
    FileEnd = 6,

    /// <summary>← Content is wanted; a delivery that fails before never says so.</summary>
    Ready = 7,

    /// <summary>← The end of Deliver.</summary>
    MailboxEnd = 8,

    /// <summary>← The end of Run.</summary>
    CommandEnd = 9,

    /// <summary>← Instead of any answer: the helper is of another build than who started it. Of all builds the same.</summary>
    OtherBuild = 10,
}

/// <summary>Frames over a stream socket, with blocking calls: length u32, kind u8, fields. One owner at a time.</summary>
internal sealed class HelperLink(UnixFile socket) : IDisposable
{
    private const int HeaderLength = 5;
    private const int TogetherLimit = 64 << 10;
    private const int PayloadLimit = 3 * UserFile.Limit + (64 << 10);

    private readonly Output _output = new();
    private int _begun = -1;
    private byte[] _input = new byte[16 << 10];
    private int _start;
    private int _end;

    /// <summary>The socket's descriptor.</summary>
    public int Descriptor => socket.Descriptor;

    /// <summary>Bounds every wait for the other end.</summary>
    public unsafe void LimitWaits(TimeSpan limit)
    {
        const int receive = 20, send = 21;
        var value = stackalloc long[2];
        (value[0], value[1]) = ((long)limit.TotalSeconds + 1, 0);
        _ = Libc.setsockopt(socket.Descriptor, Libc.SOL_SOCKET, receive, (int*)value, 16);
        _ = Libc.setsockopt(socket.Descriptor, Libc.SOL_SOCKET, send, (int*)value, 16);
    }

    /// <summary>Starts a frame, behind those that were not sent yet; its fields go to the result.</summary>
    public FieldWriter Begin(HelperFrame kind)
    {
        Close();
        _begun = _output.Count;
        Span<byte> header = [0, 0, 0, 0, (byte)kind];
        _output.Write(header);
        return new FieldWriter(_output);
    }

    /// <summary>Sends the frames.</summary>
    /// <returns>Whether the other end is there.</returns>
    public bool End()
    {
        Close();
        var errno = socket.Write(_output.Bytes);
        _output.Clear();
        return errno == 0;
    }

    /// <summary>Sends content, or begins to.</summary>
    public bool Content(ReadOnlySpan<byte> piece)
    {
        Begin(HelperFrame.Content);
        _output.Write(piece);
        return _output.Count < TogetherLimit || End();
    }

    // The length is known when the frame is.
    private void Close()
    {
        if (_begun >= 0)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(_output.Bytes[_begun..], (uint)(_output.Count - _begun - HeaderLength));
            _begun = -1;
        }
    }

    /// <summary>Waits for a frame.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="payload">Its fields; valid until the next one is read.</param>
    /// <returns>False when the other end is gone, or sends what is no frame.</returns>
    public bool Next(out HelperFrame kind, out ReadOnlyMemory<byte> payload)
    {
        (kind, payload) = (default, default);
        if (!Fill(HeaderLength))
        {
            return false;
        }
        var length = BinaryPrimitives.ReadUInt32LittleEndian(_input.AsSpan(_start));
        kind = (HelperFrame)_input[_start + 4];
        if (length > PayloadLimit || !Fill(HeaderLength + (int)length))
        {
            return false;
        }
        payload = _input.AsMemory(_start + HeaderLength, (int)length);
        _start += HeaderLength + (int)length;
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();

    /// <summary>Reads until so many bytes are there, and what comes with them.</summary>
    private bool Fill(int length)
    {
        if (_end - _start >= length)
        {
            return true;
        }
        if (_start == _end || _input.Length - _start < length)
        {
            var larger = _input.Length < length ? new byte[length] : _input;
            _input.AsSpan(_start, _end - _start).CopyTo(larger);
            (_input, _start, _end) = (larger, 0, _end - _start);
        }
        while (_end - _start < length)
        {
            if (socket.Read(_input.AsSpan(_end), out var count) != 0 || count == 0)
            {
                return false;
            }
            _end += count;
        }
        return true;
    }
}

/// <summary>Bytes to be sent, of which those that were written can be changed still.</summary>
internal sealed class Output : IBufferWriter<byte>
{
    private byte[] _bytes = new byte[4096];

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>All of them.</summary>
    public Span<byte> Bytes => _bytes.AsSpan(0, Count);

    /// <summary>Begins anew.</summary>
    public void Clear() => Count = 0;

    /// <inheritdoc/>
    public void Advance(int count) => Count += count;

    /// <inheritdoc/>
    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        if (_bytes.Length - Count < Math.Max(sizeHint, 1))
        {
            Array.Resize(ref _bytes, Math.Max(2 * _bytes.Length, Count + sizeHint));
        }
        return _bytes.AsMemory(Count);
    }

    /// <inheritdoc/>
    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;
}

/// <summary>The fields of the frames. Readers give null for what is no such frame.</summary>
internal static class HelperFields
{
    private const int TextLimit = 128 << 10;
    private const int ListLimit = 4096;

    public static void Write(MailboxJob job, long length, bool together, FieldWriter writer)
    {
        writer.Text(job.Path);
        writer.Text(job.Sender);
        writer.Text(job.OriginalTo);
        writer.Text(job.DeliveredTo);
        writer.Text(job.Host);
        writer.Int64(job.SizeLimit);
        writer.Byte(job.ErrorClass);
        writer.Byte((byte)((job.Locks.Fcntl ? 1 : 0) | (job.Locks.Flock ? 2 : 0) | (job.Locks.Dotlock ? 4 : 0) | (job.AnyFile ? 8 : 0) | (job.StrictOwner ? 16 : 0) | (together ? 32 : 0)));
        writer.Int64(job.Locks.StaleAfter.Ticks);
        writer.Int64(length);
    }

    public static (MailboxJob Job, long Length, bool Together)? ReadMailbox(ReadOnlySpan<byte> payload)
    {
        var reader = new FieldReader(payload);
        var (path, sender, originalTo, deliveredTo, host) = (reader.Text(TextLimit), reader.Text(TextLimit), reader.Text(TextLimit), reader.Text(TextLimit), reader.Text(TextLimit));
        var (limit, errorClass, bits) = (reader.Int64(), reader.Byte(), reader.Byte());
        var (stale, length) = (reader.Int64(), reader.Int64());
        if (!reader.Complete || !path.StartsWith('/') || path.Contains('\0') || length < 0)
        {
            return null;
        }
        var locks = new MailboxLocks((bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, 1, default, new TimeSpan(stale));
        return (new MailboxJob
        {
            Path = path,
            Sender = sender,
            OriginalTo = originalTo,
            DeliveredTo = deliveredTo,
            Host = host,
            SizeLimit = limit,
            ErrorClass = errorClass,
            Locks = locks,
            AnyFile = (bits & 8) != 0,
            StrictOwner = (bits & 16) != 0,
        }, length, (bits & 32) != 0);
    }

    public static void Write(CommandJob job, FieldWriter writer)
    {
        writer.Text(job.Command);
        Write(job.Arguments, writer);
        Write(job.Shell, writer);
        Write(job.Environment, writer);
        writer.Text(job.Directory);
        writer.Byte(job.NeedsDirectory ? (byte)1 : (byte)0);
        writer.Int64(job.TimeLimit.Ticks);
        writer.Int64(job.FileLimit);
        writer.Bytes(job.Head);
    }

    public static CommandJob? ReadCommand(ReadOnlySpan<byte> payload)
    {
        var reader = new FieldReader(payload);
        var command = reader.Text(TextLimit);
        var (arguments, shell, environment) = (Texts(ref reader), Texts(ref reader), Texts(ref reader));
        var (directory, needed, limit, fileLimit) = (reader.Text(TextLimit), reader.Byte(), reader.Int64(), reader.Int64());
        var head = reader.Bytes(TextLimit);
        return !reader.Complete || limit < 0 ? null : new CommandJob
        {
            Command = command,
            Arguments = arguments,
            Shell = shell,
            Environment = environment,
            Directory = directory,
            NeedsDirectory = needed != 0,
            TimeLimit = new TimeSpan(limit),
            FileLimit = fileLimit,
            Head = head.ToArray(),
        };
    }

    public static void Write(FileRead file, FieldWriter writer)
    {
        writer.UInt32((uint)file.Errno);
        writer.Byte(file.Found ? (byte)1 : (byte)0);
        writer.UInt32(file.Mode);
        writer.UInt32(file.Owner);
        writer.OptionalText(file.Text);
    }

    public static FileRead? ReadFile(ReadOnlySpan<byte> payload)
    {
        var reader = new FieldReader(payload);
        // Bytes that are not UTF-8 became U+FFFD, of three bytes, when the file was read.
        var file = new FileRead((int)reader.UInt32(), reader.Byte() != 0, reader.UInt32(), reader.UInt32(), reader.OptionalText(3 * UserFile.Limit));
        return reader.Complete ? file : null;
    }

    public static void Write(MailboxEnd end, FieldWriter writer)
    {
        writer.Byte((byte)((end.Result.Damaged ? 1 : 0) | (end.Result.Locked ? 2 : 0) | (end.Result.Failure is null ? 0 : 4)));
        if (end.Result.Failure is { } failure)
        {
            writer.Byte(failure.Status.Class);
            writer.UInt16(failure.Status.Subject);
            writer.UInt16(failure.Status.Detail);
            writer.Text(failure.Reason);
        }
        Write(end.Warnings, writer);
    }

    public static MailboxEnd? ReadMailboxEnd(ReadOnlySpan<byte> payload)
    {
        var reader = new FieldReader(payload);
        var bits = reader.Byte();
        DeliveryStatus? failure = null;
        if ((bits & 4) != 0)
        {
            var (code, subject, detail, reason) = (reader.Byte(), reader.UInt16(), reader.UInt16(), reader.Text(TextLimit));
            failure = code == 5 ? DeliveryStatus.Bounced(subject, detail, reason) : DeliveryStatus.Deferred(subject, detail, reason);
        }
        var warnings = Texts(ref reader);
        return reader.Complete ? new MailboxEnd(new MailboxResult(failure, (bits & 1) != 0, (bits & 2) != 0), warnings) : null;
    }

    public static void Write(CommandEnd end, FieldWriter writer)
    {
        writer.Byte((byte)end.Kind);
        writer.UInt32((uint)end.Number);
        writer.Text(end.Output);
    }

    public static CommandEnd? ReadCommandEnd(ReadOnlySpan<byte> payload)
    {
        var reader = new FieldReader(payload);
        var end = new CommandEnd((CommandEndKind)reader.Byte(), (int)reader.UInt32(), reader.Text(TextLimit));
        return reader.Complete && Enum.IsDefined(end.Kind) ? end : null;
    }

    private static void Write(IReadOnlyList<string> texts, FieldWriter writer)
    {
        writer.Length(texts.Count);
        foreach (var text in texts)
        {
            writer.Text(text);
        }
    }

    private static List<string> Texts(ref FieldReader reader)
    {
        var count = reader.Length(ListLimit);
        var texts = new List<string>();
        while (count-- > 0 && !reader.Failed)
        {
            texts.Add(reader.Text(TextLimit));
        }
        return texts;
    }
}
