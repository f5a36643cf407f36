using System.Text;
using System.Text.RegularExpressions;
using Facteur.System.Tests.Parts;

namespace Facteur.System.Tests.Lookups;

/// <summary>
/// The keys that each table is asked for, in their order, when mail comes in and goes out: orders.txt has sessions, and what Debian's Postfix 3.7 asked for
/// (RECORD=file writes down what it asks now). Its lines: "[name]" with lines of main.cf begins a mail system, "entry" is in a table, "C:" is said by a client, "D:" is a
/// header of the message, "table:" shows the keys; a table that is asked the same again shows it once. "facteur table:" is what we ask instead (without keys: nothing).
/// </summary>
public sealed partial class LookupOrderTests
{
    private static readonly string[] Tables =
    [
        "canonical_maps", "sender_canonical_maps", "recipient_canonical_maps", "virtual_alias_maps", "sender_bcc_maps", "recipient_bcc_maps", "transport_maps",
        "relocated_maps", "sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps", "local_recipient_maps", "relay_recipient_maps",
        "smtp_generic_maps",
    ];

    private static readonly string[] Lists = ["relay_domains", "virtual_alias_domains", "virtual_mailbox_domains"];

    // Postfix asks for it in advance, we when nothing else is found.
    private const string Wildcard = "transport_maps:*";

    private static readonly string[] Access = ["client", "reverse_client_hostname", "helo", "sender", "recipient"];

    public static TheoryData<string> Systems() => [.. Read().Select(s => s.Name)];

    [Theory]
    [MemberData(nameof(Systems))]
    public void Tables_are_asked_for_the_keys_that_Postfix_asks_for(string name)
    {
        var system = Read().First(s => s.Name == name);
        using var memory = new RecordingMemory(system.Entries);
        using var sink = new Sink();
        using var mail = new Instance();
        mail.Set(MainCf(system, memory, sink, $"{mail.Top}/etc"));
        mail.Start();
        var played = Play(system, memory, mail.Smtp, () => mail.Log);
        Assert.Equal(string.Join('\n', system.Text(facteur: true)), played);
    }

    [Theory]
    [MemberData(nameof(Systems))]
    public void The_recording_is_what_Postfix_does(string name)
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("FACTEUR_REPLAY_POSTFIX") == "yes", "plays the recording again with Debian's Postfix: set FACTEUR_REPLAY_POSTFIX=yes");
        var system = Read().First(s => s.Name == name);
        using var memory = new RecordingMemory(system.Entries);
        using var sink = new Sink();
        using var postfix = new PostfixInstance("");
        File.AppendAllText($"{postfix.Etc}/main.cf", MainCf(system, memory, sink, postfix.Etc));
        postfix.Start();
        var played = Play(system, memory, postfix.Smtp, () => postfix.Log);
        if (Environment.GetEnvironmentVariable("RECORD") is { } file)
        {
            File.AppendAllText(file, played + "\n");
            return;
        }
        Assert.Equal(string.Join('\n', system.Text(facteur: false)), played);
    }

    private static string MainCf(MailSystem system, RecordingMemory memory, Sink sink, string etc)
    {
        var main = new StringBuilder($"""

            myhostname = mail.test
            mydomain = my.test
            mynetworks = 127.0.0.1
            myorigin = box.test
            mydestination = local.test box.test
            virtual_mailbox_maps = static:x
            virtual_uid_maps = static:99
            virtual_gid_maps = static:99
            recipient_delimiter = +
            smtpd_authorized_xclient_hosts = 127.0.0.1
            smtpd_error_sleep_time = 0
            smtpd_relay_restrictions = permit_mynetworks, reject
            smtpd_relay_before_recipient_restrictions = no
            smtp_dns_support_level = disabled
            smtp_host_lookup = native
            alias_maps =
            disable_dns_lookups = yes
            default_transport = smtp:[127.0.0.1]:{sink.Number}
            relay_transport = smtp:[127.0.0.1]:{sink.Number}
            virtual_transport = discard
            bounce_queue_lifetime = 0
            local_header_rewrite_clients = static:all
            smtpd_recipient_restrictions = permit_mynetworks, check_recipient_access {memory.Table(etc, "recipient_access")}, reject_unlisted_recipient

            """);
        foreach (var parameter in Tables.Concat(Lists))
        {
            main.Append(parameter).Append(" = ").AppendLine(memory.Table(etc, parameter));
        }
        main.AppendLine($"local_recipient_maps = memcache:{etc}/local_recipient_maps static:x");
        foreach (var subject in Access.Where(s => s != "recipient"))
        {
            var stage = subject.Replace("reverse_client_hostname", "client", StringComparison.Ordinal);
            main.AppendLine($"smtpd_{stage}_restrictions = {(subject == "reverse_client_hostname" ? $"check_client_access memcache:{etc}/client_access, " : "")}"
                + $"check_{subject}_access {memory.Table(etc, subject + "_access")}");
        }
        foreach (var line in system.Main)
        {
            main.AppendLine(line);
        }
        return main.ToString();
    }

    private static string Play(MailSystem system, RecordingMemory memory, int port, Func<string> log)
    {
        var played = new StringBuilder();
        var sessions = 0;
        foreach (var session in system.Sessions)
        {
            try
            {
                using var client = new Client(port);
                foreach (var line in session.Commands)
                {
                    Assert.True(client.Say(line).Length > 0, $"{line}\n{log()}");
                }
                if (session.Headers.Count > 0)
                {
                    Assert.True(client.Say("DATA").StartsWith("354", StringComparison.Ordinal), log());
                    client.Write(string.Concat(session.Headers.Select(h => h + "\r\n")) + "\r\ntext\r\n");
                    client.Expect("250", ".");
                }
                client.Say("QUIT");
            }
            catch (IOException e)
            {
                Assert.Fail($"{string.Join('\n', session.Head)}\n{e.Message}\n{log()}");
            }
            sessions++;
            Poll.Until(() => log().Split("disconnect from").Length > sessions && Left(log()) == 0, log);
            var asked = memory.Take().Where(k => k != Wildcard).Select(k => k.Split(':', 2)).GroupBy(k => k[0]).OrderBy(g => g.Key, StringComparer.Ordinal);
            played.AppendJoin('\n', session.Head).Append('\n');
            foreach (var table in asked)
            {
                played.AppendLine($"{table.Key}: {string.Join(' ', table.Select(k => k[1]).Distinct(StringComparer.Ordinal))}");
            }
            played.Append('\n');
        }
        return played.ToString().TrimEnd();
    }

    // Messages that were queued and not yet removed.
    private static int Left(string log)
    {
        var queued = Queued().Matches(log).Select(m => m.Groups[1].Value).ToHashSet(StringComparer.Ordinal);
        queued.ExceptWith(Removed().Matches(log).Select(m => m.Groups[1].Value));
        return queued.Count;
    }

    private static List<MailSystem> Read()
    {
        var systems = new List<MailSystem>();
        foreach (var block in File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Lookups", "orders.txt")).Split("\n\n", StringSplitOptions.RemoveEmptyEntries))
        {
            var lines = block.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            if (lines[0].StartsWith('['))
            {
                systems.Add(new MailSystem(lines[0].Trim('[', ']'), [.. lines[1..].Where(l => !l.StartsWith("entry ", StringComparison.Ordinal) && l[0] != '#')], [],
                    lines.Where(l => l.StartsWith("entry ", StringComparison.Ordinal)).Select(l => l.Split(' ', 3)).ToDictionary(w => w[1], w => w[2], StringComparer.Ordinal)));
            }
            else
            {
                systems[^1].Sessions.Add(new Session(
                    [.. lines.Where(l => l[0] is '#' || l.StartsWith("C:", StringComparison.Ordinal) || l.StartsWith("D:", StringComparison.Ordinal))],
                    [.. lines.Where(l => l[0] is not '#' && !l.StartsWith("C:", StringComparison.Ordinal) && !l.StartsWith("D:", StringComparison.Ordinal))]));
            }
        }
        return systems;
    }

    [GeneratedRegex(@" postfix[-/a-z]*\[\d+\]: (\w+): (?:from=<|uid=|message-id=)")]
    private static partial Regex Queued();

    [GeneratedRegex(@": (\w+): (?:removed|to=.*status=deferred)")]
    private static partial Regex Removed();

    private sealed record MailSystem(string Name, List<string> Main, List<Session> Sessions, Dictionary<string, string> Entries)
    {
        public IEnumerable<string> Text(bool facteur)
        {
            foreach (var (session, i) in Sessions.Select((s, i) => (s, i)))
            {
                if (i > 0)
                {
                    yield return "";
                }
                foreach (var line in session.Head.Concat(session.Keys(facteur)))
                {
                    yield return line;
                }
            }
        }
    }

    private sealed record Session(List<string> Head, List<string> Tail)
    {
        public IEnumerable<string> Commands => Head.Where(l => l.StartsWith("C: ", StringComparison.Ordinal)).Select(l => l[3..]);

        public List<string> Headers => [.. Head.Where(l => l.StartsWith("D: ", StringComparison.Ordinal)).Select(l => l[3..])];

        public IEnumerable<string> Keys(bool facteur)
        {
            const string Own = "facteur ";
            var own = Tail.Where(l => l.StartsWith(Own, StringComparison.Ordinal)).Select(l => l[Own.Length..]).ToDictionary(l => l.Split(':')[0], StringComparer.Ordinal);
            return Tail.Where(l => !l.StartsWith(Own, StringComparison.Ordinal)).Select(l => facteur && own.TryGetValue(l.Split(':')[0], out var ours) ? ours : l)
                .Where(l => !l.EndsWith(':'));
        }
    }
}
