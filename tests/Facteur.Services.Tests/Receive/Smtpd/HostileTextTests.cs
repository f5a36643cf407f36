using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using CsCheck;

namespace Facteur.Services.Tests.Receive.Smtpd;

/// <summary>What comes from outside can't add a header line, a recipient, a reply or a log line: not a client's words, not its name in the DNS, not the text of a DNS list.</summary>
public sealed partial class HostileTextTests
{
    private static readonly Gen<string> Text = Gen.Frequency(
        (4, Gen.Int[0, 17].Select(i => "a.@<>\"\\ ;:%!()${}-"[i])),
        (2, Gen.Int[0, 8].Select(i => "\r\n\0\t\x1b\x7f\x85\u2028\b"[i])),
        (1, Gen.Char['\x01', '\u02ff'])).Array[0, 14].Select(characters => new string(characters));

    [Fact]
    public async Task Nothing_from_outside_adds_a_line() => await Gen.Select(Text, Text, Text, Text, Text).SampleAsync(
        async (helo, sender, recipient, name, reason) =>
        {
            var world = UceTests.World(
                ("smtpd_recipient_restrictions", "warn_if_reject reject_rbl_client bl.example, warn_if_reject reject_unknown_sender_domain, check_client_access t:c"),
                ("smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination"), ("smtpd_reject_footer", "$client_name $helo_name $sender $recipient"),
                ("smtpd_forbid_unauth_pipelining", "no"), ("smtpd_forbidden_commands", ""));
            world.Tables["t:c"] = new() { ["127.0.7.1"] = "PREPEND X-Client: seen" };
            world.Dns.Names[IPAddress.Parse("127.0.7.1")] = name;
            world.Dns.Texts["1.7.0.127.bl.example"] = [reason];
            var client = world.Connect();
            await client.SendAsync(Encoding.UTF8.GetBytes(
                $"EHLO {helo}\r\nRSET\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<alice@dest.example>\r\nDATA\r\nSubject: t\r\n\r\nx\r\n.\r\nQUIT\r\n"));
            var output = await client.FinishAsync();
            Assert.All(output.TrimEnd('\n').Split('\n'), line => Assert.Matches(Reply(), line));
            Assert.All(world.Log.Lines, line => Assert.DoesNotContain('\n', line));
            Assert.All(world.Log.Lines, line => Assert.DoesNotContain('\r', line));
            foreach (var message in world.Cleanup.Completed)
            {
                Assert.Matches(Head(), message.Content);
                Assert.All(message.Recipients, one => Assert.DoesNotContain('\n', one.Address));
                Assert.DoesNotContain('\n', message.Envelope.Sender);
                Assert.DoesNotContain('\n', message.Envelope.Client.Name + message.Envelope.Client.ReverseName + message.Envelope.Client.Helo);
                Assert.DoesNotContain('\r', message.Envelope.Client.Name + message.Envelope.Client.ReverseName + message.Envelope.Client.Helo);
            }
        }, iter: 300);

    [Fact]
    public async Task A_policy_service_is_told_one_line_per_attribute() => await Gen.Select(Text, Text).SampleAsync(
        async (helo, sender) =>
        {
            using var server = new PolicyServer(_ => "action=PREPEND X-A: b\rX-B: c\n\n");
            var world = UceTests.World(("smtpd_recipient_restrictions", "check_policy_service " + server.Endpoint), ("smtpd_forbid_unauth_pipelining", "no"), ("smtpd_forbidden_commands", ""));
            var client = world.Connect();
            await client.SendAsync(Encoding.UTF8.GetBytes($"EHLO {helo}\r\nRSET\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<alice@dest.example>\r\nDATA\r\nSubject: t\r\n\r\nx\r\n.\r\nQUIT\r\n"));
            await client.FinishAsync();
            Assert.All(server.Requests, request => Assert.Equal(31, request.TrimEnd('\n').Split('\n').Length));
            Assert.All(server.Requests, request => Assert.DoesNotContain('\r', request));
            Assert.All(world.Cleanup.Completed, message => Assert.Matches(Head(), message.Content));
        }, iter: 60);

    [GeneratedRegex(@"^[2345][0-9][0-9][ -][^\r]*$", RegexOptions.CultureInvariant)]
    private static partial Regex Reply();

    [GeneratedRegex(@"\A(X-[^\n\r]*\n)*Received: from [^\n\r]*\n\tby mx\.dest\.example [^\n\r]*\n(\tfor <[^\n\r]*>; |\t)Sun, 22 Nov 2026 16:00:00 \+0000 \(UTC\)\nSubject: t\n\nx\n\z", RegexOptions.CultureInvariant)]
    private static partial Regex Head();
}
