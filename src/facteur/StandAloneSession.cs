using System.IO.Pipelines;
using Facteur.Commands;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Net.Connections;
using Facteur.Services.Master;
using Facteur.Services.Server;
using Facteur.Unix;

namespace Facteur;

/// <summary>sendmail -bs: smtpd on standard input and output.</summary>
internal static class StandAloneSession
{
    private const int Unavailable = 69, TemporaryFailure = 75;

    /// <summary>Serves the program that runs us until it leaves.</summary>
    /// <returns>0 when it was served, whatever it was told (Postfix).</returns>
    public static int Run(CommandContext context, IConfig config, ICleanup cleanup, Stream output)
    {
        // Postfix: nobody from the network may be taken for a local program, for whom there are no restrictions.
        if (StandardInput.IsFromNetwork())
        {
            return context.Fatal("-bs serves programs on this host, and standard input is a connection from the network", Unavailable);
        }
        StandardInput.Block();
        var owner = config.Get(CommonParameters.MailOwner);
        if (UserAccount.Find(owner, out var account) == 0 && account is { Uid: not 0 } && account.Uid == Libc.getuid())
        {
            context.Warn($"-bs as {owner}: the access restrictions of smtpd are not enabled by that");
        }
        using var log = OpenLog(config, context.Time);
        return ServeAsync(context, config, cleanup, output, log is null ? new NoLog() : log).GetAwaiter().GetResult();
    }

    private static async Task<int> ServeAsync(CommandContext context, IConfig config, ICleanup cleanup, Stream output, IMailLog log)
    {
        // A read of standard input can't be cancelled: behind a pipe the session's time limits hold all the same.
        var (session, streams) = DuplexPair.Create();
        var read = ReadAsync(context.Input, streams.Output);
        var written = WriteAsync(streams.Input, output);
        await StandAlone.ServeAsync(config, cleanup, session, log, context.Time).ConfigureAwait(false);
        await session.DisposeAsync().ConfigureAwait(false);
        try
        {
            await written.WaitAsync(config.GetWait(SmtpdParameters.Timeout), context.Time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // It does not read what it is told.
        }
        return read is { IsCompletedSuccessfully: true, Result: { } failure } ? context.Fatal(failure, TemporaryFailure) : 0;
    }

    /// <returns>Why reading ended, or null at the end.</returns>
    private static async Task<string?> ReadAsync(Stream input, PipeWriter into)
    {
        try
        {
            await input.CopyToAsync(into).ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
        finally
        {
            await into.CompleteAsync().ConfigureAwait(false);
        }
    }

    private static async Task WriteAsync(PipeReader from, Stream output)
    {
        try
        {
            await from.CopyToAsync(output).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            // It has gone, or was never open; the session sees that by the end of this pipe, and what it took with 250 stays taken.
        }
        finally
        {
            await from.CompleteAsync().ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The mail system's log, where this user may write it and it is not what carries the session's replies: else pickup logs the mail, and nobody the
    /// session (Postfix).
    /// </summary>
    private static MailLog? OpenLog(IConfig config, TimeProvider time)
    {
        try
        {
            return IsStandardOutput(config.Get(LogParameters.MaillogFile)) ? null : MailLog.Open(config, time);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static unsafe bool IsStandardOutput(string file)
    {
        Stat output;
        return file == "/dev/stdout"
            || (file.Length > 0 && UnixFile.Status(file, followLinks: true, out var log) == 0 && Libc.fstat(1, &output) == 0 && (log.Device, log.Inode) == (output.Device, output.Inode));
    }

    private sealed class NoLog : IMailLog
    {
        public void Write(string tag, LogLevel level, string text)
        {
        }
    }
}
