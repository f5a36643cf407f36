using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Services.Receive.Pickup;
using Facteur.Testing;
using Facteur.Testing.World;
using Facteur.Unix;

namespace Facteur.Services.Tests.Receive.Pickup;

public sealed class RequeuedMailTests
{
    private readonly WorldCleanup _cleanup = new();
    private readonly TestLog _log = new();

    private RequeuedMail Mail(params (string, string)[] values) =>
        new(_cleanup, () => new TestConfig([("mail_name", "Postfix"), .. values]), () => new ServiceLog(_log, "postfix/pickup"), new FixedTime());

    [Fact]
    public async Task It_is_logged_and_gets_a_Received_header_of_the_queues_owner()
    {
        Assert.Equal(0, UserAccount.Find("daemon", out var owner));
        await using var message = await Mail(("mail_owner", "daemon")).OpenAsync(
            new Envelope { Sender = "bob@dest.example", Flags = MessageFlags.Requeued, Closes = new ClosedRecipients(0xABC1234, [0]) }, default);
        await message!.WriteAsync("Received: by x\n"u8.ToArray(), default);
        Assert.Matches($"^Received: by mx.dest.example \\(Postfix, from userid {owner!.Uid}\\)\n\tid Q1; [^\n]+\nReceived: by x\n$", _cleanup.Messages[0].Content);
        Assert.Equal($"postfix/pickup: Q1: uid={owner.Uid} from=<bob@dest.example> orig_id=ABC1234", Assert.Single(_log.Lines));
    }

    [Fact]
    public async Task Without_an_owner_in_the_user_database_it_is_who_we_run_as()
    {
        await using var message = await Mail(("mail_owner", "no-such-user")).OpenAsync(new Envelope { Flags = MessageFlags.Requeued }, default);
        Assert.Contains($"from userid {Libc.geteuid()})", _cleanup.Messages[0].Content);
    }

    [Fact]
    public async Task Other_mail_passes_as_it_is()
    {
        await using var message = await Mail().OpenAsync(new Envelope { Origin = MessageOrigin.Bounce }, default);
        Assert.Equal("", _cleanup.Messages[0].Content);
        Assert.Empty(_log.Lines);
        _cleanup.Refuses = true;
        Assert.Null(await Mail().OpenAsync(new Envelope { Flags = MessageFlags.Requeued }, default));
    }
}
