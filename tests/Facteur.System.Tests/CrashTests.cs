using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Facteur.System.Tests.Parts;

namespace Facteur.System.Tests;

/// <summary>SIGKILL under load: what was acknowledged arrives. tests/chaos does the same for longer.</summary>
public sealed partial class CrashTests
{
    [Fact]
    public void Nothing_acknowledged_is_lost_when_the_system_is_killed()
    {
        using var sink = new Sink();
        using var mail = Instance.Started(sink.Relayhost + "\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s\nsmtpd_client_connection_count_limit = 0");
        var acknowledged = new ConcurrentDictionary<int, bool>();
        var (next, running) = (0, true);
        var senders = Enumerable.Range(0, 6).Select(_ => new Thread(() => Send())).ToList();
        senders.ForEach(sender => sender.Start());
        for (var kill = 0; kill < 4; kill++)
        {
            var target = acknowledged.Count + 15;
            Poll.Until(() => acknowledged.Count >= target, () => mail.Log);
            mail.Kill();
            mail.Verify();
            mail.Start();
        }
        Volatile.Write(ref running, false);
        senders.ForEach(sender => sender.Join());
        mail.Verify();
        mail.Run("postqueue", "-f").Fine();
        Poll.Until(() => mail.Queue().Count == 0, () => mail.Log);
        var delivered = mail.Box("crash").Select(text => int.Parse(Number().Match(text).Groups[1].Value)).Concat(sink.Numbers.Keys).ToHashSet();
        Assert.Empty(acknowledged.Keys.Except(delivered));
        Assert.All(mail.Box("crash"), text => Assert.EndsWith("the end\n", text, StringComparison.Ordinal));

        void Send()
        {
            while (Volatile.Read(ref running))
            {
                try
                {
                    using var client = new Client(mail.Smtp);
                    client.Say("HELO x.test");
                    while (Volatile.Read(ref running))
                    {
                        var n = Interlocked.Increment(ref next);
                        var reply = client.Mail("s@box.test", n % 2 == 0 ? "crash@box.test" : "a@else.test", $"X-Number: {n}\n\n{new string('\n', n % 7 == 0 ? 400_000 : 100)}the end\n");
                        if (!reply.StartsWith("250", StringComparison.Ordinal))
                        {
                            break;
                        }
                        acknowledged[n] = true;
                    }
                }
                catch (Exception e) when (e is IOException or global::System.Net.Sockets.SocketException or ArgumentOutOfRangeException or IndexOutOfRangeException)
                {
                    // Killed meanwhile: a new session soon.
                    Thread.Sleep(10);
                }
            }
        }
    }

    [GeneratedRegex(@"^X-Number: (\d+)$", RegexOptions.Multiline)]
    private static partial Regex Number();
}
