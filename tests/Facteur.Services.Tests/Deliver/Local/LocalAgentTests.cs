using Facteur.Config;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Deliver.Local;
using Facteur.Spool;
using Facteur.Testing;
using Facteur.Unix;

namespace Facteur.Services.Tests.Deliver.Local;

/// <summary>The users daemon and nobody exist on every Linux.</summary>
public sealed class LocalAgentTests : IDisposable
{
    private const string Content = "Received: by x\nSubject: hi\n\nFrom here\nx\n";
    private readonly DeliverRoom _room = new();
    private readonly Dictionary<string, IDeliveryAgent> _others = [];
    private readonly Owners _owners = new();

    public LocalAgentTests() => Assert.Equal(0, Libc.chmod(_room.Directory, 0x3FF));

    public void Dispose() => _room.Dispose();

    private LocalAgent Agent(params (string Name, string Value)[] more)
    {
        _room.Table("aliases",
            ("team", "daemon, nobody"), ("nested", "team, daemon"), ("list", "daemon, x@remote.example"), ("owner-list", "nobody"), ("two", "x@remote.example, list"), ("remote", "x@remote.example"),
            ("self", "self"), ("esc", "\\\\daemon"), ("loopa", "loopb"), ("loopb", "loopa"), ("file", _room.Path("file.out")), ("md", _room.Path("md/")),
            ("null", "/dev/null"), ("cmd", "\"|/bin/true\""), ("inc", $":include:{_room.Path("list.txt")}"), ("incmiss", $":include:{_room.Path("nolist.txt")}"),
            ("dirf", _room.Directory), ("full", "/dev/full"), ("mixed", "daemon, nosuch, x@remote.example"), ("piped", "x@remote.example, \"|exit 75\""), ("tag+x", "nobody"), ("both", "one, other"), ("one", "daemon"), ("other", "daemon"), ("away", "z@remote.example"), ("outer", "inner"), ("owner-outer", "nobody"), ("inner", "w@remote.example"), ("Daemon", "daemon"),
            ("toghost", "ghost"), ("pair", "daemon, x@remote.example"), ("wrong", string.Join(", ", Enumerable.Range(1, 20).Select(i => $"nosuch{i}"))), ("club", _room.Directory), ("owner-club", "nobody"));
        return new LocalAgent(
            new TestConfig([("alias_maps", "aliases"), ("mail_spool_directory", _room.Directory), ("recipient_delimiter", "+"), ("deliver_lock_attempts", "1"),
                ("default_privs", "nobody"), ("forward_path", $"{_room.Directory}/fwd-$user${{recipient_delimiter}}${{extension}}, {_room.Directory}/fwd-$user")])
                .With([.. more.Select(m => KeyValuePair.Create(m.Name, m.Value))]),
            _room, _room, _room, _room, name => _others.GetValueOrDefault(name), _room.Hands(), _room.Threads, _room.ServiceLog("postfix/local"), _room.Time, _owners);
    }

    private async Task<DeliveryResult> Deliver(string recipient, DsnNotify notify = 0, DeliveryFlags flags = 0, string content = Content, params (string, string)[] more) =>
        await Agent(more).DeliverAsync(_room.Request(content, recipient.Split(", "), notify: notify, flags: flags), default);

    private string Ends() => string.Join('\n', _room.Lines.Select(l => l.Replace("postfix/local: ", "").Replace("relay=local, delay=N, delays=N, ", "").Replace(_room.Directory, "DIR")));

    [Fact]
    public async Task A_mailbox_in_the_spool_directory()
    {
        await Deliver("Daemon+ext@dest.example");
        Assert.Equal(
            "From a@sender.example  Mon Nov  2 03:04:05 2026\nReturn-Path: <a@sender.example>\nX-Original-To: Daemon+ext@dest.example\n"
            + "Delivered-To: Daemon+ext@dest.example\nReceived: by x\nSubject: hi\n\n>From here\nx\n\n", _room.Read("daemon"));
        Assert.Equal(0, UnixFile.Status(_room.Path("daemon"), false, out var status));
        Assert.Equal(0x8180u, status.Mode);
        Assert.Equal(FileIdentity.CanChange ? 1u : Libc.geteuid(), status.Uid);
        Assert.Equal("Q1: to=<daemon@dest.example>, orig_to=<Daemon+ext@dest.example>, dsn=2.0.0, status=sent (delivered to mailbox)", Ends());
    }

    /// <summary>Those that were reached before the limit would get the mail again at every attempt.</summary>
    [Fact]
    public async Task Of_too_many_destinations_none_gets_the_mail()
    {
        File.WriteAllText(_room.Path("list.txt"), string.Concat(Enumerable.Repeat(_room.Path("file.out") + "\n", 100_001)));
        var result = await Deliver("inc@dest.example", more: ("allow_mail_to_files", "include"));
        Assert.Equal(DeliveryOutcome.Deferred, Assert.Single(result.Recipients).Status.Outcome);
        Assert.False(File.Exists(_room.Path("file.out")));
        Assert.Equal("Q1: to=<inc@dest.example>, dsn=4.3.5, status=deferred (too many destinations in alias expansion)", Ends());
    }

    [Fact]
    public async Task Its_status_passes_the_filter()
    {
        _room.Table("filter", ("2.0.0 delivered to mailbox", "2.1.5 in the box"));
        await Deliver("daemon@dest.example", more: ("local_delivery_status_filter", "filter"));
        Assert.EndsWith("dsn=2.1.5, status=sent (in the box)", Ends());
    }

    [Fact]
    public async Task A_Maildir_below_the_spool_directory()
    {
        await Deliver("daemon@dest.example", more: ("mail_spool_directory", _room.Directory + "/"));
        var file = Assert.Single(Directory.GetFiles(_room.Path("daemon/new")));
        Assert.EndsWith("." + System.Net.Dns.GetHostName(), file);
        Assert.StartsWith("Return-Path: <a@sender.example>\n", File.ReadAllText(file));
        Assert.EndsWith("status=sent (delivered to maildir)", Ends());
    }

    [Fact]
    public async Task Nested_aliases_deliver_each_mailbox_once_with_the_first_Delivered_To()
    {
        var result = await Deliver("nested@dest.example", DsnNotify.Success);
        Assert.Equal(
            "Q1: to=<daemon@dest.example>, orig_to=<nested@dest.example>, dsn=2.0.0, status=sent (delivered to mailbox)\n"
            + "Q1: to=<nobody@dest.example>, orig_to=<nested@dest.example>, dsn=2.0.0, status=sent (delivered to mailbox)", Ends());
        Assert.Contains("\nX-Original-To: nested@dest.example\nDelivered-To: nested@dest.example\n", _room.Read("nobody"));
        Assert.Equal(DeliveryStatus.AliasExpanded with { Relay = "local" }, Assert.Single(result.Recipients).Status);
    }

    [Theory]
    [InlineData("nosuch@dest.example", "x@other.example", DsnNotify.Success | DsnNotify.Failure, DsnNotify.Success | DsnNotify.Failure, DsnAction.None)]
    [InlineData("remote@dest.example", "", DsnNotify.Success | DsnNotify.Failure, DsnNotify.Failure, DsnAction.Expanded)]
    [InlineData("toghost@dest.example", "x@other.example", DsnNotify.Success, DsnNotify.Never, DsnAction.Expanded)]
    public async Task SUCCESS_ends_at_an_alias_and_goes_on_to_luser_relay(string recipient, string relay, DsnNotify given, DsnNotify passed, DsnAction action)
    {
        var result = await Deliver(recipient, given, more: ("luser_relay", relay));
        Assert.Equal(passed, Assert.Single(Assert.Single(_room.Forwards).Envelope.Recipients).Notify);
        Assert.Equal(action, Assert.Single(result.Recipients).Status.Action);
    }

    [Fact]
    public async Task Other_transports_get_what_is_left_of_NOTIFY()
    {
        var other = new Transport();
        _others["smtp"] = other;
        await Deliver("toghost@dest.example", DsnNotify.Success | DsnNotify.Failure, more: ("fallback_transport", "smtp:x"));
        await Deliver("ghost@dest.example", DsnNotify.Success | DsnNotify.Failure, more: ("fallback_transport", "smtp:x"));
        Assert.Equal([DsnNotify.Failure, DsnNotify.Success | DsnNotify.Failure], other.Notify);
    }

    [Fact]
    public async Task The_sender_hears_of_the_expansion_and_of_the_member_that_failed()
    {
        var result = await Deliver("toghost@dest.example", DsnNotify.Success);
        Assert.Equal((DeliveryOutcome.Bounced, DsnAction.Expanded), (Assert.Single(result.Recipients).Status.Outcome, result.Recipients[0].Status.Action));
    }

    [Theory]
    [InlineData(ReportResult.Sent, DeliveryOutcome.Sent)]
    [InlineData(ReportResult.Discarded, DeliveryOutcome.Sent)]
    [InlineData(ReportResult.TryAgain, DeliveryOutcome.Deferred)]
    public async Task What_fails_in_a_list_is_told_to_its_owner(ReportResult told, DeliveryOutcome outcome)
    {
        _owners.Result = told;
        var result = await Deliver("club@dest.example");
        var report = Assert.Single(_owners.Asked);
        Assert.Equal(("owner-club@dest.example", "club@dest.example", "a@sender.example"), (report.Owner, Assert.Single(report.Original.Recipients).Address, report.Original.Sender));
        Assert.Equal(DeliveryOutcome.Bounced, Assert.Single(report.Recipients).Status.Outcome);
        Assert.Equal(outcome, Assert.Single(result.Recipients).Status.Outcome);
        Assert.Contains("status=bounced (cannot append message to file DIR: ", Ends(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(DsnNotify.None, ReportResult.Sent)]
    [InlineData(DsnNotify.Never, ReportResult.Discarded)]
    public async Task The_owner_is_told_as_NOTIFY_wants_and_nothing_of_ENVID_and_RET(DsnNotify notify, ReportResult told)
    {
        _owners.Result = told;
        var request = _room.Request(Content, ["club@dest.example"], sender: "", notify: notify);
        (request.Envelope.EnvelopeId, request.Envelope.Return) = ("id", DsnReturn.Headers);
        await Agent().DeliverAsync(request, default);
        var original = Assert.Single(_owners.Asked).Original;
        Assert.Equal(("", "", DsnReturn.None, notify), (original.Sender, original.EnvelopeId, original.Return, Assert.Single(original.Recipients).Notify));
    }

    [Fact]
    public async Task A_list_passes_ENVID_and_RET_on()
    {
        var request = _room.Request(Content, ["list@dest.example"]);
        (request.Envelope.EnvelopeId, request.Envelope.Return) = ("id", DsnReturn.Headers);
        await Agent().DeliverAsync(request, default);
        var (envelope, _) = Assert.Single(_room.Forwards);
        Assert.Equal(("id", DsnReturn.Headers), (envelope.EnvelopeId, envelope.Return));
    }

    [Theory]
    [InlineData(DsnNotify.None, "delivered to mailbox|daemon@dest.example|Delivered forwarded as F1||Relayed")]
    [InlineData(DsnNotify.Success, "alias expanded||Expanded delivered to mailbox|daemon@dest.example|Delivered forwarded as F1||Relayed")]
    public async Task Sendmail_v_hears_of_all_that_an_alias_leads_to(DsnNotify notify, string expected)
    {
        var request = _room.Request(Content, ["pair@dest.example"], notify: notify);
        request.Envelope.Flags |= MessageFlags.ReportDeliveries;
        var result = await Agent().DeliverAsync(request, default);
        Assert.Equal(expected, string.Join(' ', Assert.Single(result.Recipients).Status.All.Select(s => $"{s.Reason}|{s.Recipient}|{s.Action}")));
    }

    private sealed class Transport : IDeliveryAgent
    {
        public List<DsnNotify> Notify { get; } = [];

        public ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, CancellationToken cancel)
        {
            Notify.Add(request.Recipients[0].Recipient.Notify);
            return ValueTask.FromResult(new DeliveryResult(request.RequestId, [new RecipientResult(0, DeliveryStatus.Sent("ok"))]));
        }
    }

    private sealed class Owners : IBounce
    {
        public ReportResult Result { get; set; }

        public List<ReportRequest> Asked { get; } = [];

        public ValueTask<ReportResult> ReportAsync(ReportRequest request, CancellationToken cancel)
        {
            Asked.Add(request);
            return ValueTask.FromResult(Result);
        }
    }

    [Fact]
    public async Task A_list_with_owner_is_forwarded_as_one_message_from_its_owner()
    {
        await Deliver("list@dest.example", DsnNotify.Success | DsnNotify.Failure);
        var (envelope, content) = Assert.Single(_room.Forwards);
        Assert.Equal("owner-list@dest.example", envelope.Sender);
        Assert.Equal(MessageOrigin.Forward, envelope.Origin);
        // Postfix passes NOTIFY, ENVID and RET on; nothing of the original recipient (RFC 3461 5.2.7.3).
        Assert.Equal([new EnvelopeRecipient("daemon@dest.example", Notify: DsnNotify.Failure), new EnvelopeRecipient("x@remote.example", Notify: DsnNotify.Failure)], envelope.Recipients);
        Assert.Equal("Delivered-To: list@dest.example\n" + Content, content);
        Assert.Equal("Q1: to=<list@dest.example>, dsn=2.0.0, status=sent (forwarded as F1)", Ends());
    }

    [Theory]
    [InlineData(DsnNotify.Success, DsnNotify.Never)]
    [InlineData(DsnNotify.Success | DsnNotify.Delay, DsnNotify.Delay)]
    [InlineData(DsnNotify.None, DsnNotify.None)]
    public async Task An_alias_keeps_sender_and_original_recipient_and_answers_SUCCESS_itself(DsnNotify given, DsnNotify passed)
    {
        await Deliver("remote@dest.example", given);
        var (envelope, _) = Assert.Single(_room.Forwards);
        Assert.Equal("a@sender.example", envelope.Sender);
        Assert.Equal([new EnvelopeRecipient("x@remote.example", "remote@dest.example", "", passed)], envelope.Recipients);
    }

    [Theory]
    [InlineData("self@dest.example", "Q1: to=<self@dest.example>, dsn=5.1.1, status=bounced (unknown user: \"self\")")]
    [InlineData("NoSuch+e@dest.example", "Q1: to=<NoSuch+e@dest.example>, dsn=5.1.1, status=bounced (unknown user: \"nosuch\")")]
    [InlineData("esc@dest.example", "Q1: to=<daemon@dest.example>, orig_to=<esc@dest.example>, dsn=2.0.0, status=sent (delivered to mailbox)")]
    [InlineData("loopa@dest.example", "warning: recipient nesting limit exceeded for loopb@dest.example\nQ1: to=<loopb@dest.example>, orig_to=<loopa@dest.example>, dsn=5.4.6, status=bounced (recipient nesting limit exceeded)")]
    [InlineData("file@dest.example", "Q1: to=<file@dest.example>, dsn=2.0.0, status=sent (delivered to file: DIR/file.out)")]
    [InlineData("md@dest.example", "Q1: to=<md@dest.example>, dsn=2.0.0, status=sent (delivered to maildir)")]
    [InlineData("null@dest.example", "Q1: to=<null@dest.example>, dsn=2.0.0, status=sent (delivered to file: /dev/null)")]
    [InlineData("dirf@dest.example", "Q1: to=<dirf@dest.example>, dsn=5.2.0, status=bounced (cannot append message to file DIR: cannot open file: Is a directory)")]
    [InlineData("full@dest.example", "Q1: to=<full@dest.example>, dsn=4.3.0, status=deferred (cannot append message to file /dev/full: error writing message: No space left on device)")]
    [InlineData("tag+x@dest.example", "Q1: to=<nobody@dest.example>, orig_to=<tag+x@dest.example>, dsn=2.0.0, status=sent (delivered to mailbox)")]
    [InlineData("incmiss@dest.example", "warning: unable to lookup :include: file DIR/nolist.txt: No such file or directory\nQ1: to=<incmiss@dest.example>, dsn=5.3.5, status=bounced (mail system configuration error)")]
    [InlineData("mailer-daemon@dest.example", "warning: required alias not found: mailer-daemon\nQ1: to=<mailer-daemon@dest.example>, dsn=2.0.0, status=sent (discarded)")]
    public async Task One_recipient(string recipient, string expected)
    {
        await Deliver(recipient);
        Assert.Equal(expected, Ends());
    }

    [Fact]
    public async Task Include_files_forward_even_local_names_and_refuse_files()
    {
        File.WriteAllText(_room.Path("list.txt"), "# staff\ndaemon, nobody\n/tmp/x\n");
        await Deliver("inc@dest.example");
        Assert.Equal(["daemon@dest.example", "nobody@dest.example"], Assert.Single(_room.Forwards).Envelope.Recipients.Select(r => r.Address));
        Assert.Equal(
            "Q1: to=<inc@dest.example>, dsn=5.7.1, status=bounced (mail to file is restricted)\nQ1: to=<inc@dest.example>, dsn=2.0.0, status=sent (forwarded as F1)", Ends());
    }

    [Fact]
    public async Task Of_very_many_failures_the_first_have_names_and_the_last_says_how_many_more()
    {
        var result = await Deliver("wrong@dest.example");
        var all = Assert.Single(result.Recipients).Status.All.ToList();
        Assert.Equal(DeliveryStatus.ChainLimit, all.Count);
        Assert.Equal(Enumerable.Range(1, 15).Select(i => ($"nosuch{i}@dest.example", $"unknown user: \"nosuch{i}\"")), all.SkipLast(1).Select(s => (s.Recipient!, s.Reason)));
        Assert.Equal((null, "5 more addresses that this one expands to: the mail log of this system names them"), (all[^1].Recipient, all[^1].Reason));
        Assert.Contains("unknown user: \"nosuch20\"", Ends());
    }

    [Fact]
    public async Task The_worst_outcome_is_the_recipients()
    {
        _room.ForwardStatus = CleanupStatus.WriteError;
        var result = await Deliver("mixed@dest.example, remote@dest.example");
        Assert.Equal([DeliveryOutcome.Deferred, DeliveryOutcome.Deferred], result.Recipients.Select(r => r.Status.Outcome));
        Assert.Contains("unknown user: \"nosuch\"", Ends());
        Assert.EndsWith("to=<remote@dest.example>, dsn=4.3.0, status=deferred (unable to forward mail)", Ends());
    }

    [Fact]
    public async Task Content_is_read_on_threads_for_file_work()
    {
        await Agent().DeliverAsync(_room.Request(Content, ["team@dest.example", "remote@dest.example"], cuts: [12, 20]), default);
        Assert.Equal(Content, Assert.Single(_room.Forwards).Content[^Content.Length..]);
        Assert.Equal("test", Assert.Single(_room.ReadOn.Keys));
    }

    [Fact]
    public async Task Nothing_is_sent_on_while_another_branch_is_deferred()
    {
        File.WriteAllText(_room.Path("daemon.lock"), "");
        var result = await Deliver("mixed@dest.example, piped@dest.example", more: ("stale_lock_time", "10000d"));
        Assert.Equal([DeliveryOutcome.Deferred, DeliveryOutcome.Deferred], result.Recipients.Select(r => r.Status.Outcome));
        Assert.Empty(_room.Forwards);
        Assert.DoesNotContain("x@remote.example", Ends());
        // The address counts as not sent to: another recipient that leads there gets it.
        result = await Deliver("mixed@dest.example, remote@dest.example", more: ("stale_lock_time", "10000d"));
        Assert.Equal([DeliveryOutcome.Deferred, DeliveryOutcome.Sent], result.Recipients.Select(r => r.Status.Outcome));
        Assert.Equal("remote@dest.example", Assert.Single(Assert.Single(_room.Forwards).Envelope.Recipients).OriginalAddress);
        File.Delete(_room.Path("daemon.lock"));
        await Deliver("mixed@dest.example");
        Assert.Equal(2, _room.Forwards.Count);
    }

    [Fact]
    public async Task After_a_message_sent_on_that_must_wait_no_more_are_sent()
    {
        _room.ForwardStatus = CleanupStatus.WriteError;
        await Deliver("two@dest.example");
        Assert.Single(_room.Lines, l => l.Contains("unable to forward mail", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Mail_that_was_here_before_loops()
    {
        await Deliver("daemon@dest.example", content: "Received: x\nDELIVERED-to: Daemon@Dest.example\nSubject: x\n\nDelivered-To: nobody@dest.example\n");
        Assert.Equal("Q1: to=<daemon@dest.example>, dsn=5.4.6, status=bounced (mail forwarding loop for daemon@dest.example)", Ends());
    }

    [Fact]
    public async Task Forward_files_keep_a_copy_and_send_on()
    {
        WriteAs("fwd-daemon", "\\daemon, nobody@dest.example\n# x\ny@remote.example\n");
        await Deliver("daemon@dest.example");
        Assert.Equal(
            "Q1: to=<daemon@dest.example>, dsn=2.0.0, status=sent (delivered to mailbox)\nQ1: to=<daemon@dest.example>, dsn=2.0.0, status=sent (forwarded as F1)", Ends());
        Assert.Equal(["nobody@dest.example", "y@remote.example"], _room.Forwards[0].Envelope.Recipients.Select(r => r.Address));
    }

    [Fact]
    public async Task The_forward_file_of_an_extension_comes_first_and_oneself_is_the_mailbox()
    {
        WriteAs("fwd-daemon+e", "daemon\n");
        WriteAs("fwd-daemon", "daemon+e\n");
        await Deliver("daemon+e@dest.example");
        Assert.EndsWith("status=sent (delivered to mailbox)", Ends());
        Assert.Empty(_room.Forwards);
    }

    [Fact]
    public async Task A_forward_file_that_others_may_write_is_ignored()
    {
        WriteAs("fwd-daemon", "y@remote.example\n");
        Assert.Equal(0, Libc.chmod(_room.Path("fwd-daemon"), 0x1B6));
        await Deliver("daemon@dest.example");
        Assert.StartsWith("warning: file DIR/fwd-daemon is world writable\n", Ends());
        Assert.EndsWith("status=sent (delivered to mailbox)", Ends());
    }

    [Fact]
    public async Task A_users_link_gives_nothing_that_is_not_the_users()
    {
        if (!FileIdentity.CanChange)
        {
            Assert.Skip("needs root: identities are taken");
        }
        File.WriteAllText(_room.Path("secret"), "stolen@remote.example\n");
        Assert.Equal(0, Libc.chmod(_room.Path("secret"), 0x180));
        File.CreateSymbolicLink(_room.Path("fwd-daemon"), _room.Path("secret"));
        await Deliver("daemon@dest.example");
        Assert.Empty(_room.Forwards);
        Assert.Equal(0u, Libc.geteuid());
        File.WriteAllText(_room.Path("nobody"), "");
        await Deliver("nobody@dest.example");
        Assert.EndsWith($"dsn=5.2.0, status=bounced (cannot update mailbox DIR/nobody for user nobody. cannot open file: Permission denied)", Ends());
    }

    [Fact]
    public async Task A_forward_file_of_neither_the_user_nor_root_is_ignored()
    {
        WriteAs("fwd-daemon", "y@remote.example\n");
        Assert.Equal(0, Libc.chown(_room.Path("fwd-daemon"), 65534, 65534));
        await Deliver("daemon@dest.example");
        Assert.Equal("warning: file DIR/fwd-daemon has bad owner uid 65534\nQ1: to=<daemon@dest.example>, dsn=2.0.0, status=sent (delivered to mailbox)", Ends());
    }

    [Fact]
    public async Task A_forward_file_that_several_names_lead_to_is_followed_once()
    {
        WriteAs("fwd-daemon", "y@remote.example\n");
        await Deliver("both@dest.example");
        Assert.Equal("y@remote.example", Assert.Single(Assert.Single(_room.Forwards).Envelope.Recipients).Address);
        Assert.False(File.Exists(_room.Path("daemon")));
    }

    [Theory]
    [InlineData("canonical", "y@remote.example")]
    [InlineData("forward", "y+e@remote.example")]
    public async Task Extensions_go_on_through_a_forward_file_when_they_may(string propagate, string address)
    {
        WriteAs("fwd-bin", "y@remote.example\n");
        await Deliver("bin+e@dest.example", more: ("propagate_unmatched_extensions", propagate));
        Assert.Equal(address, _room.Forwards[0].Envelope.Recipients[0].Address);
    }

    [Fact]
    public async Task The_extension_that_chose_the_forward_file_does_not_go_on()
    {
        WriteAs("fwd-bin+e", "y@remote.example\n");
        await Deliver("bin+e@dest.example", more: ("propagate_unmatched_extensions", "forward"));
        Assert.Equal("y@remote.example", _room.Forwards[0].Envelope.Recipients[0].Address);
    }

    [Theory]
    [InlineData("alias", "z+e@remote.example")]
    [InlineData("canonical", "z@remote.example")]
    public async Task Extensions_go_on_through_an_alias_when_they_may(string propagate, string address)
    {
        await Deliver("away+e@dest.example", more: ("propagate_unmatched_extensions", propagate));
        Assert.Equal(address, _room.Forwards[0].Envelope.Recipients[0].Address);
    }

    [Theory]
    [InlineData("no", "owner-list@dest.example")]
    [InlineData("yes", "nobody@dest.example")]
    public async Task The_owner_of_a_list_is_its_sender_by_name_or_expanded(string expand, string sender)
    {
        await Deliver("list@dest.example", more: ("expand_owner_alias", expand));
        Assert.Equal(sender, Assert.Single(_room.Forwards).Envelope.Sender);
    }

    [Theory]
    [InlineData("no", "owner-outer@dest.example")]
    [InlineData("yes", "a@sender.example")]
    public async Task An_alias_without_owner_below_a_list_keeps_the_lists_owner_unless_reset(string reset, string sender)
    {
        await Deliver("outer@dest.example", more: ("reset_owner_alias", reset));
        Assert.Equal(sender, Assert.Single(_room.Forwards).Envelope.Sender);
    }

    [Fact]
    public async Task A_missing_home_directory_may_hold_mail_up()
    {
        await Deliver("_apt@dest.example", more: ("require_home_directory", "yes"));
        Assert.EndsWith("dsn=4.3.0, status=deferred (cannot access home directory /nonexistent: No such file or directory)", Ends());
    }

    [Fact]
    public async Task An_empty_name_bounces()
    {
        await Deliver("\"\"@dest.example");
        Assert.EndsWith("dsn=5.1.3, status=bounced (null username in \"\"\"@dest.example\")", Ends());
    }

    [Theory]
    [InlineData("texthash:{0}")]
    [InlineData("unionmap:{{texthash:{0}}}")]
    public async Task Files_of_an_alias_file_that_is_not_roots_are_its_owners(string name)
    {
        if (!FileIdentity.CanChange)
        {
            Assert.Skip("needs root: identities are taken");
        }
        var table = string.Format(System.Globalization.CultureInfo.InvariantCulture, name, _room.Path("aliases.txt"));
        File.WriteAllText(_room.Path("aliases.txt"), "");
        Assert.Equal(0, Libc.chmod(_room.Directory, 0x1FF));
        Assert.Equal(0, Libc.chown(_room.Path("aliases.txt"), 2, 2));
        _room.Table(table, ("file", _room.Path("file.out")));
        _room.Owner(table, 2);
        await Agent(("alias_maps", table)).DeliverAsync(_room.Request(Content, ["file@dest.example"]), default);
        Assert.Equal(0, UnixFile.Status(_room.Path("file.out"), false, out var status));
        Assert.Equal(2u, status.Uid);
        // Nothing is done as mail_owner.
        await Agent(("alias_maps", table), ("mail_owner", "bin")).DeliverAsync(_room.Request(Content, ["file@dest.example"]), default);
        Assert.Contains("Permission denied", Ends());
    }

    [Fact]
    public async Task Luser_relay_takes_unknown_users()
    {
        await Deliver("NoOne+e@dest.example", more: ("luser_relay", "catch+$local@remote.example"));
        Assert.Equal("catch+noone+e@remote.example", Assert.Single(_room.Forwards).Envelope.Recipients[0].Address);
    }

    // Postfix: each recipient has its own filter of what was delivered.
    [Fact]
    public async Task What_one_recipient_has_delivered_another_delivers_again()
    {
        await Deliver("team@dest.example, both@dest.example, away@dest.example, away+x@dest.example");
        Assert.Equal(2, _room.Read("daemon").Split("\nX-Original-To: ").Length - 1);
        Assert.Equal(2, _room.Forwards.Count);
    }

    [Theory]
    [InlineData("$recipient", "ghost+e@dest.example")]
    [InlineData("$user", "ghost@dest.example")]
    [InlineData("$local@dest.example", "ghost+e@dest.example")]
    [InlineData("$user@localhost.dest.example", "ghost@dest.example")]
    [InlineData("phantom", "ghost@dest.example")]
    public async Task A_luser_relay_that_leads_to_an_unknown_user_ends_in_a_bounce(string relay, string recipient)
    {
        Assert.Equal((DeliveryOutcome.Bounced, "5.1.1"), Outcome(await Deliver(recipient, more: ("luser_relay", relay))));
        Assert.Contains("status=bounced (unknown user: ", Ends(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_with_backslash_that_belongs_elsewhere_is_sent_there()
    {
        WriteAs("fwd-daemon", "\\daemon@remote.example\n");
        await Deliver("daemon@dest.example");
        Assert.Equal("daemon@remote.example", Assert.Single(_room.Forwards).Envelope.Recipients[0].Address);
        Assert.False(File.Exists(_room.Path("daemon")));
    }

    // Postfix: the filter is for every value, also for the home directory.
    [Theory]
    [InlineData("/abcdefghijklmnopqrstuvwxyz", true)]
    [InlineData("abcdefghijklmnopqrstuvwxyz", false)]
    public async Task Forward_expansion_filter_is_for_the_home_directory_too(string filter, bool found)
    {
        await Deliver("daemon@dest.example", more: [("forward_path", "$home"), ("forward_expansion_filter", filter)]);
        Assert.Equal(found, Ends().Contains("not a regular file", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_enable_original_recipient_there_is_no_X_Original_To()
    {
        await Deliver("daemon@dest.example info@virt.example", more: ("enable_original_recipient", "no"));
        Assert.DoesNotContain("X-Original-To", _room.Read("daemon"), StringComparison.Ordinal);
        Assert.Contains("orig_to=<info@virt.example>", Ends(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_owner_request_special_a_name_of_a_list_has_an_extension()
    {
        await Deliver("daemon-request@dest.example", more: [("owner_request_special", "no"), ("recipient_delimiter", "-")]);
        Assert.EndsWith("status=sent (delivered to mailbox)", Ends(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verify_only_delivers_and_forwards_nothing()
    {
        await Deliver("list@dest.example, daemon@dest.example", flags: DeliveryFlags.VerifyOnly);
        Assert.Empty(_room.Forwards);
        Assert.False(File.Exists(_room.Path("daemon")));
        Assert.EndsWith("status=deliverable (delivers to mailbox)", Ends());
    }

    // Postfix: a probe of address verification ends at the alias or .forward; sendmail -bv follows them.
    [Theory]
    [InlineData("list@dest.example", "Q1: to=<list@dest.example>, dsn=2.0.0, status=deliverable (aliased to daemon, x@remote.example)")]
    [InlineData("incmiss@dest.example", "Q1: to=<incmiss@dest.example>, dsn=2.0.0, status=deliverable (aliased to :include:DIR/nolist.txt)")]
    [InlineData("bin@dest.example", "Q1: to=<bin@dest.example>, dsn=2.0.0, status=deliverable (forward via file: DIR/fwd-bin)")]
    [InlineData("nosuchuser@dest.example", "Q1: to=<nosuchuser@dest.example>, dsn=5.1.1, status=undeliverable (unknown user: \"nosuchuser\")")]
    public async Task Address_verification_expands_nothing(string recipient, string expected)
    {
        File.WriteAllText(_room.Path("fwd-bin"), "");
        var request = _room.Request(Content, [recipient], flags: DeliveryFlags.VerifyOnly);
        request.Envelope.Flags |= MessageFlags.Probe;
        await Agent().DeliverAsync(request, default);
        Assert.Equal(expected, Ends());
    }

    [Fact]
    public async Task Content_that_cannot_be_read_defers_everything()
    {
        _room.ReadResult = ContentRead.Damaged;
        var result = await Deliver("daemon@dest.example, remote@dest.example");
        Assert.True(result.Damaged);
        Assert.All(result.Recipients, r => Assert.Equal(DeliveryOutcome.Deferred, r.Status.Outcome));
    }

    [Theory]
    [InlineData("10", "10240000")]
    [InlineData("51200000", "0")]
    public async Task With_a_limit_that_a_message_may_exceed_mail_waits(string mailbox, string message)
    {
        var result = await Agent(("mailbox_size_limit", mailbox), ("message_size_limit", message)).DeliverAsync(_room.Request("x\n", ["daemon@dest.example"]), default);
        Assert.True(result.TransportFailed);
        Assert.Equal((DeliveryOutcome.Deferred, "unknown mail transport error"), (result.DestinationFailed!.Outcome, result.DestinationFailed.Reason));
        Assert.Equal("postfix/local: fatal: main.cf configuration error: mailbox_size_limit is smaller than message_size_limit", _room.Lines[^1]);
        Assert.False(File.Exists(_room.Path("daemon")));
    }

    [Theory]
    [InlineData("mailbox_delivery_lock", "lockf")]
    [InlineData("allow_mail_to_files", "everywhere")]
    public void Values_that_cannot_be_used_are_refused_at_start(string name, string value) => Assert.Throws<ConfigException>(() => Agent((name, value)));

    [Fact]
    public async Task Mailbox_transport_has_all_recipients_known_or_not_behind_aliases_and_forward()
    {
        var lmtp = Other("lmtp");
        File.WriteAllText(_room.Path("fwd-nobody"), "daemon\n");
        await Deliver("bin+x@dest.example, NoSuch@dest.example, remote@dest.example, esc@dest.example, nobody@dest.example", more: ("mailbox_transport", "lmtp:unix:private/x"));
        // nobody goes back into the queue as daemon, for a .forward's addresses have records of their own there.
        Assert.Equal(
            ["unix:private/x bin+x@dest.example bin+x@dest.example", "unix:private/x NoSuch@dest.example NoSuch@dest.example", "unix:private/x daemon@dest.example esc@dest.example"],
            lmtp.Requests.Select(r => $"{r.Nexthop} {r.Recipients[0].Recipient.Address} {r.Recipients[0].Recipient.OriginalAddress}"));
        Assert.Equal(["x@remote.example", "daemon@dest.example"], _room.Forwards.Select(f => f.Envelope.Recipients[0].Address));
        Assert.Contains("postfix/local: Q1: passing <bin+x@dest.example> to transport=lmtp", _room.Lines);
        Assert.False(File.Exists(_room.Path("bin")));
    }

    [Fact]
    public async Task Transports_by_recipient_come_before_mailbox_transport_and_fallback_transport_has_those_without_an_account()
    {
        _room.Table("boxes", ("bin", "first:"));
        _room.Table("others", ("nosuch", "second:hop"));
        var (first, second, third) = (Other("first"), Other("second"), Other("third"));
        await Deliver(
            "bin+x@dest.example, nosuch+e@dest.example, noone@dest.example, nobody@dest.example",
            more: [("mailbox_transport_maps", "boxes"), ("fallback_transport_maps", "others"), ("fallback_transport", "third")]);
        // Without a next hop it is the one local had, here none.
        Assert.Equal(" bin+x@dest.example", Assert.Single(first.Requests.Select(r => $"{r.Nexthop} {r.Recipients[0].Recipient.Address}")));
        Assert.Equal("hop nosuch+e@dest.example", Assert.Single(second.Requests.Select(r => $"{r.Nexthop} {r.Recipients[0].Recipient.Address}")));
        Assert.Equal(" noone@dest.example", Assert.Single(third.Requests.Select(r => $"{r.Nexthop} {r.Recipients[0].Recipient.Address}")));
        Assert.True(File.Exists(_room.Path("nobody")));
    }

    [Fact]
    public async Task The_outcome_of_the_other_transport_is_the_recipients()
    {
        Other("lmtp").Status = DeliveryStatus.Bounced(2, 2, "over quota");
        Assert.Equal((DeliveryOutcome.Bounced, "5.2.2"), Outcome(await Deliver("daemon@dest.example", more: ("mailbox_transport", "lmtp"))));
        Other("lmtp").Status = null;
        Assert.Equal((DeliveryOutcome.Deferred, "4.3.0"), Outcome(await Deliver("daemon@dest.example", more: ("mailbox_transport", "lmtp"))));
    }

    [Theory]
    [InlineData("nowhere:x")]
    [InlineData("local")]
    public async Task A_transport_that_is_not_there_or_is_local_itself_defers(string transport)
    {
        _others["local"] = Agent(("mailbox_transport", transport));
        Assert.Equal((DeliveryOutcome.Deferred, "4.3.0"), Outcome(await Deliver("daemon@dest.example", more: ("mailbox_transport", transport))));
        Assert.EndsWith("Q1: to=<daemon@dest.example>, relay=none, delay=N, delays=N, dsn=4.3.0, status=deferred (mail transport unavailable)", Ends());
    }

    [Fact]
    public async Task What_was_handed_over_once_is_not_handed_over_again()
    {
        Other("lmtp");
        Assert.Equal(
            (DeliveryOutcome.Deferred, "4.3.0"), Outcome(await Deliver("daemon@dest.example", flags: DeliveryFlags.Passed, more: ("mailbox_transport", "lmtp"))));
    }

    [Fact]
    public async Task A_table_of_transports_that_can_not_answer_defers()
    {
        await Deliver("daemon@dest.example", more: ("mailbox_transport_maps", "fail"));
        Assert.EndsWith("dsn=4.3.0, status=deferred (table lookup failure)", Ends());
    }

    private static (DeliveryOutcome, string) Outcome(DeliveryResult result) => (result.Recipients[0].Status.Outcome, result.Recipients[0].Status.Status.ToString());

    private OtherAgent Other(string name)
    {
        var agent = new OtherAgent();
        _others[name] = agent;
        return agent;
    }

    private sealed class OtherAgent : IDeliveryAgent
    {
        public List<DeliveryRequest> Requests { get; } = [];

        public DeliveryStatus? Status { get; set; } = DeliveryStatus.Sent("stored");

        public ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, CancellationToken cancel)
        {
            Requests.Add(request);
            return ValueTask.FromResult(new DeliveryResult(request.RequestId, Status is null ? [] : [new RecipientResult(request.Recipients[0].Index, Status)]));
        }
    }

    private void WriteAs(string name, string text)
    {
        if (!FileIdentity.CanChange)
        {
            Assert.Skip("needs root: a .forward file is its user's or root's");
        }
        File.WriteAllText(_room.Path(name), text);
        Assert.Equal(0, Libc.chmod(_room.Path(name), 0x1A4));
    }
}
