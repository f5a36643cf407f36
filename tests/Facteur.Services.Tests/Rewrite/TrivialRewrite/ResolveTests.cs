using System.Net;
using CsCheck;
using Facteur.Contracts;
using Facteur.Services.Rewrite.TrivialRewrite;
using Facteur.Testing;

namespace Facteur.Services.Tests.Rewrite.TrivialRewrite;

public sealed class ResolveTests
{
    private readonly TestLog _log = new();
    private readonly MemoryTables _tables = new();

    private TrivialRewriteService Service(params (string Name, string Value)[] values)
    {
        var config = new TestConfig([("append_dot_mydomain", "no"), .. values.Any(v => v.Name == "relay_domains") ? [] : new[] { ("relay_domains", "") }, .. values]);
        return new TrivialRewriteService(
            config, _tables, _tables, new MemoryAddressMaps("+", "dest.example"), new MemoryMatchLists(_tables), IPAddress.Parse("127.0.0.1").Equals, new ServiceLog(_log, "postfix/trivial-rewrite"));
    }

    private static async Task<string> Resolve(TrivialRewriteService service, string recipient, string sender = "a@sender.example")
    {
        var answer = await service.ResolveAsync(sender, recipient, default);
        return $"{answer.Transport}:{answer.Nexthop} {answer.Recipient} {answer.Flags}";
    }

    [Theory]
    [InlineData("alice@127.0.0.1", "local:mx.dest.example alice@[127.0.0.1] Local")]
    [InlineData("alice@192.0.2.9", "smtp:[192.0.2.9] alice@[192.0.2.9] Default")]
    public async Task A_bare_address_of_this_system_is_local_where_it_counts_as_one(string address, string expected) =>
        Assert.Equal(expected, await Resolve(Service(("resolve_numeric_domain", "yes")), address));

    [Theory]
    [InlineData("alice@dest.example", "local:mx.dest.example alice@dest.example Local")]
    [InlineData("alice@DEST.Example", "local:mx.dest.example alice@DEST.Example Local")]
    [InlineData("alice", "local:mx.dest.example alice@mx.dest.example Local")]
    [InlineData("alice@[127.0.0.1]", "local:mx.dest.example alice@[127.0.0.1] Local")]
    [InlineData("alice@[127.0.0.9]", "smtp:[127.0.0.9] alice@[127.0.0.9] Default")]
    [InlineData("", "local:mx.dest.example MAILER-DAEMON@mx.dest.example Local")]
    [InlineData("\"\"@dest.example", "local:mx.dest.example MAILER-DAEMON@dest.example Local")]
    [InlineData("@dest.example", "local:mx.dest.example MAILER-DAEMON@dest.example Local")]
    [InlineData("x@remote.example", "smtp:remote.example x@remote.example Default")]
    [InlineData("x@remote.example.", "smtp:remote.example x@remote.example Default")]
    [InlineData("alice%other.example@dest.example", "smtp:other.example alice@other.example Default")]
    [InlineData("other.example!carol@dest.example", "smtp:other.example carol@other.example Default")]
    [InlineData("\"u@evil.example\"@dest.example", "smtp:evil.example u@evil.example Default")]
    [InlineData("\"u%evil.example\"@dest.example", "smtp:evil.example u@evil.example Default")]
    [InlineData("u@x.example@dest.example", "smtp:x.example u@x.example Default")]
    [InlineData("u%x.example@remote.example", "smtp:remote.example u%x.example@remote.example Default, Routed")]
    [InlineData("\"u@x.example\"@remote.example", "smtp:remote.example \"u@x.example\"@remote.example Default, Routed")]
    [InlineData("site!u@remote.example", "smtp:remote.example site!u@remote.example Default, Routed")]
    [InlineData("u@", "error:5.1.3 bad address syntax u@ Default, Error")]
    [InlineData("u@1.2.3.4", "error:5.1.3 bad address syntax u@1.2.3.4 Default, Error")]
    [InlineData("u@bad..example", "error:5.1.3 bad address syntax u@bad..example Default, Error")]
    [InlineData("u@[300.1.1.1]", "error:5.1.3 bad address syntax u@[300.1.1.1] Default, Error")]
    [InlineData("-u@remote.example", "error:5.1.3 bad address syntax -u@remote.example Default, Error")]
    [InlineData("\"-v x\"@remote.example", "error:5.1.3 bad address syntax \"-v x\"@remote.example Default, Error")]
    [InlineData("zoë@bücher.example", "smtp:bücher.example zoë@bücher.example Default")]
    public async Task Finds_the_class(string recipient, string expected) => Assert.Equal(expected, await Resolve(Service(), recipient));

    [Fact]
    public async Task Probes_go_by_parameters_of_their_own()
    {
        _tables.Add("hash:mail", ("x.example", "smtp:[mail.example]")).Add("hash:probes", ("y.example", "smtp:[probes.example]")).Add("hash:senders", ("a@sender.example", "[sender.example]"));
        var service = Service(
            ("relay_domains", "relayed.example"), ("relayhost", "[gw.example]"), ("transport_maps", "hash:mail"), ("sender_dependent_relayhost_maps", "hash:senders"),
            ("address_verify_local_transport", "local:probe"), ("address_verify_relay_transport", "probe"), ("address_verify_relayhost", "[probe-gw.example]"),
            ("address_verify_transport_maps", "hash:probes"), ("address_verify_sender_dependent_relayhost_maps", ""));
        async Task<string> Probe(string recipient)
        {
            var answer = await service.ResolveProbeAsync("a@sender.example", recipient, default);
            return $"{answer.Transport}:{answer.Nexthop}";
        }
        Assert.Equal("local:probe", await Probe("alice@dest.example"));
        Assert.Equal("probe:[probe-gw.example]", await Probe("u@relayed.example"));
        Assert.Equal("smtp:[probe-gw.example]", await Probe("u@x.example"));
        Assert.Equal("smtp:[probes.example]", await Probe("u@y.example"));
        Assert.Equal("smtp:[mail.example] u@x.example Default", await Resolve(service, "u@x.example"));
        Assert.Equal("smtp:[sender.example] u@y.example Default", await Resolve(service, "u@y.example"));
    }

    [Fact]
    public async Task Finds_virtual_and_relay_classes()
    {
        _tables.Add("hash:virtual", ("virt.example", "x"));
        var service = Service(
            ("virtual_alias_domains", "hash:virtual"), ("virtual_mailbox_domains", "box.example"), ("relay_domains", "relayed.example, virt.example"), ("relayhost", "[gw.example]:2525"));
        Assert.Equal("error:5.1.1 User unknown in virtual alias table u@virt.example VirtualAlias", await Resolve(service, "u@virt.example"));
        Assert.Equal("virtual:box.example u@box.example VirtualMailbox", await Resolve(service, "u@box.example"));
        Assert.Equal("relay:[gw.example]:2525 u@relayed.example Relay", await Resolve(service, "u@relayed.example"));
        Assert.Equal("smtp:[gw.example]:2525 u@other.example Default", await Resolve(service, "u@other.example"));
        Assert.Equal(["postfix/trivial-rewrite: warning: do not list domain virt.example in BOTH virtual_alias_domains and relay_domains"], _log.Lines);
        Assert.StartsWith("error:5.1.1 User unknown u@virt.example", await Resolve(Service(("virtual_alias_domains", "virt.example"), ("show_user_unknown_table_name", "no")), "u@virt.example"));
    }

    // Recording 18_transport_map.
    [Theory]
    [InlineData("a@err.example", "error:5.7.1 mail to here is closed")]
    [InlineData("b@retry.example", "retry:4.3.2 later please")]
    [InlineData("c@disc.example", "discard:silently")]
    [InlineData("d@port.example", "smtp:[127.0.10.6]:2626")]
    [InlineData("e@x.sub.example", "smtp:[127.0.10.6]:2626")]
    [InlineData("f@sub.example", "smtp:[127.0.10.4]:2525")]
    [InlineData("user@exact.example", "smtp:[127.0.10.6]:2626")]
    [InlineData("user+ext@exact.example", "smtp:[127.0.10.6]:2626")]
    [InlineData("other@exact.example", "smtp:[127.0.10.4]:2525")]
    [InlineData("g@local.example", "smtp:[127.0.10.4]:2525")]
    [InlineData("h@mx.example", "smtp:remote.example")]
    [InlineData("i@anywhere.example", "smtp:[127.0.10.4]:2525")]
    [InlineData("ok@relayed.example", "relay:[127.0.10.6]:2626")]
    [InlineData("j@slow.example", "slow:slow.example")]
    [InlineData("k@hop.example", "smtp:[gateway.example]")]
    [InlineData("l@closed.example", "error:Address is undeliverable")]
    public async Task Follows_the_transport_map(string recipient, string route)
    {
        _tables.Add(
            "hash:transport", ("err.example", "error:5.7.1 mail to here is closed"), ("retry.example", "retry:4.3.2 later please"), ("disc.example", "discard:silently"),
            ("port.example", "smtp:[127.0.10.6]:2626"), (".sub.example", "smtp:[127.0.10.6]:2626"), ("user@exact.example", "smtp:[127.0.10.6]:2626"), ("local.example", ":"),
            ("mx.example", "smtp:remote.example"), ("relayed.example", "relay:[127.0.10.6]:2626"), ("slow.example", "slow:"), ("hop.example", ":[gateway.example]"), ("closed.example", "error:"));
        var service = Service(("transport_maps", "hash:transport"), ("relayhost", "[127.0.10.4]:2525"), ("relay_domains", "relayed.example"));
        Assert.StartsWith($"{route} {recipient} ", await Resolve(service, recipient));
    }

    [Fact]
    public async Task Takes_the_wildcard_last_and_parents_where_asked()
    {
        _tables.Add("hash:transport", ("my.example", ":"), ("*", "smtp:outbound.example"));
        Assert.StartsWith("smtp:outbound.example", await Resolve(Service(("transport_maps", "hash:transport")), "u@x.my.example"));
        Assert.StartsWith("smtp:x.my.example", await Resolve(Service(("transport_maps", "hash:transport"), ("parent_domain_matches_subdomains", "transport_maps")), "u@x.my.example"));
        Assert.StartsWith("smtp:outbound.example", await Resolve(Service(("transport_maps", "hash:transport")), "alice@dest.example"));
    }

    // Recording 41_socketmap_tcp_tables: whole addresses and "*" are asked for, no domains.
    [Fact]
    public async Task Asks_tables_of_patterns_for_whole_addresses_and_the_wildcard()
    {
        var asked = new List<string>();
        _tables.AddPattern("socketmap:transport", key =>
        {
            asked.Add(key);
            return key == "*" ? "smtp:outbound.example" : null;
        });
        Assert.StartsWith("smtp:outbound.example ", await Resolve(Service(("transport_maps", "socketmap:transport")), "u@x.example"));
        Assert.Equal(["u@x.example", "*"], asked);
    }

    [Theory]
    [InlineData("0", null, "u@host", "using backwards-compatible default setting append_dot_mydomain=yes to rewrite \"host\" to \"host.dest.example\"")]
    [InlineData("0", null, "u@localhost",
        "using backwards-compatible default setting append_dot_mydomain=yes to rewrite \"localhost\" to \"localhost.dest.example\"; please add \"localhost\" to mydestination or other address class")]
    [InlineData("0", null, "u@a.b", null)]
    [InlineData("0", "yes", "u@host", null)]
    [InlineData("1", null, "u@host", null)]
    public async Task Domains_completed_by_an_old_default_are_told(string level, string? set, string address, string? expected)
    {
        var config = new TestConfig([("compatibility_level", level), ("mydomain", "dest.example"), .. set is null ? [] : new[] { ("append_dot_mydomain", set) }]);
        var service = new TrivialRewriteService(
            config, _tables, _tables, new MemoryAddressMaps("+", "dest.example"), new MemoryMatchLists(_tables), IPAddress.Parse("127.0.0.1").Equals, new ServiceLog(_log, "postfix/trivial-rewrite"));
        await service.RewriteAsync(local: true, address, TestContext.Current.CancellationToken);
        Assert.Equal(expected is null ? [] : [$"postfix/trivial-rewrite: {expected}"], _log.Lines);
    }

    [Theory]
    [InlineData("joe", "smtp:mx.dest.example joe@mx.dest.example Default")]
    [InlineData("", "smtp:mx.dest.example MAILER-DAEMON@mx.dest.example Default")]
    [InlineData("joe@dest.example", "smtp:dest.example joe@dest.example Default")]
    public async Task Mail_without_a_domain_is_local_only_where_this_host_is(string address, string expected) =>
        Assert.Equal(expected, await Resolve(Service(("mydestination", ""), ("append_at_myorigin", "no")), address));

    [Fact]
    public async Task Mail_without_a_domain_waits_for_mydestination() =>
        Assert.EndsWith("Fail", await Resolve(Service(("mydestination", "hash:missing"), ("append_at_myorigin", "no")), "joe"));

    [Theory]
    [InlineData("u@any.example", "local:mx.dest.example u@any.example Local")]
    [InlineData("u@1.2.3.4", "error:5.1.3 bad address syntax u@1.2.3.4 Default, Error")]
    [InlineData("u@bad..example", "error:5.1.3 bad address syntax u@bad..example Default, Error")]
    public async Task A_pattern_makes_no_bad_domain_local(string address, string expected)
    {
        _tables.AddPattern("pcre:all", static _ => "x");
        Assert.Equal(expected, await Resolve(Service(("mydestination", "pcre:all")), address));
    }

    [Fact]
    public async Task Routes_by_sender()
    {
        _tables.Add("hash:relay", ("carol@dest.example", "[127.0.10.5]:2727"), ("none@dest.example", "DUNNO"), ("<>", "[null.example]"));
        _tables.Add("hash:trans", ("dave@dest.example", "smtp:[127.0.10.6]:2626"), ("none@dest.example", "dunno"));
        var service = Service(
            ("relayhost", "[127.0.10.4]:2525"), ("sender_dependent_relayhost_maps", "hash:relay"), ("sender_dependent_default_transport_maps", "hash:trans"));
        Assert.StartsWith("smtp:[127.0.10.5]:2727 ", await Resolve(service, "z@anywhere.example", "carol@dest.example"));
        Assert.StartsWith("smtp:[127.0.10.6]:2626 ", await Resolve(service, "z@anywhere.example", "dave@dest.example"));
        // postconf(5): DUNNO leaves the global relayhost as it is.
        Assert.StartsWith("smtp:[127.0.10.4]:2525 ", await Resolve(service, "z@anywhere.example", "none@dest.example"));
        Assert.StartsWith("smtp:[null.example] ", await Resolve(service, "z@anywhere.example", ""));
        Assert.StartsWith("smtp:[127.0.10.4]:2525 ", await Resolve(service, "z@anywhere.example", "eve@dest.example"));
    }

    // Recording 34_relocated.
    [Fact]
    public async Task Says_where_users_have_gone()
    {
        _tables.Add("hash:relocated", ("gone@dest.example", "gone@newplace.example"), ("@movedom.example", "New Place, 5 Street"), ("username2", "user2@x.example"));
        var service = Service(("relocated_maps", "hash:relocated"));
        Assert.StartsWith("error:5.1.6 User has moved to gone@newplace.example ", await Resolve(service, "gone@dest.example"));
        Assert.StartsWith("error:5.1.6 User has moved to user2@x.example ", await Resolve(service, "username2@dest.example"));
        Assert.StartsWith("error:5.1.6 User has moved to New Place, 5 Street ", await Resolve(service, "any@movedom.example"));
        Assert.StartsWith("local:", await Resolve(service, "alice@dest.example"));
    }

    [Theory]
    [InlineData("mydestination")]
    [InlineData("virtual_alias_domains")]
    [InlineData("virtual_mailbox_domains")]
    [InlineData("relay_domains")]
    [InlineData("transport_maps")]
    [InlineData("relocated_maps")]
    [InlineData("sender_dependent_relayhost_maps")]
    [InlineData("sender_dependent_default_transport_maps")]
    public async Task Never_takes_an_error_for_not_found(string parameter)
    {
        Assert.Equal(ResolveFlags.Fail, (await Service((parameter, "ldap:down")).ResolveAsync("a@b.example", "u@remote.example", default)).Flags);
        Assert.Equal([$"postfix/trivial-rewrite: warning: {parameter} lookup failure"], _log.Lines);
    }

    [Fact]
    public void Ends_for_any_address()
    {
        var service = Service(("resolve_null_domain", "yes"));
        Gen.Char["ad.@%!\"\\[]:+- "].Array[0, 40].Select(chars => new string(chars)).Sample(
            address => (service.ResolveAsync("a@b.example", address, default).AsTask().Result.Flags & ResolveFlags.Fail) == 0, iter: 20_000);
    }
}
