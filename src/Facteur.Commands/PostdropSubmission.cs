using System.Text;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Spool.Maildrop;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>Hands the records to a set-gid postdrop(1), which works while the mail system is down.</summary>
internal sealed class PostdropSubmission : Submission
{
    private const int AnswerLimit = 4096;

    private readonly int _pid;
    private readonly UnixFile _records;
    private readonly UnixFile _answer;
    private bool _waited;

    private PostdropSubmission(int pid, UnixFile records, UnixFile answer) => (_pid, _records, _answer) = (pid, records, answer);

    /// <summary>Starts the program, where there is one that gives this user a way into maildrop.</summary>
    /// <returns>Null when there is none.</returns>
    public static PostdropSubmission? TryStart(IConfig config, MaildropDirectory directory)
    {
        var own = Path.GetDirectoryName(Environment.ProcessPath) ?? "/";
        foreach (var place in (string[])[own, config.Get(SendmailParameters.CommandDirectory)])
        {
            var program = Path.Combine(place, "postdrop");
            if (GivesAccess(program, directory) && Start(program, config) is { } started)
            {
                return started;
            }
        }
        return null;
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> records)
    {
        // A program that ended early said why on standard error.
        if (Error is null && _records.Write(records) is not 0 and var errno)
        {
            Error = $"write to postdrop: {Errno.Text(errno)}";
        }
    }

    /// <inheritdoc/>
    public override string? Commit()
    {
        _records.Dispose();
        var answer = ReadAnswer();
        var status = Wait();
        // Its exit status alone could be that of a program that did not understand.
        if (Error is null && (status != 0 || !answer.Contains("status\00\0", StringComparison.Ordinal)))
        {
            Error = $"postdrop: {ChildProcess.Exit(status)}";
        }
        return Error;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        // Without an end record it keeps nothing.
        _records.Dispose();
        _answer.Dispose();
        Wait();
    }

    // The set-gid bit counts only where nothing switches it off, and only if it is the group of this maildrop.
    private static bool GivesAccess(string program, MaildropDirectory directory) =>
        UnixFile.Status(program, followLinks: true, out var status) == 0
        && (status.Mode & (Libc.S_IFMT | Libc.S_ISGID)) == (Libc.S_IFREG | Libc.S_ISGID)
        && UnixFile.Status(directory.Path, followLinks: true, out var maildrop) == 0 && maildrop.Gid == status.Gid
        && Libc.prctl(Libc.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0
        && !UnixFile.IgnoresSetId(program);

    private static PostdropSubmission? Start(string program, IConfig config)
    {
        if (UnixPipe.Create(out var input, out var records) != 0 || input is null || records is null)
        {
            return null;
        }
        using (input)
        {
            if (UnixPipe.Create(out var answer, out var output) != 0 || answer is null || output is null)
            {
                records.Dispose();
                return null;
            }
            using (output)
            {
                var errno = ChildProcess.Start(program, ["postdrop", "-r"], [$"MAIL_CONFIG={config.ConfigDirectory}"], [input.Descriptor, output.Descriptor, 2], out var pid);
                if (errno == 0)
                {
                    return new PostdropSubmission(pid, records, answer);
                }
            }
            records.Dispose();
            answer.Dispose();
            return null;
        }
    }

    private string ReadAnswer()
    {
        var answer = new byte[AnswerLimit];
        var length = 0;
        while (length < answer.Length && _answer.Read(answer.AsSpan(length), out var count) == 0 && count > 0)
        {
            length += count;
        }
        return Encoding.UTF8.GetString(answer, 0, length);
    }

    private int Wait()
    {
        var status = _waited ? -1 : ChildProcess.Wait(_pid);
        _waited = true;
        return status;
    }
}
