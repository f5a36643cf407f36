using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using Facteur.Spool;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>
/// Runs a command as the caller's user: the message on its standard input, its standard output and error collected, both at once, until it has
/// ended and nobody holds its output open, or the time is over. It is a session of its own and is killed whole.
/// </summary>
internal static unsafe class CommandRunner
{
    /// <summary>Bytes of output kept (Postfix's value); what comes after them is read and forgotten.</summary>
    public const int OutputLimit = 4096;

    // Commands of these characters need no shell (Postfix's set).
    private const string Plain = "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ \t";
    private const int ExitPoll = 20;

    /// <summary>Runs it.</summary>
    /// <param name="job">The command.</param>
    /// <param name="content">The content.</param>
    /// <param name="time">The clock.</param>
    /// <param name="lifeline">A descriptor at whose end the command is killed, or -1.</param>
    public static CommandEnd Run(CommandJob job, IContentSource content, TimeProvider time, int lifeline = -1)
    {
        var directory = job.Directory;
        // "name/." can be looked at when it can be entered.
        if (UnixFile.Status(directory + "/.", followLinks: true, out _) is not 0 and var denied)
        {
            if (job.NeedsDirectory)
            {
                return new CommandEnd(CommandEndKind.NotStarted, denied, "");
            }
            directory = "/";
        }
        int* pair = stackalloc int[2];
        if (Libc.pipe2(pair, Libc.O_CLOEXEC) < 0)
        {
            return NotStarted(job, "pipe", Marshal.GetLastPInvokeError());
        }
        using var childInput = UnixFile.Own(pair[0]);
        using var input = UnixFile.Own(pair[1]);
        if (Libc.pipe2(pair, Libc.O_CLOEXEC) < 0)
        {
            return NotStarted(job, "pipe", Marshal.GetLastPInvokeError());
        }
        using var output = UnixFile.Own(pair[0]);
        using var childOutput = UnixFile.Own(pair[1]);
        using var limit = FileLimit.Take(job.FileLimit);
        var errno = Start(job, directory, [childInput.Descriptor, childOutput.Descriptor, childOutput.Descriptor], out var pid, out var program);
        if (errno != 0)
        {
            return NotStarted(job, $"execvp {program}", errno);
        }
        _ = childInput.Close();
        _ = childOutput.Close();
        return new Running(pid, input, output, job, content, time, lifeline).Finish();
    }

    /// <summary>One line of printable text: line ends and tabs become blanks, other controls and what is no UTF-8 underscores (Postfix: the same).</summary>
    public static string Printable(ReadOnlySpan<byte> output)
    {
        // Postfix: a string, which NUL ends.
        var end = output.IndexOf((byte)0);
        output = end < 0 ? output : output[..end];
        var text = new StringBuilder(output.Length);
        while (Rune.DecodeFromUtf8(output, out var rune, out var length) is var read && length > 0)
        {
            _ = read != OperationStatus.Done ? text.Append('_', length) : text.Append(rune.Value is '\n' or '\t' ? " " : Rune.IsControl(rune) ? "_" : rune.ToString());
            output = output[length..];
        }
        return text.ToString();
    }

    // Postfix: the child says so on what is its command's standard error.
    private static CommandEnd NotStarted(CommandJob job, string what, int errno) => new(
        CommandEndKind.NotStarted, errno, $"{(job.Arguments.Count > 0 ? "pipe: fatal: pipe_command" : job.Shell.Count > 0 ? "local: fatal: pipe_command" : "local: fatal")}: {what}: {Errno.Text(errno)} ");

    private static int Start(CommandJob job, string directory, ReadOnlySpan<int> descriptors, out int pid, out string program)
    {
        if (job.Arguments.Count > 0)
        {
            program = job.Arguments[0];
            return Spawn(job, [.. job.Arguments], directory, descriptors, out pid);
        }
        if (job.Shell.Count > 0)
        {
            program = job.Shell[0];
            return Spawn(job, [.. job.Shell, job.Command], directory, descriptors, out pid);
        }
        var words = job.Command.AsSpan().ContainsAnyExcept(Plain) ? [] : job.Command.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (words.Length > 0)
        {
            program = words[0];
            var errno = Spawn(job, words, directory, descriptors, out pid);
            if (errno != Libc.ENOENT || program.Contains('/'))
            {
                return errno;
            }
            // It may be a word of the shell's.
        }
        program = "/bin/sh";
        return ChildProcess.Start(program, ["sh", "-c", job.Command], job.Environment, descriptors, out pid, directory);
    }

    /// <summary>As execvp(3): a name without "/" is looked for in PATH.</summary>
    private static int Spawn(CommandJob job, string[] words, string directory, ReadOnlySpan<int> descriptors, out int pid)
    {
        if (words[0].Contains('/'))
        {
            return Execute(job, words[0], words, directory, descriptors, out pid);
        }
        pid = -1;
        const string path = "PATH=";
        var places = job.Environment.FirstOrDefault(e => e.StartsWith(path, StringComparison.Ordinal))?[path.Length..] ?? "";
        var result = Libc.ENOENT;
        foreach (var place in places.Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            var errno = Execute(job, $"{place}/{words[0]}", words, directory, descriptors, out pid);
            if (errno is not (Libc.ENOENT or Libc.ENOTDIR or Libc.EACCES))
            {
                return errno;
            }
            result = errno == Libc.EACCES ? errno : result;
        }
        return result;
    }

    private static int Execute(CommandJob job, string program, string[] words, string directory, ReadOnlySpan<int> descriptors, out int pid)
    {
        const int noFormat = 8;
        var errno = ChildProcess.Start(program, words, job.Environment, descriptors, out pid, directory);
        // execvp(3): a file without "#!" is the shell's.
        return errno == noFormat ? ChildProcess.Start("/bin/sh", ["sh", program, .. words.Skip(1)], job.Environment, descriptors, out pid, directory) : errno;
    }

    /// <summary>mailbox_size_limit holds for what a command writes, too (Postfix); what is started takes it over. The process has no other thread that writes files.</summary>
    private readonly ref struct FileLimit(ulong soft, ulong hard)
    {
        private const int FileSize = 1;

        public static FileLimit Take(long bytes)
        {
            var old = stackalloc ulong[2];
            var now = stackalloc ulong[2];
            if (bytes <= 0 || Libc.prlimit(0, FileSize, null, old) < 0 || old[0] <= (ulong)bytes)
            {
                return default;
            }
            (now[0], now[1]) = ((ulong)bytes, old[1]);
            return Libc.prlimit(0, FileSize, now, null) < 0 ? default : new FileLimit(old[0], old[1]);
        }

        public void Dispose()
        {
            var old = stackalloc ulong[2];
            (old[0], old[1]) = (soft, hard);
            _ = soft == 0 ? 0 : Libc.prlimit(0, FileSize, old, null);
        }
    }

    /// <summary>A command that was started.</summary>
    private sealed class Running(int pid, UnixFile input, UnixFile output, CommandJob job, IContentSource content, TimeProvider time, int lifeline)
    {
        private readonly byte[] _output = new byte[OutputLimit];
        private readonly long _start = time.GetTimestamp();
        private ReadOnlyMemory<byte> _piece = job.Head;
        private int _used;
        private bool _abandoned;

        public CommandEnd Finish()
        {
            _ = Libc.fcntl(input.Descriptor, Libc.F_SETFL, Libc.O_NONBLOCK);
            content.Rewind();
            while (input.Descriptor >= 0 || output.Descriptor >= 0)
            {
                if (!Poll(out var canWrite, out var canRead))
                {
                    return Kill(Overdue);
                }
                if (canRead)
                {
                    Collect();
                }
                if (canWrite && Feed() is var read and not (ContentRead.Data or ContentRead.End))
                {
                    return Kill(new CommandEnd(CommandEndKind.NoContent, (int)read, ""));
                }
            }
            return Wait();
        }

        private string Text => Printable(_output.AsSpan(0, _used));

        // Who no longer has anybody to answer to says nothing about the mail.
        private CommandEnd Overdue => _abandoned ? new CommandEnd(CommandEndKind.NotStarted, Libc.EIO, "") : new CommandEnd(CommandEndKind.TimedOut, 0, Text);

        private int Left => (int)Math.Clamp((job.TimeLimit - time.GetElapsedTime(_start)).TotalMilliseconds, 0, int.MaxValue);

        /// <returns>False when the time is over, or the lifeline.</returns>
        private bool Poll(out bool canWrite, out bool canRead)
        {
            var fds = stackalloc Libc.PollFd[3];
            fds[0] = new Libc.PollFd { Fd = input.Descriptor, Events = Libc.POLLOUT };
            fds[1] = new Libc.PollFd { Fd = output.Descriptor, Events = Libc.POLLIN };
            fds[2] = new Libc.PollFd { Fd = lifeline };
            var left = input.Descriptor < 0 && output.Descriptor < 0 ? Math.Min(Left, ExitPoll) : Left;
            var count = left == 0 ? 0 : Libc.poll(fds, 3, left);
            (canWrite, canRead) = count > 0 ? (fds[0].Returned != 0, fds[1].Returned != 0) : (false, false);
            _abandoned = count > 0 && (fds[2].Returned & Libc.POLLHUP) != 0;
            return !_abandoned && Left > 0;
        }

        private void Collect()
        {
            Span<byte> rest = stackalloc byte[_used == _output.Length ? OutputLimit : 0];
            var errno = output.Read(rest.Length > 0 ? rest : _output.AsSpan(_used), out var count);
            _used += rest.Length > 0 ? 0 : count;
            if (errno != 0 || count == 0)
            {
                _ = output.Close();
            }
        }

        /// <returns>Data while there is more to write, End when all was written or nobody reads any more; else what is wrong with the content.</returns>
        private ContentRead Feed()
        {
            if (_piece.IsEmpty)
            {
                var read = content.Read(out _piece);
                if (read != ContentRead.Data)
                {
                    _ = input.Close();
                    return read;
                }
            }
            fixed (byte* bytes = _piece.Span)
            {
                var count = Libc.write(input.Descriptor, bytes, _piece.Length);
                if (count >= 0)
                {
                    _piece = _piece[(int)count..];
                }
                else if (Marshal.GetLastPInvokeError() is not (Libc.EAGAIN or Libc.EINTR))
                {
                    // A command need not read its mail.
                    _ = input.Close();
                    return ContentRead.End;
                }
            }
            return ContentRead.Data;
        }

        private CommandEnd Wait()
        {
            var status = 0;
            while (!ChildProcess.HasEnded(pid, out status))
            {
                if (!Poll(out _, out _))
                {
                    return Kill(Overdue);
                }
            }
            return (status & 0x7f) == 0 ? new CommandEnd(CommandEndKind.Exited, (status >> 8) & 0xff, Text) : new CommandEnd(CommandEndKind.Signalled, status & 0x7f, Text);
        }

        private CommandEnd Kill(CommandEnd end)
        {
            _ = Libc.kill(-pid, Libc.SIGKILL);
            _ = Libc.kill(pid, Libc.SIGKILL);
            while (!ChildProcess.HasEnded(pid, out _))
            {
                _ = Libc.poll(null, 0, ExitPoll);
            }
            return end;
        }
    }
}
