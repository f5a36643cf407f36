using System.Runtime.InteropServices;
using Facteur.Unix;

namespace Facteur.Services.Server;

/// <summary>
/// A log file, appended to with one write per batch; or standard output. Nothing here waits for a reader: a named pipe that nobody reads, or not fast enough,
/// loses lines, which are counted, and is opened again with every batch until somebody reads it.
/// </summary>
internal sealed class FileLogSink : ILogSink
{
    private const string StandardOutput = "/dev/stdout";

    /// <summary>ENXIO: a named pipe without a reader.</summary>
    private const int NoReader = 6;

    private readonly string _path;
    private readonly uint _mode;
    private int _descriptor;

    /// <summary>Opens the file.</summary>
    /// <exception cref="IOException">It can't be opened; the message names file and reason.</exception>
    internal FileLogSink(string path, uint mode)
    {
        _path = path;
        _mode = mode;
        _descriptor = Open();
        if (_descriptor < 0 && Marshal.GetLastPInvokeError() != NoReader)
        {
            throw new IOException($"open {path}: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    public unsafe int Write(ReadOnlySpan<byte> lines)
    {
        if (_descriptor < 0)
        {
            _descriptor = Open();
        }
        fixed (byte* start = lines)
        {
            var at = 0;
            while (at < lines.Length)
            {
                var written = Libc.write(_descriptor, start + at, lines.Length - at);
                if (written <= 0)
                {
                    if (Marshal.GetLastPInvokeError() == Libc.EINTR)
                    {
                        continue;
                    }
                    return lines[at..].Count((byte)'\n');
                }
                at += (int)written;
            }
        }
        return 0;
    }

    public void Reopen()
    {
        // The old file goes on when the new one can't be made.
        var fresh = Open();
        if (fresh >= 0)
        {
            Dispose();
            _descriptor = fresh;
        }
    }

    public void Dispose()
    {
        if (_descriptor > 2)
        {
            _ = Libc.close(_descriptor);
        }
    }

    // postlogd is given the file: only root may make one there.
    private int Open() => _path == StandardOutput ? 1
        : SealedFiles.DescriptorOf(_path) is >= 0 and var given ? Libc.fcntl(given, Libc.F_DUPFD_CLOEXEC, 3)
        : Libc.open(_path, Libc.O_WRONLY | Libc.O_APPEND | Libc.O_CREAT | Libc.O_NONBLOCK | Libc.O_CLOEXEC, _mode);
}
