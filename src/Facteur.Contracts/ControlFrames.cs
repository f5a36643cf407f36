using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;

namespace Facteur.Contracts;

/// <summary>Frames of the control arrow on a pipe: a little-endian length of 32 bits, then so many bytes.</summary>
public static class ControlFrames
{
    /// <summary>Reads the next frame.</summary>
    /// <param name="input">The connection.</param>
    /// <param name="limit">Longest frame accepted.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <returns>The frame, or null when the peer ended, sent half a frame, or one too long or empty.</returns>
    public static async ValueTask<byte[]?> ReadAsync(PipeReader input, int limit, CancellationToken cancel)
    {
        while (true)
        {
            ReadResult result;
            try
            {
                result = await input.ReadAsync(cancel).ConfigureAwait(false);
            }
            catch (IOException)
            {
                return null;
            }
            var buffer = result.Buffer;
            if (TryLength(buffer, out var length))
            {
                if (length == 0 || length > limit)
                {
                    input.AdvanceTo(buffer.Start);
                    return null;
                }
                if (buffer.Length >= 4 + length)
                {
                    var frame = buffer.Slice(4, length);
                    var bytes = frame.ToArray();
                    input.AdvanceTo(frame.End);
                    return bytes;
                }
            }
            input.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted || result.IsCanceled)
            {
                return null;
            }
        }
    }

    /// <summary>Writes one frame; it leaves with the next flush.</summary>
    public static void Write(PipeWriter output, ReadOnlySpan<byte> frame)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(output.GetSpan(4), (uint)frame.Length);
        output.Advance(4);
        output.Write(frame);
    }

    private static bool TryLength(in ReadOnlySequence<byte> buffer, out long length)
    {
        length = 0;
        if (buffer.Length < 4)
        {
            return false;
        }
        Span<byte> bytes = stackalloc byte[4];
        buffer.Slice(0, 4).CopyTo(bytes);
        length = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        return true;
    }
}
