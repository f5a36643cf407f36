using Facteur.System.Tests.Parts;

namespace Facteur.System.Tests;

/// <summary>Limits are kept, and what is below them works.</summary>
public sealed class LimitTests
{
    [Fact]
    public void Sizes_recipients_and_connections_are_limited()
    {
        using var mail = Instance.Started("message_size_limit = 100000\nsmtpd_recipient_limit = 5\nsmtpd_client_connection_count_limit = 3\nsmtpd_client_event_limit_exceptions =");
        using var one = new Client(mail.Smtp);
        Assert.Contains("SIZE 100000", one.Expect("250", "EHLO one.test"), StringComparison.Ordinal);
        Assert.StartsWith("552 5.3.4", one.Say("MAIL FROM:<s@box.test> SIZE=100001"), StringComparison.Ordinal);
        // Postfix: the size of a refused MAIL is remembered until RSET.
        one.Expect("250", "RSET");
        Assert.StartsWith("552 5.3.4", one.Mail("s@box.test", "big@box.test", "Subject: big\n\n" + string.Concat(Enumerable.Repeat(new string('y', 99) + "\n", 1100))), StringComparison.Ordinal);
        Assert.StartsWith("250", one.Mail("s@box.test", "big@box.test", "Subject: fits\n\n" + string.Concat(Enumerable.Repeat(new string('y', 98) + "\n", 900))), StringComparison.Ordinal);
        mail.Delivered("big", "Subject: fits");

        one.Expect("250", "MAIL FROM:<s@box.test>");
        for (var n = 0; n < 5; n++)
        {
            one.Expect("250", $"RCPT TO:<r{n}@box.test>");
        }
        Assert.StartsWith("452 4.5.3", one.Say("RCPT TO:<r6@box.test>"), StringComparison.Ordinal);
        one.Expect("354", "DATA");
        Assert.StartsWith("250", one.Say("Subject: five\r\n\r\n\r\n."), StringComparison.Ordinal);
        for (var n = 0; n < 5; n++)
        {
            mail.Delivered($"r{n}", "Subject: five");
        }
        Assert.Empty(mail.Box("r6"));

        using var two = new Client(mail.Smtp);
        var three = new Client(mail.Smtp);
        Assert.StartsWith("220", three.Greeting, StringComparison.Ordinal);
        using (var four = new Client(mail.Smtp))
        {
            Assert.StartsWith("421 4.7.0", four.Greeting, StringComparison.Ordinal);
        }
        three.Expect("221", "QUIT");
        three.Dispose();
        Poll.Until(
            () =>
            {
                using var next = new Client(mail.Smtp);
                return next.Greeting.StartsWith("220", StringComparison.Ordinal);
            },
            () => "a free place");
        mail.Verify();
    }

    [Fact]
    public void A_small_active_queue_lets_much_mail_through()
    {
        const int Messages = 200;
        using var sink = new Sink();
        using var mail = Instance.Started(sink.Relayhost + "\nqmgr_message_active_limit = 5\nqmgr_message_recipient_limit = 10\nqmgr_message_recipient_minimum = 3");
        using var client = new Client(mail.Smtp);
        client.Expect("250", "EHLO x.test");
        for (var n = 0; n < Messages; n++)
        {
            Assert.StartsWith("250", client.Mail("s@box.test", "a@else.test b@else.test", $"X-Number: {n}\n\n"), StringComparison.Ordinal);
        }
        Assert.StartsWith("250", client.Mail("s@box.test", string.Join(' ', Enumerable.Range(0, 300).Select(n => $"m{n}@else.test")), "Subject: many\n\n"), StringComparison.Ordinal);
        Poll.Until(() => mail.Queue().Count == 0, () => mail.Log);
        Assert.Equal(Messages, sink.Numbers.Count);
        // Two recipients may go in two deliveries, but each goes once.
        Assert.Equal(Messages, sink.Envelopes.Count(e => e.StartsWith("RCPT TO:<a@", StringComparison.Ordinal)));
        Assert.Equal(Messages, sink.Envelopes.Count(e => e.StartsWith("RCPT TO:<b@", StringComparison.Ordinal)));
        Assert.Equal(300, sink.Envelopes.Where(e => e.StartsWith("RCPT TO:<m", StringComparison.Ordinal)).Distinct().Count());
        mail.Verify();
    }

    [Fact]
    public void One_session_at_a_time_where_master_cf_says_so()
    {
        using var mail = Instance.Started(smtpd: "1");
        using var first = new Client(mail.Smtp);
        string? greeting = null;
        var second = new Thread(() =>
        {
            using var client = new Client(mail.Smtp);
            Volatile.Write(ref greeting, client.Greeting);
        });
        second.Start();
        first.Expect("250", "EHLO x.test");
        Assert.Null(Volatile.Read(ref greeting));
        first.Expect("221", "QUIT");
        second.Join();
        Assert.StartsWith("220", greeting, StringComparison.Ordinal);
    }
}
