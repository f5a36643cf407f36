using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Facteur.Load;

/// <summary>Sends numbered messages over some sessions and measures the time from "." to its reply.</summary>
internal static class Source
{
    public static async Task<int> RunAsync(Options options)
    {
        var (port, sessions, messages, size) = (options.Int("port", 25), options.Int("sessions", 10), options.Int("messages", 1000), options.Int("size", 1024));
        var first = options.Int("first", 0);
        // "%d" is the number of one of so many users, in turn.
        var (recipient, users) = (options.Text("to", "r@sink.test"), options.Int("users", 1));
        var bodies = Enumerable.Range(0, Math.Min(messages, size > 500_000 ? 20 : 2000)).Select(i => Content.Make(first + i, size)).ToArray();
        var numbered = messages <= bodies.Length;
        var next = -1;
        var errors = 0;
        var latencies = new List<double>[sessions];
        if (options.Has("wait"))
        {
            Console.WriteLine("ready");
            _ = Console.ReadLine();
        }
        var started = Stopwatch.GetTimestamp();
        var rate = options.Int("rate", 0);
        await Task.WhenAll(Enumerable.Range(0, sessions).Select(async s =>
        {
            latencies[s] = new List<double>(messages / sessions + 16);
            Wire? wire = null;
            for (int n; (n = Interlocked.Increment(ref next)) < messages;)
            {
                if (rate > 0)
                {
                    var wait = TimeSpan.FromSeconds((double)n / rate) - Stopwatch.GetElapsedTime(started);
                    if (wait > TimeSpan.Zero)
                    {
                        await Task.Delay(wait);
                    }
                }
                try
                {
                    wire ??= await OpenAsync(port);
                    latencies[s].Add(await SendAsync(wire, recipient.Replace("%d", (n % users).ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal), bodies[n % bodies.Length]));
                    if (options.Has("new-session"))
                    {
                        await wire.SendAsync("QUIT\r\n"u8.ToArray());
                        await wire.ReplyAsync();
                        wire.Dispose();
                        wire = null;
                    }
                }
                catch (Exception e) when (e is IOException or SocketException)
                {
                    if (Interlocked.Increment(ref errors) <= 3)
                    {
                        Console.Error.WriteLine($"source: {e.Message}");
                    }
                    wire?.Dispose();
                    wire = null;
                }
            }
            wire?.Dispose();
        }));
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        var all = latencies.SelectMany(l => l).Order().ToArray();
        double At(double q) => all.Length == 0 ? 0 : all[Math.Min((int)(all.Length * q), all.Length - 1)];
        Console.WriteLine(FormattableString.Invariant(
            $"{{\"sent\": {all.Length}, \"errors\": {errors}, \"seconds\": {seconds:F4}, \"per_second\": {all.Length / seconds:F1}, \"p50_ms\": {At(0.5):F3}, \"p99_ms\": {At(0.99):F3}, \"max_ms\": {At(1):F3}, \"numbered\": {(numbered ? "true" : "false")}}}"));
        return errors == 0 ? 0 : 1;
    }

    public static async Task<Wire> OpenAsync(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
        var wire = new Wire(socket);
        await ExpectAsync(wire, 220, null);
        await ExpectAsync(wire, 250, "EHLO load.test\r\n"u8.ToArray());
        return wire;
    }

    private static async Task<double> SendAsync(Wire wire, string recipient, byte[] body)
    {
        await ExpectAsync(wire, 250, "MAIL FROM:<s@load.test>\r\n"u8.ToArray());
        await ExpectAsync(wire, 250, Encoding.UTF8.GetBytes($"RCPT TO:<{recipient}>\r\n"));
        await ExpectAsync(wire, 354, "DATA\r\n"u8.ToArray());
        await wire.SendAsync(body);
        var started = Stopwatch.GetTimestamp();
        await ExpectAsync(wire, 250, ".\r\n"u8.ToArray());
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    private static async Task ExpectAsync(Wire wire, int code, byte[]? command)
    {
        if (command is not null)
        {
            await wire.SendAsync(command);
        }
        var reply = await wire.ReplyAsync();
        if (reply != code)
        {
            throw new IOException($"expected {code}, got {reply} to {(command is null ? "connect" : Encoding.UTF8.GetString(command).Trim())}");
        }
    }
}
