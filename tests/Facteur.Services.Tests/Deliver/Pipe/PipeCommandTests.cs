using System.Text;
using CsCheck;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Deliver;
using Facteur.Services.Deliver.Pipe;
using Facteur.Spool;

namespace Facteur.Services.Tests.Deliver.Pipe;

/// <summary>What a line of master.cf means for a command: attributes, macros, what is done to the message. As Postfix does it.</summary>
public sealed class PipeCommandTests
{
    private static PipeCommand Command(params string[] arguments)
    {
        var command = PipeCommand.Parse(["user=vmail", .. arguments], out var error);
        Assert.Null(error);
        return command!;
    }

    [Fact]
    public void A_second_list_of_flags_adds_to_the_first() => Assert.Equal(PipeFlags.DeliveredTo | PipeFlags.ReturnPath | PipeFlags.FromLine, Command("flags=DR", "flags=F", "argv=/bin/x").Flags);

    [Theory]
    [InlineData("missing user= command-line attribute", "argv=/bin/true")]
    [InlineData("missing argv= command-line attribute", "user=vmail")]
    [InlineData("missing argv= command-line attribute", "user=vmail", "argv=")]
    [InlineData("unknown flag: Z", "flags=DZ", "user=vmail", "argv=/bin/true")]
    [InlineData("unknown attribute name: foo=bar", "foo=bar", "user=vmail", "argv=/bin/true")]
    [InlineData("unknown attribute name: /bin/true", "user=vmail", "/bin/true")]
    [InlineData("bad size limit \"10k\"", "user=vmail", "size=10k", "argv=/bin/true")]
    [InlineData("chroot= command-line attribute: \"jail\" is not an absolute path", "user=vmail", "chroot=jail", "argv=/bin/true")]
    public void What_is_wrong_is_said(string error, params string[] arguments)
    {
        Assert.Null(PipeCommand.Parse(arguments, out var said));
        Assert.Equal(error, said);
    }

    [Fact]
    public void All_attributes_are_read_and_what_follows_argv_is_the_commands()
    {
        var command = Command("flags=BDFORXhqu.>", "chroot=/jail", "directory=/d", "eol=\\r\\n", "null_sender=", "size=100", "argv=/bin/x", "user=root", "-f", "");
        Assert.Equal((PipeFlags)2047, command.Flags);
        Assert.Equal(("vmail", "/jail", "/d", "\r\n", "", 100L), (command.User, command.Root, command.Directory, command.EndOfLine, command.NullSender, command.SizeLimit));
        Assert.Equal(["/bin/x", "user=root", "-f", ""], command.Arguments);
        Assert.Equal("a\a\b\f\n\r\t\v\\A\u00e9x8\\", PipeCommand.Unescape(@"a\a\b\f\n\r\t\v\\\101\351x8\"));
    }

    private static string Expand(PipeCommand command, DeliveryRequest request)
    {
        var unknown = new PipeArguments(command, new("+"), request).Expand(out var arguments);
        return unknown is null ? string.Join('|', arguments!) : $"unknown {unknown}";
    }

    private static DeliveryRequest Request(string sender, params EnvelopeRecipient[] recipients) => new()
    {
        RequestId = 1,
        MessageId = 1,
        QueueId = "Q1",
        Transport = "p",
        Nexthop = "Hop.Example",
        Envelope = new Envelope
        {
            Sender = sender,
            EnvelopeId = "env+1",
            ContentSize = 191,
            Client = new ClientInfo("client.example", "192.0.2.1", 1234, "client.example", "c.example", "ESMTP"),
            Attributes = MessageAttributes.None.With(MessageAttributes.SaslUsername, "bob").With(MessageAttributes.SaslMethod, "PLAIN"),
        },
        Recipients = [.. recipients.Select((r, i) => new DeliveryRecipient(i, r))],
        Layout = new ContentLayout([]),
        ActiveMicros = 0,
    };

    private static readonly EnvelopeRecipient User = new("User+Ext@Dump.example", "Alias@Dump.example", Notify: DsnNotify.Success | DsnNotify.Delay);

    [Theory]
    [InlineData("", "$sender $recipient ${original_recipient}", "A.b@S.example User+Ext@Dump.example Alias@Dump.example")]
    [InlineData("", "$user $(extension) ${mailbox}@$domain $nexthop", "User Ext User+Ext@Dump.example Hop.Example")]
    [InlineData("h", "$user ${recipient} $domain ${nexthop}", "User User+Ext@dump.example dump.example hop.example")]
    [InlineData("u", "$user $extension $mailbox ${recipient} $domain", "user ext user+ext user+ext@Dump.example Dump.example")]
    [InlineData("", "$client_address ${client_helo} $client_hostname ${client_port} $client_protocol", "192.0.2.1 c.example client.example 1234 ESMTP")]
    [InlineData("", "$size ${queue_id}x $envid $notify $sasl_method ${sasl_sender}s $sasl_username", "191 Q1x env+1 SUCCESS,DELAY PLAIN s bob")]
    [InlineData("", "$$5 a$$", "$5 a$")]
    [InlineData("", "exit${space}75", "unknown space")]
    [InlineData("", "${sender", "unknown ")]
    [InlineData("", "cost: 5$", "unknown ")]
    [InlineData("", "${user?yes}", "unknown user?yes")]
    public void Macros(string flags, string argument, string expected) => Assert.Equal(expected, Expand(Command($"flags={flags}", $"argv={argument}"), Request("A.b@S.example", User)));

    [Fact]
    public void What_is_in_an_address_is_one_argument_and_only_q_quotes_it()
    {
        var request = Request("\"s $recipient\"@s.example", new EnvelopeRecipient("\"a b+e\"@x.example"));
        Assert.Equal("s $recipient@s.example|a b+e@x.example|a b|e|a b+e", Expand(Command("argv=$sender", "$recipient", "$user", "$extension", "$mailbox"), request));
        Assert.Equal("\"s $recipient\"@s.example|\"a b+e\"@x.example|a b|e|a b+e", Expand(Command("flags=q", "argv=$sender", "$recipient", "$user", "$extension", "$mailbox"), request));
    }

    [Fact]
    public void An_argument_of_the_recipients_is_as_many_as_they_are()
    {
        var request = Request("", new EnvelopeRecipient("a@x.example"), new EnvelopeRecipient("b+c@y.example"));
        Assert.Equal(
            "/bin/x|-f|MAILER-DAEMON|--|a@x.example|b+c@y.example|a-x.example|b-y.example|Hop.Example", Expand(Command("argv=/bin/x", "-f", "$sender", "--", "$recipient", "${user}-${domain}", "$nexthop"), request));
        Assert.Equal("x||a|b+c", Expand(Command("null_sender=", "argv=x", "$sender", "$mailbox"), request));
    }

    [Theory]
    [InlineData("flags=F", "From a@s.example  Mon Nov  2 03:04:05 2026\n")]
    [InlineData("flags=FROD", "From a@s.example  Mon Nov  2 03:04:05 2026\nReturn-Path: <a@s.example>\nX-Original-To: o@x\nDelivered-To: d@x\n")]
    [InlineData("eol=!", "")]
    public void Lines_in_front(string attribute, string expected)
    {
        var now = new DateTimeOffset(2026, 11, 2, 3, 4, 5, TimeSpan.Zero);
        Assert.Equal(expected, Encoding.UTF8.GetString(PipeContent.Head(Command(attribute, "argv=x"), "a@s.example", "o@x", "d@x", now)));
    }

    [Fact]
    public void The_null_sender_in_front_is_its_replacement()
    {
        static string Head(params string[] more) => Encoding.UTF8.GetString(PipeContent.Head(Command([.. more, "flags=FR", "argv=x"]), "", "", "", new DateTimeOffset(2026, 11, 22, 3, 4, 5, TimeSpan.Zero)));
        Assert.Equal("From MAILER-DAEMON  Sun Nov 22 03:04:05 2026\nReturn-Path: <MAILER-DAEMON>\n", Head());
        Assert.Equal("From MAILER-DAEMON  Sun Nov 22 03:04:05 2026\nReturn-Path: <>\n", Head("null_sender="));
        Assert.Equal("From nobody  Sun Nov 22 03:04:05 2026\r\nReturn-Path: <nobody>\r\n", Head("null_sender=nobody", "eol=\\r\\n"));
    }

    private const string Message = "Subject: x\nFrom: y\n\nFrom line\n.dot\nFrom\n..\n\nFro\nFrom \nx\n";

    [Theory]
    [InlineData("flags=", Message)]
    [InlineData("flags=B", Message + "\n")]
    [InlineData("flags=>", "Subject: x\nFrom: y\n\n>From line\n.dot\nFrom\n..\n\nFro\n>From \nx\n")]
    [InlineData("flags=.", "Subject: x\nFrom: y\n\nFrom line\n..dot\nFrom\n...\n\nFro\nFrom \nx\n")]
    [InlineData("eol=\\r\\n", "Subject: x\r\nFrom: y\r\n\r\nFrom line\r\n.dot\r\nFrom\r\n..\r\n\r\nFro\r\nFrom \r\nx\r\n")]
    public void Content_is_the_same_wherever_it_is_cut(string attribute, string expected) => Gen.Int[0, Message.Length].Array[0, 12].Sample(cuts =>
    {
        var content = new PipeContent(new Cut(Encoding.Latin1.GetBytes(Message), [.. cuts.Order()]), Command(attribute, "argv=x"));
        for (var i = 0; i < 2; i++)
        {
            content.Rewind();
            var text = new StringBuilder();
            ContentRead read;
            while ((read = content.Read(out var piece)) == ContentRead.Data)
            {
                text.Append(Encoding.Latin1.GetString(piece.Span));
            }
            Assert.Equal((ContentRead.End, expected), (read, text.ToString()));
        }
    }, iter: 500);

    [Fact]
    public void Content_that_can_not_be_read_is_not_ended() =>
        Assert.Equal(ContentRead.Damaged, new PipeContent(new Cut([], []) { Broken = true }, Command("flags=B", "argv=x")).Read(out _));

    private sealed class Cut(byte[] content, int[] cuts) : IContentSource
    {
        private int _next;

        public bool Broken { get; init; }

        public long Length => content.Length;

        public void Rewind() => _next = 0;

        public ContentRead Read(out ReadOnlyMemory<byte> piece)
        {
            piece = default;
            if (Broken)
            {
                return ContentRead.Damaged;
            }
            if (_next > cuts.Length)
            {
                return ContentRead.End;
            }
            var from = _next == 0 ? 0 : cuts[_next - 1];
            piece = content.AsMemory(from, (_next < cuts.Length ? cuts[_next] : content.Length) - from);
            _next++;
            return ContentRead.Data;
        }
    }
}
