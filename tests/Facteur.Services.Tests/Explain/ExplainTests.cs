using System.Net;
using System.Text;
using CsCheck;
using Facteur.Config;
using Facteur.Net.Connections;
using Facteur.Services.Explain;
using Facteur.Services.Master;
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

    private ConfigLoad Load(string main)
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
            {main}

            """);
        Write("master.cf", "smtp inet n - n - - smtpd\nlocal unix - n n - - local\nsmtp unix - - n - - smtp\n");
        Write("users", "joe x\nann x\n");
        var load = ConfigLoader.Load(_directory, new LoadOptions { ProcessName = "master" });
        Assert.Empty(load.Errors);
        return load;
    }

    private async Task<(string Reply, Explanation Explanation)> Explain(ConfigLoad load, SessionQuestion question)
    {
        await using var explainer = new Explainer(load, question, _dns, TimeProvider.System);
        return (await explainer.SessionAsync(question, default), explainer.Explanation);
    }

    /// <summary>The reply that a client gets from the services as master makes them: to RCPT, or the refusal before it.</summary>
    private async Task<string> Live(ConfigLoad load, SessionQuestion question)
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
        using var smtpd = generation.Smtpd(load.Entries[0]);
        var remote = new IPEndPoint(question.Client, 1234);
        var (server, client) = DuplexPair.Create(null, remote);
        var session = Task.Run(async () =>
        {
            await smtpd.ServeAsync(server, remote, null, default);
            await server.Output.CompleteAsync();
        });
        using var reader = new StreamReader(client.Input.AsStream());
        var reply = await ReplyAsync();
        foreach (var command in (string[])[$"EHLO {question.Helo}", $"MAIL FROM:<{question.Sender}>", $"RCPT TO:<{question.Recipients[0]}>"])
        {
            if (reply[0] != '2')
            {
                break;
            }
            await client.Output.WriteAsync(Encoding.UTF8.GetBytes(command + "\r\n"));
            reply = await ReplyAsync();
        }
        await client.Output.CompleteAsync();
        await session;
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

    [Fact]
    public async Task A_refusal_names_its_line()
    {
        Write("senders", "# nobody\nfine@one.example OK\nbad@one.example REJECT go away\n");
        var load = Load($"smtpd_recipient_restrictions = permit_mynetworks, check_sender_access texthash:{_directory}/senders, reject_unauth_destination");
        var question = new SessionQuestion(IPAddress.Parse("192.0.2.1"), null, "helo.example", "bad@one.example", ["joe@home.example"], "smtp");
        var (reply, explanation) = await Explain(load, question);
        Assert.Equal("554 5.7.1 <bad@one.example>: Sender address rejected: go away", reply);
        Assert.Equal(new Decision("check_sender_access", $"texthash:{_directory}/senders", "bad@one.example", $"{_directory}/senders:3"), explanation.Refusal);
        Assert.Contains("dns PTR 192.0.2.1: mx.one.example", explanation.Text, StringComparison.Ordinal);
        Assert.Contains("mynetworks 192.0.2.1: does not match", explanation.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_way_of_accepted_mail_is_told()
    {
        Write("virtual", "info@home.example joe, far@one.example\n");
        var load = Load($"virtual_alias_maps = texthash:{_directory}/virtual");
        var question = new SessionQuestion(IPAddress.Parse("192.0.2.7"), "given.example", null, "", ["info@home.example"], "smtp");
        var (reply, explanation) = await Explain(load, question);
        Assert.StartsWith("250 2.0.0 Ok: queued as", reply, StringComparison.Ordinal);
        Assert.Null(explanation.Refusal);
        foreach (var step in new[]
        {
            "EHLO given.example\n", $"\"info@home.example\": \"joe, far@one.example\" ({_directory}/virtual:1)", "deliver to joe@mx.home.example (for info@home.example)",
            "= transport=local nexthop=mx.home.example recipient=joe@mx.home.example class=local", "= transport=smtp nexthop=one.example recipient=far@one.example class=default",
        })
        {
            Assert.Contains(step, explanation.Text, StringComparison.Ordinal);
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
        var (reply, explanation) = await Explain(load, question);
        Assert.Equal("450 4.7.1 <joe@home.example>: Recipient address rejected: perhaps later", reply);
        Assert.Equal(new Decision("check_recipient_access", $"texthash:{_directory}/a", "home.example", $"{_directory}/a:1"), explanation.Refusal);
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
            "check_sender_mx_access texthash:DIR/t1", "check_recipient_a_access texthash:DIR/t2", "check_policy_service POLICY", "reject_unknown_sender_domain", "reject_unlisted_sender", "reject_unlisted_recipient", "strict", "warn_if_reject reject_unknown_client_hostname", "reject_non_fqdn_recipient",
        ];
        string[] places = ["client", "helo", "sender", "recipient"];
        using var policy = new PolicyServer(request => request.Contains("sender=a@", StringComparison.Ordinal) ? "action=450 4.7.1 policy\n\n"
            : request.Contains("helo_name=plain", StringComparison.Ordinal) ? "action=DEFER_IF_PERMIT policy\n\n" : request.Contains("recipient=ann", StringComparison.Ordinal) ? "action=OK\n\n" : "action=DUNNO\n\n");
        static Gen<string> One(string[] of) => Gen.Int[0, of.Length - 1].Select(i => of[i]);
        var restriction = Gen.OneOf(
            One(plain), Gen.Select(One(places), Gen.Int[0, 3], (place, table) => $"check_{place}_access {(table == 3 ? "regexp" : "texthash")}:DIR/t{table}"));
        var list = restriction.Array[0, 4];
        var texthash = Gen.Select(One(keys), One(actions)).Array[0, 6];
        Gen.Select(
            list.Array[4], texthash.Array[4], Gen.Bool, Gen.Bool,
            Gen.Select(One(clients), One(helos), One(senders), One(recipients)).Array[4])
            .Sample(
                (lists, tables, delay, listed, sessions) =>
                {
                    for (var t = 0; t < tables.Length; t++)
                    {
                        var seen = new HashSet<string>(StringComparer.Ordinal);
                        var rows = tables[t].Where(row => seen.Add(row.Item1)).Select(
                            (row, line) => $"{(t == 3 ? $"/^{row.Item1.Replace(".", "\\.", StringComparison.Ordinal)}$/" : row.Item1)} {string.Format(null, row.Item2, $"at-t{t}-line-{line + 1}.")}");
                        Write($"t{t}", string.Join('\n', rows) + "\n");
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
                        smtpd_reject_unlisted_sender = {(listed ? "yes" : "no")}
                        """);
                    foreach (var (client, helo, sender, recipient) in sessions)
                    {
                        var question = new SessionQuestion(IPAddress.Parse(client), null, helo, sender, [recipient], "smtp");
                        var (reply, explanation) = Explain(load, question).GetAwaiter().GetResult();
                        var live = Live(load, question).GetAwaiter().GetResult();
                        if (live[0] == '2')
                        {
                            Assert.True(reply[0] == '2' && explanation.Refusal is null, $"live {live}, explained {reply}\n{explanation.Text}");
                            continue;
                        }
                        Assert.True(live == reply, $"live {live}, explained {reply}\n{explanation.Text}");
                        Assert.True(explanation.Refusal is not null, explanation.Text);
                        var at = live.IndexOf("at-t", StringComparison.Ordinal);
                        if (at >= 0)
                        {
                            var parts = live[(at + 3)..live.LastIndexOf('.')].Split("-line-");
                            Assert.True(explanation.Refusal.Place == $"{_directory}/{parts[0]}:{parts[1]}", $"{live}: {explanation.Refusal}\n{explanation.Text}");
                        }
                    }
                },
                iter: 60, threads: 1);
    }
}
