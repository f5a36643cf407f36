using System.Runtime.InteropServices;
using Facteur.Spool.Maildrop;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>
/// SIGHUP, SIGINT, SIGQUIT and SIGTERM while a maildrop file is being written: the file goes and the process ends, or, when the message has its final name
/// already, it ends as it would have.
/// </summary>
internal sealed class EndSignals : IDisposable
{
    private const int TemporaryFailure = 75;
    private const nint Ignore = 1;

    private readonly List<PosixSignalRegistration> _registrations = [];

    /// <summary>Watches over a file.</summary>
    public EndSignals(MaildropFile file)
    {
        foreach (var (number, signal) in new[] { (Libc.SIGHUP, PosixSignal.SIGHUP), (Libc.SIGINT, PosixSignal.SIGINT), (Libc.SIGQUIT, PosixSignal.SIGQUIT), (Libc.SIGTERM, PosixSignal.SIGTERM) })
        {
            // Who started us may have said that it shall not end us (nohup).
            if (Libc.signal(number, Ignore) is not Ignore and var before)
            {
                _ = Libc.signal(number, before);
                _registrations.Add(PosixSignalRegistration.Create(signal, context =>
                {
                    context.Cancel = true;
                    if (file.Abandon())
                    {
                        Environment.Exit(TemporaryFailure);
                    }
                }));
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _registrations.ForEach(r => r.Dispose());
}
