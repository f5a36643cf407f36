using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using CsCheck;
using Facteur.Config;
using Facteur.Contracts;
using Facteur.Net.Connections;
using Facteur.Net.Dns;
using Facteur.Services.Explain;
using Facteur.Services.Master;
using Facteur.Services.Report.Verify;
using Facteur.Services.Support.Anvil;
using Facteur.Services.Tests.Receive.Smtpd;
using Facteur.Testing;

namespace Facteur.Services.Tests.Explain;

/// <summary>What "facteur explain" says is what the services do: the same session, live, gets the same reply by the same line of the same table.</summary>
public sealed class ExplainTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-explain-").FullName;

    private readonly StaticResolver _dns = new StaticResolver()
        .Add("192.0.2.1", "PTR mx.one.example").Add("mx.one.example", "A 192.0.2.1")
        .Add("192.0.2.2", "PTR forged.example").Add("forged.example", "A 192.0.2.99")
        .Add("one.example", "MX 10 mx.one.example").Add("two.example", "A 192.0.2.1")
        .Add("1.2.0.192.bl.example", "A 127.0.0.2", "TXT listed, at last").Add("2.2.0.192.bl.example", "A 127.0.0.9").Add("2.2.0.192.wl.example", "A 127.0.0.1")
        .Add("two.example.rhs.example", "A 127.0.0.2").Add("mx.one.example.rhs.example", "A 127.0.0.2");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(_directory, name), text);

    private ConfigLoad Load(string main, string master = "smtp inet n - n - - smtpd\n")
    {
        Write("main.cf", $"""
            compatibility_level = 3.11
            myhostname = mx.home.example
            mydomain = home.example
            mydestination = home.example, mx.home.example
            mynetworks = 127.0.0.0/8
            inet_interfaces = 127.0.0.1
            alias_maps =
            local_recipient_maps = texthash:{_directory}/users
            smtpd_error_sleep_time = 0
            address_verify_map = btree:{_directory}/verified
            address_verify_poll_count = 1
            {main}

            """);
        Write("master.cf", $"{master}local unix - n n - - local\nsmtp unix - - n - - smtp\n");
        Write("users", "joe x\nann x\n");
        var load = ConfigLoader.Load(_directory, new LoadOptions { ProcessName = "master" });
        Assert.Empty(load.Errors);
        return load;
    }

    private async Task<(SessionAnswer Answer, IReadOnlyList<SessionAnswer> All, string Text)> Explain(ConfigLoad load, SessionQuestion question)
    {
        await using var explainer = new Explainer(load, question, _dns, TimeProvider.System);
        var answer = await explainer.SessionAsync(question, default);
        return (answer, explainer.Answers, explainer.Explanation.Text);
    }

    /// <summary>The replies that a client gets from the services as master makes them: to its connection, EHLO, MAIL, and each RCPT, up to a refusal before that.</summary>
    private async Task<List<string>> Live(ConfigLoad load, SessionQuestion question, int entry, IPEndPoint? local)
    {
        var around = new Surroundings(RoleSet.Receive | RoleSet.Rewrite, new TestLog(), TimeProvider.System)
        {
            Dns = _dns,
            Incoming = new FakeIncoming(),
            Anvil = new AnvilService(load.Config, null, TimeProvider.System),
            FlushSite = static (_, _) => default,
            FreeBytes = static () => long.MaxValue,
        };
        await using var generation = new Generation(load, around);
        around.Generation.Now = generation;
        using var verify = new VerifyService(load.Config, generation.DefaultCleanup, new ServiceLog(new TestLog(), "verify"), TimeProvider.System);
        around.Probes = verify;
        using var smtpd = generation.Smtpd(load.Entries[entry]);
        var remote = new IPEndPoint(question.Client, 1234);
        var (server, client) = DuplexPair.Create(local, remote);
        var session = Task.Run(async () =>
        {
            await smtpd.ServeAsync(server, remote, local, default);
            await server.Output.CompleteAsync();
        });
        using var reader = new StreamReader(client.Input.AsStream());
        List<string> replies = [await ReplyAsync()];
        foreach (var command in (string[])[$"EHLO {question.Helo}", $"MAIL FROM:<{question.Sender}>", .. question.Recipients.Select(r => $"RCPT TO:<{r}>")])
        {
            if (replies[^1][0] != '2' && !command.StartsWith("RCPT", StringComparison.Ordinal))
            {
                break;
            }
            if (command.StartsWith("RCPT", StringComparison.Ordinal) && replies.Count < 3)
            {
                break;
            }
            if (replies.Count == 3 && replies[2][0] != '2')
            {
                break;
            }
            await client.Output.WriteAsync(Encoding.UTF8.GetBytes(command + "\r\n"));
            replies.Add(await ReplyAsync());
        }
        await client.Output.CompleteAsync();
        await session;
        return replies;

        async Task<string> ReplyAsync()
        {
            var lines = new List<string>();
            while (true)
            {
                lines.Add(await reader.ReadLineAsync() ?? throw new EndOfStreamException());
                if (lines[^1][3] == ' ')
                {
                    return string.Join('\n', lines);
                }
            }
        }
    }

    private void Verified(params (string Address, AddressStatus Status, string Text)[] known)
    {
        File.Delete($"{_directory}/verified.cache");
        using var cache = new VerifyCache($"btree:{_directory}/verified", new VerifyLog(new ServiceLog(new TestLog(), "verify")), TimeProvider.System);
        foreach (var (address, status, text) in known)
        {
            cache.Set(address, new VerifyEntry(status, 0, TimeProvider.System.GetUtcNow().ToUnixTimeSeconds(), text));
        }
    }

    [Fact]
    public async Task A_refusal_names_its_line()
    {
        Write("senders", "# nobody\nfine@one.example OK\nbad@one.example REJECT go away\n");
        var load = Load($"smtpd_recipient_restrictions = permit_mynetworks, check_sender_access texthash:{_directory}/senders, reject_unauth_destination");
        var question = new SessionQuestion(IPAddress.Parse("192.0.2.1"), null, "helo.example", "bad@one.example", ["joe@home.example"], "smtp");
        var (answer, _, text) = await Explain(load, question);
        Assert.Equal("554 5.7.1 <bad@one.example>: Sender address rejected: go away", answer.Reply);
        Assert.Equal(new Decision("check_sender_access", $"texthash:{_directory}/senders", "bad@one.example", $"{_directory}/senders:3"), answer.Decision);
        Assert.Contains("dns PTR 192.0.2.1: mx.one.example", text, StringComparison.Ordinal);
        Assert.Contains("mynetworks 192.0.2.1: does not match", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_way_of_accepted_mail_is_told()
    {
        Write("virtual", "info@home.example joe, far@one.example\n");
        var load = Load($"virtual_alias_maps = texthash:{_directory}/virtual");
        var question = new SessionQuestion(IPAddress.Parse("192.0.2.7"), "given.example", null, "", ["info@home.example"], "smtp");
        var (answer, _, text) = await Explain(load, question);
        Assert.StartsWith("250 2.0.0 Ok: queued as", answer.Reply, StringComparison.Ordinal);
        Assert.Null(answer.Decision);
        foreach (var step in new[]
        {
            "EHLO given.example\n", $"\"info@home.example\": \"joe, far@one.example\" ({_directory}/virtual:1)", "deliver to joe@mx.home.example (for info@home.example)",
            "= transport=local nexthop=mx.home.example recipient=joe@mx.home.example class=local", "= transport=smtp nexthop=one.example recipient=far@one.example class=default",
        })
        {
            Assert.Contains(step, text, StringComparison.Ordinal);
        }
        Assert.Empty(_dns.Asked);
    }

    [Theory]
    [InlineData("transport_maps = pcre:{0}/routes", "transport=smtp nexthop=two.example")]
    [InlineData("sender_dependent_relayhost_maps = pcre:{0}/routes", "transport=smtp nexthop=[fixed.example]")]
    [InlineData("sender_dependent_default_transport_maps = pcre:{0}/routes", "transport=[fixed.example] nexthop=two.example")]
    [InlineData("relocated_maps = pcre:{0}/routes", "transport=error nexthop=5.1.6 User has moved to smtp:[two.example]")]
    public async Task A_route_holds_no_part_of_an_address(string main, string expected)
    {
        // transport(5): whoever writes to an address would choose the next hop.
        Write("routes", "/@(two.example)$/ smtp:[$1]\n/@one.example$/ [fixed.example]\n");
        await using var explainer = new Explainer(Load(string.Format(null, main, _directory)), null, _dns, TimeProvider.System);
        await explainer.AddressAsync("u@two.example", "v@one.example", default);
        Assert.Contains(expected, explainer.Explanation.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_is_followed_to_its_next_hop()
    {
        Write("canonical", "old@home.example new@one.example\n");
        Write("transport", "one.example relay:[gw.example]\n");
        await using var explainer = new Explainer(
            Load($"canonical_maps = texthash:{_directory}/canonical\ntransport_maps = texthash:{_directory}/transport"), null, _dns, TimeProvider.System);
        Assert.True(await explainer.AddressAsync("old@home.example", "", default));
        Assert.Contains($"texthash:{_directory}/canonical \"old@home.example\": \"new@one.example\" ({_directory}/canonical:1)", explainer.Explanation.Text, StringComparison.Ordinal);
        Assert.Contains("= transport=relay nexthop=[gw.example] recipient=new@one.example class=default", explainer.Explanation.Text, StringComparison.Ordinal);
        Assert.Contains("= sender=new@one.example", explainer.Explanation.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_doubt_that_decides_is_the_decision()
    {
        Write("a", "home.example DEFER_IF_PERMIT perhaps later\n");
        var load = Load($"smtpd_recipient_restrictions = check_recipient_access texthash:{_directory}/a, check_sender_access texthash:{_directory}/a, permit");
        var question = new SessionQuestion(IPAddress.Parse("192.0.2.1"), null, "h.example", "x@one.example", ["joe@home.example"], "smtp");
        var (answer, _, _) = await Explain(load, question);
        Assert.Equal("450 4.7.1 <joe@home.example>: Recipient address rejected: perhaps later", answer.Reply);
        Assert.Equal(new Decision("check_recipient_access", $"texthash:{_directory}/a", "home.example", $"{_directory}/a:1"), answer.Decision);
    }

    [Theory]
    [InlineData("reject_rbl_client bl.example", "reject_rbl_client, dns A \"1.2.0.192.bl.example\": 127.0.0.2 \"listed, at last\"")]
    [InlineData("reject_rhsbl_sender rhs.example=127.0.0.2", "reject_rhsbl_sender, dns A \"two.example.rhs.example\": 127.0.0.2")]
    [InlineData("check_policy_service POLICY", "check_policy_service, policy service POLICY: 450 4.7.1 not yet")]
    [InlineData("check_policy_service { inet:127.0.0.1:1, try_limit=1, default_action={450 4.7.1 silent} }", "check_policy_service, policy service { inet:127.0.0.1:1, try_limit=1, default_action={450 4.7.1 silent} }: no answer, so 450 4.7.1 silent")]
    [InlineData("reject_unverified_sender", "reject_unverified_sender, verify \"b@two.example\": undeliverable: host mx.two.example said: 550 who?")]
    [InlineData("reject_unverified_recipient", "reject_unverified_recipient, verify \"joe@home.example\": nothing is known: what comes of a probe decides")]
    public async Task What_a_server_said_is_named(string restriction, string decision)
    {
        using var policy = new PolicyServer(_ => "action=450 4.7.1 not yet\n\n");
        Verified(("b@two.example", AddressStatus.Bounced, "host mx.two.example said: 550 who?"));
        // The words of a reply are no decision.
        Write("replies", "bl.example $rbl_code $rbl_reason\n");
        var load = Load($"smtpd_recipient_restrictions = {restriction.Replace("POLICY", policy.Endpoint, StringComparison.Ordinal)}, permit\nrbl_reply_maps = texthash:{_directory}/replies");
        var (answer, _, _) = await Explain(load, new SessionQuestion(IPAddress.Parse("192.0.2.1"), null, "h.example", "b@two.example", ["joe@home.example"], "smtp"));
        Assert.Equal(decision.Replace("POLICY", policy.Endpoint, StringComparison.Ordinal), answer.Decision?.Text);
    }

    [Theory]
    [InlineData("reject_unknown_sender_domain", "192.0.2.1", null, "MX gone.example: no such name; A gone.example: no such name; AAAA gone.example: no such name")]
    [InlineData("reject_unknown_client_hostname", "192.0.2.2", null, "PTR 192.0.2.2: forged.example; A forged.example: 192.0.2.99")]
    [InlineData("reject_unknown_reverse_client_hostname", "192.0.2.3", null, "PTR 192.0.2.3: no such name")]
    [InlineData("reject_unknown_reverse_client_hostname", "192.0.2.1", "unknown", "given 192.0.2.1: no such name")]
    [InlineData("reject_unknown_helo_hostname", "192.0.2.1", null, "A h.example: no such name; AAAA h.example: no such name; MX h.example: no such name")]
    [InlineData("check_sender_mx_access texthash:DIR/none, reject_non_fqdn_sender, reject", "192.0.2.1", null, null)]
    public async Task What_the_DNS_said_is_named(string restrictions, string client, string? name, string? said)
    {
        Write("none", "x REJECT\n");
        var load = Load($"smtpd_recipient_restrictions = {restrictions.Replace("DIR", _directory, StringComparison.Ordinal)}");
        var (answer, _, _) = await Explain(load, new SessionQuestion(IPAddress.Parse(client), name, "h.example", "b@gone.example", ["joe@home.example"], "smtp"));
        Assert.Equal(said is null ? "reject" : $"{restrictions}, dns: {said}", answer.Decision?.Text);
    }

    [Theory]
    [InlineData(AddressStatus.Ok, "250 2.0.0 Ok: queued as ")]
    [InlineData(AddressStatus.Bounced, "550 5.1.1 <joe@home.example>: Recipient address rejected: undeliverable address: found out")]
    [InlineData(AddressStatus.Deferred, "450 4.1.1 <joe@home.example>: Recipient address rejected: unverified address: found out")]
    public async Task What_the_running_system_found_out_counts(AddressStatus status, string reply)
    {
        Verified(("joe@home.example", status, "found out"));
        var before = await File.ReadAllTextAsync($"{_directory}/verified.cache", TestContext.Current.CancellationToken);
        var (answer, _, text) = await Explain(Load("smtpd_recipient_restrictions = reject_unverified_recipient\nunverified_recipient_reject_code = 550"), new SessionQuestion(IPAddress.Parse("192.0.2.1"), null, "h.example", "b@two.example", ["joe@home.example"], "smtp"));
        Assert.True(answer.Reply.StartsWith(reply, StringComparison.Ordinal), answer.Reply + "\n" + text);
        Assert.Equal(before, await File.ReadAllTextAsync($"{_directory}/verified.cache", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Each_recipient_has_its_answer()
    {
        Write("a", "ann@home.example REJECT first\n");
        var load = Load($"smtpd_recipient_restrictions = check_recipient_access texthash:{_directory}/a, reject_unauth_destination\nsmtpd_reject_footer = one\\ntwo");
        var (answer, all, _) = await Explain(load, new SessionQuestion(IPAddress.Parse("192.0.2.1"), null, "h.example", "b@two.example", ["ann@home.example", "joe@home.example", "x@one.example", "joe@home.example"], "smtp"));
        var recipients = all.Where(a => a.IsRecipient).ToList();
        Assert.Equal(
            ["554-5.7.1 <ann@home.example>: Recipient address rejected: first\n554-5.7.1 one\n554 5.7.1 two", "250 2.1.5 Ok", "454-4.7.1 <x@one.example>: Relay access denied\n454-4.7.1 one\n454 4.7.1 two", "250 2.1.5 Ok"],
            recipients.Select(r => r.Reply));
        Assert.Equal([new Decision("check_recipient_access", $"texthash:{_directory}/a", "ann@home.example", $"{_directory}/a:1"), null, new Decision("defer_unauth_destination", null, null, null), null], recipients.Select(r => r.Decision));
        Assert.Equal(recipients[2], answer);
        Assert.StartsWith("250 2.0.0 Ok: queued as ", all[^2].Reply, StringComparison.Ordinal);
    }

    /// <summary>Which entry is meant, and the address that clients come to.</summary>
    [Theory]
    [InlineData("smtp", 0, "127.0.0.1:25")]
    [InlineData("127.0.0.1:25", 0, "127.0.0.1:25")]
    [InlineData("192.0.2.1:25", 1, "192.0.2.1:25")]
    [InlineData("192.0.2.1:smtp", 1, "192.0.2.1:25")]
    [InlineData("25", -1, "several smtpd serve 25: expected one of smtp/inet, 192.0.2.1:smtp/inet")]
    [InlineData("10025", 2, "[::1]:10025")]
    [InlineData("[::1]:10025", 2, "[::1]:10025")]
    [InlineData("inner", 4, null)]
    [InlineData("submission", 3, null)]
    [InlineData("submission/inet", 3, null)]
    [InlineData("587", 3, null)]
    [InlineData("198.51.100.1:587", 3, "198.51.100.1:587")]
    [InlineData("submission/unix", 5, null)]
    [InlineData("lmtp", -1, "no smtpd serves lmtp; expected smtp/inet, 192.0.2.1:smtp/inet, ")]
    [InlineData("198.51.100.1:25", -1, "no smtpd serves 198.51.100.1:25; expected ")]
    public void A_service_is_found_by_name_address_or_port(string service, int entry, string? local)
    {
        var load = Load("", "smtp inet n - n - - smtpd\n192.0.2.1:smtp inet n - n - - smtpd\n[::1]:10025 inet n - n - - smtpd\nsubmission inet n - n - - smtpd -o inet_interfaces=all\ninner unix n - n - - smtpd\nsubmission unix n - n - - smtpd\n");
        if (entry < 0)
        {
            Assert.Contains(local!, Assert.Throws<ConfigException>(() => ExplainedListener.Find(load, service, new HostsFile("/dev/null", TimeProvider.System))).Message, StringComparison.Ordinal);
            return;
        }
        var (found, address) = ExplainedListener.Find(load, service, new HostsFile("/dev/null", TimeProvider.System));
        Assert.Equal((load.Entries[entry], local), (found, address?.ToString()));
    }

    /// <summary>Random lists of restrictions over random tables, whose every refusal says in its text where it stands.</summary>
    [Fact]
    public void Explained_and_live_are_the_same()
    {
        string[] clients = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "127.0.0.1"], helos = ["mx.one.example", "plain", "[192.0.2.1]", "-bad"];
        string[] senders = ["", "a@one.example", "b@two.example", "c@none.example", "joe@home.example", "nobody@home.example"];
        string[] recipients = ["joe@home.example", "nobody@home.example", "x@one.example", "ann%one.example@home.example", "\"y@one.example\"@home.example", "postmaster"];
        string[] keys =
        [
            "192.0.2.1", "192.0.2", "mx.one.example", "one.example", "example", "unknown", "plain", "a@one.example", "b@", "two.example", "home.example", "joe@home.example", "<>",
        ];
        string[] actions = ["REJECT {0}", "450 4.7.1 {0}", "DEFER_IF_PERMIT {0}", "DEFER_IF_REJECT {0}", "OK", "DUNNO", "PREPEND X: y", "strict", "warn_if_reject reject", "HOLD"];
        string[] plain =
        [
            "permit_mynetworks", "reject_unauth_destination", "permit_auth_destination", "reject_unknown_client_hostname", "reject_non_fqdn_helo_hostname", "reject_invalid_helo_hostname",
            "reject_rbl_client bl.example", "reject_rbl_client bl.example=127.0.0.[1..3]", "permit_dnswl_client wl.example", "reject_rhsbl_sender rhs.example", "warn_if_reject reject_rhsbl_helo rhs.example",
            "reject_rbl_client bl.example", "reject_unverified_sender", "reject_unverified_recipient", "check_policy_service POLICY", "check_policy_service { inet:127.0.0.1:1, try_limit=1, default_action={450 4.7.1 policy silent} }",
            "check_sender_mx_access texthash:DIR/t1", "check_recipient_a_access texthash:DIR/t2", "check_policy_service POLICY", "reject_unknown_sender_domain", "reject_unlisted_sender", "reject_unlisted_recipient", "strict", "warn_if_reject reject_unknown_client_hostname", "reject_non_fqdn_recipient",
        ];
        string[] places = ["client", "helo", "sender", "recipient"];
        using var policy = new PolicyServer(request => request.Contains("sender=a@", StringComparison.Ordinal) ? "action=450 4.7.1 policy\n\n"
            : request.Contains("server_address=192.0.2.1", StringComparison.Ordinal) ? "action=450 4.7.1 policy of 192.0.2.1\n\n"
            : request.Contains("helo_name=plain", StringComparison.Ordinal) ? "action=DEFER_IF_PERMIT policy\n\n" : request.Contains("recipient=ann", StringComparison.Ordinal) ? "action=OK\n\n" : "action=DUNNO\n\n");
        static Gen<string> One(string[] of) => Gen.Int[0, of.Length - 1].Select(i => of[i]);
        var restriction = Gen.OneOf(
            One(plain), Gen.Select(One(places), Gen.Int[0, 3], (place, table) => $"check_{place}_access {(table == 3 ? "regexp" : "texthash")}:DIR/t{table}"));
        var list = restriction.Array[0, 4];
        var texthash = Gen.Select(One(keys), One(actions)).Array[0, 6];
        (string Service, int Entry, IPEndPoint? Local)[] services =
        [
            ("smtp", 0, new(IPAddress.Loopback, 25)), ("127.0.0.1:25", 0, new(IPAddress.Loopback, 25)), ("192.0.2.1:25", 1, new(IPAddress.Parse("192.0.2.1"), 25)), ("192.0.2.1:smtp", 1, new(IPAddress.Parse("192.0.2.1"), 25)),
            ("10025", 2, new(IPAddress.Loopback, 10025)), ("inner", 3, null), ("inner/unix", 3, null),
        ];
        const string Master = """
            smtp inet n - n - - smtpd
            192.0.2.1:smtp inet n - n - - smtpd -o { smtpd_reject_footer = of another }
            127.0.0.1:10025 inet n - n - - smtpd -o smtpd_client_restrictions= -o smtpd_delay_reject=yes
            inner unix n - n - - smtpd -o smtpd_helo_restrictions=$smtpd_recipient_restrictions

            """;
        // What the scripted DNS has of a list, and what its text is.
        string[][] listings = [[], ["A 127.0.0.2"], ["A 127.0.0.9", "TXT nine"], ["A 127.0.0.3", "A 127.0.0.9", "TXT three"], ["TXT alone"]];
        string[] listed = ["1.2.0.192.bl.example", "2.2.0.192.bl.example", "3.2.0.192.bl.example", "2.2.0.192.wl.example", "two.example.rhs.example", "one.example.rhs.example", "mx.one.example.rhs.example"];
        string[] footers = ["", "one line", "first for $client_address\\n  second\\nthird", "\\c (continued)"];
        var counts = new int[6];
        Gen.Select(
            Gen.Select(list.Array[4], texthash.Array[4]), Gen.Select(Gen.Bool, Gen.Bool, One(footers)), Gen.Int[0, listings.Length].Array[listed.Length],
            Gen.Select(One(clients), One(helos), One(senders), One(recipients).Array[1, 3], Gen.Int[0, services.Length - 1]).Array[4],
            Gen.Int[0, 3].Array[recipients.Length + senders.Length])
            .Sample(
                (written, flags, answers, sessions, known) =>
                {
                    var (lists, tables) = written;
                    var (delay, unlisted, footer) = flags;
                    for (var t = 0; t < tables.Length; t++)
                    {
                        var seen = new HashSet<string>(StringComparer.Ordinal);
                        var rows = tables[t].Where(row => seen.Add(row.Item1)).Select(
                            (row, line) => $"{(t == 3 ? $"/^{row.Item1.Replace(".", "\\.", StringComparison.Ordinal)}$/" : row.Item1)} {string.Format(null, row.Item2, $"at-t{t}-line-{line + 1}.")}");
                        Write($"t{t}", string.Join('\n', rows) + "\n");
                    }
                    for (var l = 0; l < listed.Length; l++)
                    {
                        _dns.Set(listed[l], answers[l] < listings.Length ? listings[answers[l]] : []);
                        _ = answers[l] < listings.Length ? _dns.Failing.Remove(listed[l]) : _dns.Failing.Add(listed[l]);
                    }
                    string List(int i) => string.Join(", ", lists[i]).Replace("DIR", _directory, StringComparison.Ordinal).Replace("POLICY", policy.Endpoint, StringComparison.Ordinal);
                    var load = Load($"""
                        smtpd_restriction_classes = strict
                        strict = check_sender_access texthash:{_directory}/t0, reject_unknown_client_hostname
                        smtpd_client_restrictions = {List(0)}
                        smtpd_helo_restrictions = {List(1)}
                        smtpd_sender_restrictions = {List(2)}
                        smtpd_recipient_restrictions = {List(3)}
                        smtpd_delay_reject = {(delay ? "yes" : "no")}
                        smtpd_reject_unlisted_sender = {(unlisted ? "yes" : "no")}
                        smtpd_reject_footer = {footer}
                        """, Master);
                    foreach (var (client, helo, sender, to, at) in sessions)
                    {
                        // The first of each is not known.
                        Verified([.. senders.Concat(recipients).Where(a => a.Contains('@')).Zip(known).Where(k => k.Second > 0).Select(k => (k.First, (AddressStatus)(k.Second - 1), "found out"))]);
                        var question = new SessionQuestion(IPAddress.Parse(client), null, helo, sender, to, services[at].Service);
                        var (_, explained, text) = Explain(load, question).GetAwaiter().GetResult();
                        var live = Live(load, question, services[at].Entry, services[at].Local).GetAwaiter().GetResult();
                        for (var i = 0; i < live.Count; i++)
                        {
                            Assert.True(i < explained.Count && live[i] == explained[i].Reply, $"live {live[i]}, explained {explained.ElementAtOrDefault(i)?.Reply}\n{text}");
                            Assert.True(live[i][0] == '2' == explained[i].Decision is null, $"{live[i]}: {explained[i].Decision}\n{text}");
                            if (explained[i].Decision is { } decision)
                            {
                                counts[Decided(live[i], decision, policy.Endpoint, text)]++;
                            }
                        }
                    }
                },
                iter: 150, threads: 1);
        Assert.True(counts.All(c => c > 0), string.Join(' ', counts));
    }

    // What decided is what the live reply is made of: a line of a table (1), a DNS list with its answer (2), a policy service (3), a result of a probe (4), the DNS (5); or something else (0).
    private int Decided(string live, Decision decision, string policy, string text)
    {
        if (Regex.Match(live, @"at-t(\d)-line-(\d+)\.") is { Success: true } line)
        {
            Assert.True(decision.Place == $"{_directory}/t{line.Groups[1]}:{line.Groups[2]}", $"{live}: {decision}\n{text}");
            return 1;
        }
        if (Regex.Match(live, @"blocked using ([a-z.]+)(; (.*))?") is { Success: true } list)
        {
            Assert.True(decision.Table == "dns A" && decision.Key!.EndsWith("." + list.Groups[1], StringComparison.Ordinal), $"{live}: {decision}\n{text}");
            Assert.Contains($"dns A {decision.Key}: ", text, StringComparison.Ordinal);
            Assert.True(list.Groups[2].Length == 0 || live.Contains(decision.Answer!.Split('"')[1], StringComparison.Ordinal), $"{live}: {decision}\n{text}");
            return 2;
        }
        if (live.Contains(" policy", StringComparison.Ordinal))
        {
            var silent = live.Contains("policy silent", StringComparison.Ordinal);
            Assert.True(decision.Restriction == "check_policy_service" && (silent ? decision.Answer!.StartsWith("no answer, so 450 4.7.1 policy silent", StringComparison.Ordinal) : decision.Table == $"policy service {policy}"), $"{live}: {decision}\n{text}");
            return 3;
        }
        if (live.Contains("found out", StringComparison.Ordinal) || live.Contains("verification in progress", StringComparison.Ordinal))
        {
            Assert.True(decision.Table == "verify" && decision.Answer!.Contains(live.Contains("found out", StringComparison.Ordinal) ? "found out" : "nothing is known", StringComparison.Ordinal), $"{live}: {decision}\n{text}");
            return 4;
        }
        if (live.Contains("Domain not found", StringComparison.Ordinal) || live.Contains("cannot find your hostname", StringComparison.Ordinal))
        {
            Assert.True(decision is { Table: "dns", Answer.Length: > 0 }, $"{live}: {decision}\n{text}");
            return 5;
        }
        return 0;
    }
}
