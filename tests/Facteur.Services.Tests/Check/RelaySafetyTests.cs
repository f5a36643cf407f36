using System.Net;
using System.Text;
using CsCheck;
using Facteur.Config;
using Facteur.Net.Connections;
using Facteur.Services.Check;
using Facteur.Services.Explain;
using Facteur.Services.Master;
using Facteur.Services.Support.Anvil;
using Facteur.Testing;

namespace Facteur.Services.Tests.Check;

/// <summary>
/// Planted open relays are found, each with a session that the services, live, serve as it says; what is closed is never called open; and what is called
/// closed refuses strangers, whatever its lists and tables are.
/// </summary>
public sealed class RelaySafetyTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-relay-").FullName;

    public RelaySafetyTests()
    {
        Write("ok", "# friends\nfriend.example OK\n");
        Write("refuse", "bad.example REJECT go away\nother.example 550 no\nthird.example DUNNO\n");
        Write("strangers", "/stranger\\.example$/ OK\n");
        Write("everybody", "/./ OK\n");
        Write("world", "0.0.0.0/0 OK\n");
        Write("partner", "192.0.2.99 OK\n");
        Write("postmasters", "postmaster@ OK\nabuse@home.example OK\n");
        Write("named", "friend.example trusted\n");
        Write("relayed", "/./ x\n");
        Write("nameless", "unknown OK\n");
        Write("top", "example OK\n");
        Write("some", "192.0.2.1 OK\n192.0.2.2 OK\n192.0.2.3 OK\n192.0.2.4 OK\n192.0.2.5 OK\nmail.friend.example OK\nunknown OK\n");
        Write("somepostmasters", "a@friend.example OK\nb@friend.example OK\nc@friend.example OK\nd@friend.example OK\npostmaster@ OK\n");
        Write("watched", "friend.example reject_unauth_destination, permit\n");
        Write("places", "one.example x\ntwo.example x\nthree.example x\nfour.example x\nfive.example x\nnz x\n");
        Write("routes", "/^(.+)=(.+)@home\\.example$/ $1@$2\n");
        Write("moved", "/^(.+)@old\\.example$/ $1@home.example\n/^(.+)\\+.*@(home\\.example)$/ $1@$2\n");
        Write("nets", "0.0.0.0/0\n::/0\n");
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(_directory, name), text);

    private ConfigLoad Load(string main, string options = "", string service = "10025")
    {
        Write("main.cf", $"""
            compatibility_level = 3.11
            myhostname = mx.home.example
            mydomain = home.example
            mydestination = home.example, mx.home.example
            mynetworks = 127.0.0.0/8
            inet_interfaces = all
            alias_maps =
            local_recipient_maps =
            {main.Replace("DIR", _directory, StringComparison.Ordinal)}
            {(main.Contains("smtpd_restriction_classes", StringComparison.Ordinal) ? "" : "smtpd_restriction_classes = all\nall = permit")}

            """);
        Write("master.cf", $"{service} inet n - n - - smtpd\n{string.Concat(options.Split('|', StringSplitOptions.RemoveEmptyEntries).Select(o => $"  -o {o.Trim()}\n"))}local unix - n n - - local\nsmtp unix - - n - - smtp\nrelay unix - - n - - smtp\n");
        var load = ConfigLoader.Load(_directory, new LoadOptions { ProcessName = "check" });
        Assert.Empty(load.Errors);
        return load;
    }

    private static async Task<ListenerSafety> Judge(ConfigLoad load)
    {
        await using var safety = new RelaySafety(load, TimeProvider.System);
        return Assert.Single(await safety.JudgeAsync(TimeSpan.FromSeconds(10), default));
    }

    /// <summary>The reply to RCPT that a client gets from the services as master makes them.</summary>
    private static async Task<string> Live(ConfigLoad load, IReadOnlyList<string> session)
    {
        var dns = new StaticResolver();
        var words = session[0].Split(' ');
        var client = IPAddress.Parse(words[1]);
        if (words.ElementAtOrDefault(3) is { } named and not "unknown")
        {
            dns.Add(words[1], $"PTR {named}").Add(named, $"A {client}");
        }
        else if (words.Length == 2)
        {
            dns.Add(words[1], "PTR mail.stranger.example");
        }
        dns.Add("mail.stranger.example", $"A {client}").Add("stranger.example", $"A {client}");
        var around = new Surroundings(RoleSet.Receive | RoleSet.Rewrite, new TestLog(), TimeProvider.System)
        {
            Dns = dns,
            Incoming = new FakeIncoming(),
            Anvil = new AnvilService(load.Config, null, TimeProvider.System),
            FlushSite = static (_, _) => default,
            FreeBytes = static () => long.MaxValue,
        };
        await using var generation = new Generation(load, around);
        around.Generation.Now = generation;
        using var smtpd = generation.Smtpd(load.Entries[0]);
        var remote = new IPEndPoint(client, 1234);
        var (server, peer) = DuplexPair.Create(null, remote);
        var served = Task.Run(async () =>
        {
            await smtpd.ServeAsync(server, remote, null, default);
            await server.Output.CompleteAsync();
        });
        using var reader = new StreamReader(peer.Input.AsStream());
        var reply = await ReplyAsync();
        foreach (var command in session.Skip(1).SkipLast(1).SelectMany(c => c.StartsWith("XCLIENT", StringComparison.Ordinal) ? (string[])[c, "EHLO again.example"] : [c]))
        {
            Assert.Equal('2', reply[0]);
            await peer.Output.WriteAsync(Encoding.UTF8.GetBytes(command + "\r\n"));
            reply = await ReplyAsync();
        }
        await peer.Output.CompleteAsync();
        await served;
        return reply;

        async Task<string> ReplyAsync()
        {
            while (true)
            {
                if (await reader.ReadLineAsync() is { } line && line[3] == ' ')
                {
                    return line;
                }
            }
        }
    }

    /// <summary>Open relays, by what opens them: settings, -o options (separated by |), and what the reason names.</summary>
    [Theory]
    [InlineData("smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks, all, reject", "", "permit (")]
    [InlineData("smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = all, reject_unauth_destination", "", "permit (")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, permit\nsmtpd_recipient_restrictions = reject_non_fqdn_sender, all, reject", "", "permit (")]
    [InlineData("mynetworks = 0.0.0.0/0", "", "mynetworks = 0.0.0.0/0")]
    [InlineData("mynetworks = 127.0.0.0/8 [::]/0", "", "mynetworks = 127.0.0.0/8 [::]/0")]
    [InlineData("mynetworks = 127.0.0.0/8 128.0.0.0/1", "", "128.0.0.0/1")]
    [InlineData("mynetworks = DIR/nets", "", "/nets")]
    [InlineData("mynetworks = cidr:DIR/world", "", "/world")]
    [InlineData("mynetworks = static:all", "", "static:all")]
    [InlineData("mynetworks = 127.0.0.0/8 192.0.0.0/4", "", "192.0.0.0/4")]
    [InlineData("mynetworks = 127.0.0.0/8 38.0.0.0/7", "", "38.0.0.0/7")]
    [InlineData("mynetworks = 127.0.0.0/8 [2a00::]/12", "", "[2a00::]/12")]
    [InlineData("relay_domains = uk", "", "relay_domains = uk")]
    [InlineData("relay_domains = partner.example nz", "", "relay_domains = partner.example nz")]
    [InlineData("relay_domains = com.au", "", "relay_domains = com.au")]
    [InlineData("relay_domains = xyz", "", "relay_domains = xyz")]
    [InlineData("relay_domains = texthash:DIR/places", "", "relay_domains = texthash:")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_client_access texthash:DIR/some, reject_unauth_destination", "", "\"OK\" for unknown (")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_recipient_access texthash:DIR/somepostmasters, reject_unauth_destination", "", "\"OK\" for postmaster@ (")]
    [InlineData("relay_domains = static:all", "", "relay_domains = static:all")]
    [InlineData("virtual_mailbox_domains = static:all\nvirtual_mailbox_maps =\nvirtual_transport = smtp", "", "virtual_mailbox_domains = static:all")]
    [InlineData("relay_domains = regexp:DIR/relayed", "", "relay_domains = regexp:")]
    [InlineData("relay_domains = com, org", "", "relay_domains = com, org")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_sender_access texthash:DIR/ok, reject_unauth_destination", "", "/ok:2)")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_helo_access texthash:DIR/ok, reject_unauth_destination", "", "/ok:2)")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_sender_access regexp:DIR/strangers, reject_unauth_destination", "", "/strangers:1)")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_client_access cidr:DIR/world, reject_unauth_destination", "", "")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_recipient_access regexp:DIR/everybody, reject_unauth_destination", "", "")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_recipient_access texthash:DIR/postmasters, reject_unauth_destination", "", "/postmasters:1)")]
    [InlineData("smtpd_relay_restrictions = check_sender_access static:OK, reject_unauth_destination", "", "static:OK")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, warn_if_reject reject_unauth_destination\nsmtpd_recipient_restrictions = permit_mynetworks, all, reject", "", "smtpd_relay_restrictions, which refuses none")]
    [InlineData("smtpd_restriction_classes = trusted\ntrusted = permit_mynetworks, permit\nsmtpd_relay_restrictions = check_sender_access texthash:DIR/named, reject_unauth_destination", "", "/named:1)")]
    [InlineData("smtpd_restriction_classes = all\nall = permit\nsmtpd_relay_restrictions = all, reject_unauth_destination", "", "permit (")]
    [InlineData("smtpd_restriction_classes = watch\nwatch = reject_unauth_destination, permit\nsmtpd_relay_restrictions = permit_mynetworks, warn_if_reject watch, reject_unauth_destination", "", "permit (")]
    [InlineData("smtpd_relay_restrictions = warn_if_reject check_sender_access texthash:DIR/watched, reject_unauth_destination", "", "/watched:1)")]
    [InlineData("smtpd_restriction_classes = watch\nwatch = check_sender_access static:REJECT, permit\nsmtpd_relay_restrictions = warn_if_reject watch, reject_unauth_destination", "", "permit (")]
    [InlineData("smtpd_authorized_xclient_hosts = 0.0.0.0/0", "", "smtpd_authorized_xclient_hosts")]
    [InlineData("", "smtpd_relay_restrictions= | smtpd_recipient_restrictions=permit_mynetworks,check_client_access,static:OK,reject", "master.cf:3")]
    [InlineData("", "smtpd_relay_restrictions=permit|smtpd_recipient_restrictions=check_client_access,static:OK,reject", "master.cf:2")]
    [InlineData("", "mynetworks=0.0.0.0/0", "master.cf:2")]
    [InlineData("soft_bounce = yes\nsmtpd_relay_restrictions = all, reject", "", "permit (")]
    [InlineData("content_filter = smtp:[127.0.0.1]:10024\nsmtpd_relay_restrictions = all, reject", "", "permit (")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_client_access texthash:DIR/nameless, reject_unauth_destination", "", "/nameless:1)")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_client_access texthash:DIR/top, reject_unauth_destination", "", "/top:1)")]
    [InlineData("virtual_alias_maps = regexp:DIR/routes", "", "virtual_alias_maps, \"$1@$2\" for /^(.+)=(.+)@home\\.example$/ (")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_recipient_access inline:{com=OK}, reject_unauth_destination", "", "\"OK\" for com (")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_sender_access regexp:{{/^[a-z]+@(.*\\.)?(partner|friend)\\.(com|org)$$/ OK}}, reject_unauth_destination", "", "\"OK\" for /^[a-z]")]
    public async Task An_open_relay_is_found_and_shown(string main, string options, string reason)
    {
        var load = Load(main, options);
        var safety = await Judge(load);
        Assert.True(safety.Relaying == Relaying.Open, $"{safety.Relaying}: {safety.Text}");
        Assert.Contains(reason, safety.Text, StringComparison.Ordinal);
        Assert.Matches("^reply 250 ", safety.Session[^1]);
        Assert.Equal(safety.Session[^1]["reply ".Length..], await Live(load, safety.Session));
    }

    /// <summary>What lets nobody through, though it looks as if.</summary>
    [Theory]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_reverse_client_hostname_access texthash:DIR/ok, reject_unauth_destination", "")]
    [InlineData("", "")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination", "")]
    [InlineData("smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, permit", "")]
    [InlineData("smtpd_recipient_restrictions = permit", "")]
    [InlineData("smtpd_client_restrictions = permit\nsmtpd_sender_restrictions = permit\nsmtpd_helo_restrictions = permit", "")]
    [InlineData("smtpd_client_restrictions = check_client_access cidr:DIR/world", "")]
    [InlineData("smtpd_relay_restrictions = reject_unauth_destination, check_sender_access texthash:DIR/ok, permit", "")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_sender_access texthash:DIR/refuse, reject_unauth_destination", "")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, warn_if_reject reject_unauth_destination\nsmtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination", "")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, defer_if_permit", "")]
    [InlineData("smtpd_relay_restrictions = all, reject", "smtpd_client_restrictions=permit_mynetworks,permit_sasl_authenticated,reject")]
    [InlineData("smtpd_relay_restrictions = all, reject\nsmtpd_delay_reject = no", "smtpd_sender_restrictions=permit_mynetworks,reject")]
    [InlineData("smtpd_relay_restrictions = all, reject\nsmtpd_helo_required = yes\nsmtpd_helo_restrictions = reject", "")]
    [InlineData("virtual_alias_maps = regexp:DIR/moved", "")]
    [InlineData("relay_domains = *", "")]
    [InlineData("relay_domains = $mydestination, partner.example", "")]
    [InlineData("relay_domains = texthash:DIR/ok", "")]
    [InlineData("mynetworks_style = class", "")]
    [InlineData("mynetworks = 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 127.0.0.0/8 192.0.2.0/24 203.0.113.0/24", "")]
    [InlineData("mynetworks = 127.0.0.0/8 5.64.0.0/11 42.0.0.0/9 [2a03::]/20", "")]
    [InlineData("relay_domains = local, localdomain, corp", "")]
    [InlineData("smtpd_restriction_classes = watch\nwatch = reject_unauth_destination, permit\nsmtpd_relay_restrictions = warn_if_reject reject, watch, permit, reject", "")]
    [InlineData("soft_bounce = yes", "")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, nonsense, all, reject", "")]
    [InlineData("smtpd_restriction_classes = loop, all\nall = permit\nloop = check_sender_access texthash:DIR/refuse, loop, permit\nsmtpd_relay_restrictions = loop, all, reject", "")]
    [InlineData("allow_percent_hack = yes\nswap_bangpath = yes", "")]
    [InlineData("smtpd_relay_restrictions = permit_auth_destination, permit_mynetworks, reject", "")]
    [InlineData("smtpd_relay_restrictions = permit_dnswl_client list.example, reject_unauth_destination", "")]
    [InlineData("smtpd_relay_restrictions = check_sender_mx_access texthash:DIR/ok, reject_unauth_destination", "")]
    [InlineData("smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks, permit", "")]
    [InlineData("smtpd_recipient_restrictions = check_sender_access static:DISCARD\nsmtpd_relay_restrictions = check_sender_access static:DISCARD, reject", "")]
    public async Task What_is_closed_is_called_closed(string main, string options)
    {
        var safety = await Judge(Load(main, options));
        Assert.True(safety.Relaying == Relaying.Closed, $"{safety.Relaying}: {safety.Text}");
        Assert.Empty(safety.Session);
    }

    /// <summary>What others decide.</summary>
    [Theory]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_policy_service unix:DIR/none, reject_unauth_destination", "check_policy_service unix:DIR/none (DIR/main.cf:9)")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_client_access texthash:DIR/missing, reject_unauth_destination", "texthash:DIR/missing (DIR/main.cf:9), which can't be opened")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_client_access texthash:DIR/partner, reject_unauth_destination", "\"OK\" for 192.0.2.99 (DIR/partner:1)")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, check_client_access cidr:{{203.0.113.0/24 OK}}, reject_unauth_destination", "\"OK\" for 203.0.113.0/24 (")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks,\n  check_recipient_access texthash:DIR/ok,\n  reject_unauth_destination", "check_recipient_access texthash:DIR/ok (DIR/main.cf:10), \"OK\" for friend.example (DIR/ok:2)")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, permit_mx_backup, reject_unauth_destination", "permit_mx_backup (DIR/main.cf:9): the DNS")]
    [InlineData("mynetworks = 127.0.0.0/8 5.0.0.0/8", "mynetworks = 127.0.0.0/8 5.0.0.0/8 (DIR/main.cf:9): all addresses of 5.0.0.0/8")]
    [InlineData("smtpd_tls_ask_ccert = Yes\nsmtpd_relay_restrictions = permit_tls_all_clientcerts, reject_unauth_destination", "permit_tls_all_clientcerts (DIR/main.cf:10)")]
    [InlineData("smtpd_tls_ask_ccert = yes\nsmtpd_relay_restrictions = permit_tls_all_clientcerts, reject_unauth_destination", "permit_tls_all_clientcerts (DIR/main.cf:10)")]
    [InlineData("relay_domains = partner.example\nallow_untrusted_routing = yes", "allow_untrusted_routing (DIR/main.cf:10)")]
    [InlineData("smtpd_relay_restrictions = check_policy_service unix:DIR/none, all, reject", "check_policy_service unix:DIR/none")]
    [InlineData("virtual_mailbox_domains = static:all\nvirtual_mailbox_maps =\nvirtual_transport = smtp:[192.0.2.1]", "virtual_mailbox_domains = static:all (DIR/main.cf:9)")]
    public async Task What_others_decide_is_named(string main, string reason)
    {
        var safety = await Judge(Load(main));
        Assert.True(safety.Relaying == Relaying.Depends, $"{safety.Relaying}: {safety.Text}");
        Assert.Contains(reason.Replace("DIR", _directory, StringComparison.Ordinal), safety.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_listener_of_this_host_is_no_stranger_s()
    {
        var safety = await Judge(Load("", "smtpd_recipient_restrictions=all,reject|smtpd_relay_restrictions=permit", "127.0.0.1:10025"));
        Assert.Equal(Relaying.Closed, safety.Relaying);
        Assert.Contains("it listens on 127.0.0.1:10025 only; who can may relay, by permit (", safety.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_old_level_has_no_list_of_its_own()
    {
        var safety = await Judge(Load("compatibility_level = 0\nsmtpd_recipient_restrictions = permit_mynetworks, check_sender_access texthash:DIR/ok, reject_unauth_destination"));
        Assert.True(safety.Relaying == Relaying.Open, safety.Text);
        Assert.True((await Judge(Load("compatibility_level = 1\nsmtpd_recipient_restrictions = permit_mynetworks, check_sender_access texthash:DIR/ok, reject_unauth_destination"))).Relaying == Relaying.Closed);
    }

    /// <summary>What stands behind permit, or only warns, stops nobody.</summary>
    [Theory]
    [InlineData("smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks, permit")]
    [InlineData("smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit, reject")]
    [InlineData("smtpd_relay_restrictions = permit_mynetworks, PERMIT, defer\nsmtpd_recipient_restrictions =")]
    [InlineData("smtpd_relay_restrictions = permit, reject_unauth_destination\nsmtpd_recipient_restrictions = permit")]
    [InlineData("smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = warn_if_reject reject_unauth_destination")]
    [InlineData("smtpd_restriction_classes = late\nlate = permit, reject\nsmtpd_relay_restrictions =\nsmtpd_recipient_restrictions = late")]
    public async Task What_serves_nobody_is_said(string main)
    {
        var safety = await Judge(Load(main));
        Assert.False(safety.Serves);
    }

    [Theory]
    [InlineData("smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks, REJECT_UNAUTH_DESTINATION")]
    [InlineData("smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = sleep 1, defer")]
    [InlineData("smtpd_restriction_classes = early\nearly = reject, permit\nsmtpd_relay_restrictions = early, permit\nsmtpd_recipient_restrictions = permit")]
    [InlineData("smtpd_relay_restrictions = warn_if_reject permit, reject\nsmtpd_recipient_restrictions = permit")]
    public async Task What_stops_somebody_serves(string main) => Assert.True((await Judge(Load(main))).Serves);

    /// <summary>Random lists over random tables: no stranger gets through what is called closed, and an open one is shown.</summary>
    [Fact]
    public void Closed_is_closed()
    {
        string[] keys = ["203.0.113.10", "203.0.113", "mail.stranger.example", "stranger.example", "example", "someone@stranger.example", "someone@", "elsewhere.example", "<>", "home.example"];
        string[] actions = ["REJECT", "450 4.7.1 no", "DEFER_IF_PERMIT", "DEFER_IF_REJECT", "OK", "DUNNO", "strict", "loose", "warn_if_reject reject", "HOLD", "DISCARD", "permit", "reject_unauth_destination, permit", "1"];
        string[] plain =
        [
            "permit_mynetworks", "reject_unauth_destination", "defer_unauth_destination", "permit_auth_destination", "reject_unknown_client_hostname", "permit", "reject", "permit_mx_backup",
            "reject_unknown_sender_domain", "reject_unlisted_sender", "strict", "loose", "warn_if_reject reject_unauth_destination", "defer_if_permit", "warn_if_reject strict", "permit_naked_ip_address",
            "warn_if_reject defer_if_permit", "defer_if_reject",
        ];
        string[] places = ["client", "helo", "sender", "recipient", "reverse_client_hostname"];
        static Gen<string> One(string[] of) => Gen.Int[0, of.Length - 1].Select(i => of[i]);
        var restriction = Gen.OneOf(One(plain), Gen.Select(One(places), Gen.Int[0, 2], (place, table) => $"check_{place}_access {(table == 2 ? "regexp" : "texthash")}:DIR/t{table}"));
        var list = restriction.Array[0, 4];
        var rows = Gen.Select(One(keys), One(actions)).Array[0, 4];
        var counts = new int[3];
        Gen.Select(list.Array[6], rows.Array[3], Gen.Bool).Sample(
            (lists, tables, delay) =>
            {
                for (var t = 0; t < tables.Length; t++)
                {
                    var seen = new HashSet<string>(StringComparer.Ordinal);
                    Write($"t{t}", string.Concat(tables[t].Where(r => seen.Add(r.Item1)).Select(
                        r => $"{(t == 2 ? $"/^{r.Item1.Replace(".", "\\.", StringComparison.Ordinal)}$/" : r.Item1)} {r.Item2}\n")));
                }
                string List(int i) => string.Join(", ", lists[i]);
                var load = Load($"""
                    smtpd_restriction_classes = strict, loose
                    strict = check_sender_access texthash:DIR/t0, reject_unauth_destination
                    loose = {List(5).Replace("strict", "reject_unknown_client_hostname", StringComparison.Ordinal)}, permit_mynetworks
                    smtpd_client_restrictions = {List(0)}
                    smtpd_helo_restrictions = {List(1)}
                    smtpd_sender_restrictions = {List(2)}
                    smtpd_relay_restrictions = {List(3)}
                    smtpd_recipient_restrictions = {List(4)}, defer_if_reject, warn_if_reject reject, check_helo_access regexp:DIR/t2, strict
                    smtpd_delay_reject = {(delay ? "yes" : "no")}
                    smtpd_error_sleep_time = 0
                    """);
                var safety = Judge(load).GetAwaiter().GetResult();
                counts[(int)safety.Relaying]++;
                if (safety.Relaying != Relaying.Closed)
                {
                    return;
                }
                var dns = new StrangerDns();
                var explainer = new Explainer(load, null, dns, TimeProvider.System);
                explainer.Serve(explainer.Generation.Smtpd(load.Entries[0]));
                foreach (var (helo, sender, recipient) in ((string, string, string)[])
                [
                    ("mail.stranger.example", "someone@stranger.example", "someone@elsewhere.example"), ("elsewhere.example", "", "x@elsewhere.example"),
                    ("203.0.113.10", "x@home.example", "someone@foreign.example"), ("home.example", "x@elsewhere.example", "someone%elsewhere.example@home.example"),
                ])
                {
                    string[] session = ["client 203.0.113.10", $"EHLO {helo}", $"MAIL FROM:<{sender}>", $"RCPT TO:<{recipient}>", ""];
                    dns.Set(IPAddress.Parse("203.0.113.10"), "mail.stranger.example", ["stranger.example", helo, "elsewhere.example"]);
                    var reply = explainer.SessionAsync(new SessionQuestion(IPAddress.Parse("203.0.113.10"), null, helo, sender, [recipient], ""), default).GetAwaiter().GetResult().Reply;
                    var relayed = reply is ['2', ..] && explainer.Taken is not null;
                    Assert.False(relayed, $"called closed ({safety.Text}), but {string.Join(" / ", session)}: {reply}\n{File.ReadAllText($"{_directory}/main.cf")}\n{explainer.Explanation.Text}");
                }
                explainer.DisposeAsync().AsTask().GetAwaiter().GetResult();
            },
            iter: 100, threads: 1);
        Assert.True(counts.All(c => c > 0), string.Join(' ', counts));
    }

    /// <summary>All sites of a folder: FACTEUR_POSTCONF_ORACLE names it.</summary>
    [Fact]
    public async Task Every_site_is_classified()
    {
        var folder = Environment.GetEnvironmentVariable("FACTEUR_POSTCONF_ORACLE");
        if (folder is null)
        {
            Assert.Skip("needs sites' configurations: set FACTEUR_POSTCONF_ORACLE");
        }
        var (count, text) = (0, new StringBuilder());
        foreach (var site in Directory.GetDirectories(folder).Order())
        {
            var load = ConfigLoader.Load(site, new LoadOptions { ProcessName = "check" });
            await using var safety = new RelaySafety(load, TimeProvider.System);
            var judged = await safety.JudgeAsync(TimeSpan.FromSeconds(2), default);
            // A site is left out only when its master.cf has services and no smtpd among them.
            Assert.True(judged.Count > 0 || (load.Entries.Count > 0 && !load.Entries.Any(e => e.Command == "smtpd")), site);
            foreach (var listener in judged)
            {
                count++;
                text.AppendLine($"{Path.GetFileName(site)}: {listener.Entry.Name}/{listener.Entry.TypeName}: {listener.Relaying} {listener.Serves}: {listener.Text}");
                Assert.Equal(listener.Relaying == Relaying.Open, listener.Session.Count > 0);
            }
        }
        if (Environment.GetEnvironmentVariable("FACTEUR_RELAY_REPORT") is { } report)
        {
            await File.WriteAllTextAsync(report, text.ToString(), TestContext.Current.CancellationToken);
        }
        Assert.True(count > 0);
    }
}
