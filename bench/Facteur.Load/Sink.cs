using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Facteur.Load;

/// <summary>Takes all mail, checks each body against the hash it carries, and says at SIGTERM what it saw.</summary>
internal static class Sink
{
    public static async Task<int> RunAsync(Options options)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, options.Int("port", 2600)));
        listener.Listen(1024);
        var seen = new Dictionary<long, int>();
        var bad = 0;
        var path = options.Text("out", "");
        using var stop = new CancellationTokenSource();
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, c =>
        {
            c.Cancel = true;
            stop.Cancel();
        });
        _ = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                // The file is replaced whole, so that a reader polls it at any time.
                await Task.Delay(100);
                Write();
            }
        });
        try
        {
            while (true)
            {
                var socket = await listener.AcceptAsync(stop.Token);
                socket.NoDelay = true;
                _ = ServeAsync(new Wire(socket));
            }
        }
        catch (OperationCanceledException)
        {
        }
        Write();
        return bad == 0 ? 0 : 1;

        void Write()
        {
            lock (seen)
            {
                var text = FormattableString.Invariant($"{{\"messages\": {seen.Values.Sum()}, \"distinct\": {seen.Count}, \"duplicates\": {seen.Values.Count(n => n > 1)}, \"bad\": {bad}}}");
                File.WriteAllText(path + ".new", text);
                File.Move(path + ".new", path, overwrite: true);
            }
        }

        async Task ServeAsync(Wire wire)
        {
            using (wire)
            {
                try
                {
                    await wire.SendAsync("220 sink ESMTP\r\n"u8.ToArray());
                    while (await wire.LineAsync() is { } line)
                    {
                        var verb = Encoding.Latin1.GetString(line.Span[..Math.Min(4, line.Length)]).ToUpperInvariant();
                        if (verb == "DATA")
                        {
                            await wire.SendAsync("354 go\r\n"u8.ToArray());
                            await TakeAsync(wire);
                        }
                        await wire.SendAsync(verb switch
                        {
                            "EHLO" => "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n"u8.ToArray(),
                            "QUIT" => "221 bye\r\n"u8.ToArray(),
                            _ => "250 ok\r\n"u8.ToArray(),
                        });
                        if (verb == "QUIT")
                        {
                            return;
                        }
                    }
                }
                catch (SocketException)
                {
                    // The peer went away.
                }
            }
        }

        async Task TakeAsync(Wire wire)
        {
            var (number, wanted, inBody) = (-1L, "", false);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            while (await wire.LineAsync() is { } line)
            {
                var span = line.Span;
                if (span is [(byte)'.', (byte)'\r', (byte)'\n'])
                {
                    break;
                }
                if (inBody)
                {
                    hash.AppendData(span[0] == '.' ? span[1..] : span);
                }
                else if (span is [(byte)'\r', (byte)'\n'])
                {
                    inBody = true;
                }
                else if (span.StartsWith("X-Load-Number: "u8))
                {
                    number = long.Parse(Encoding.Latin1.GetString(span[15..]).Trim(), CultureInfo.InvariantCulture);
                }
                else if (span.StartsWith("X-Load-Hash: "u8))
                {
                    wanted = Encoding.Latin1.GetString(span[13..]).Trim();
                }
            }
            var right = Convert.ToHexString(hash.GetHashAndReset()) == wanted;
            lock (seen)
            {
                seen[number] = seen.GetValueOrDefault(number) + 1;
                bad += right ? 0 : 1;
            }
        }
    }
}
