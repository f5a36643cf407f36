using System.Globalization;
using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Testing;

namespace Facteur.Commands.Tests;

public sealed class QueueCommandTests : IDisposable
{
    private const string Refused = "connect to mx2.remote.example[127.0.10.2]:25: Connection refused";
    private readonly string _directory = Directory.CreateTempSubdirectory("queue").FullName;
    private readonly FakeOperator _queue = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();
    private readonly TestLog _log = new();
    private bool _down;

    public QueueCommandTests() => File.WriteAllText(Path.Combine(_directory, "main.cf"), $"compatibility_level = 3.11\nqueue_directory = {_directory}\nmail_name = Postfix\nmyhostname = mx.dest.example\n");

    public void Dispose()
    {
        Directory.Delete(_directory, recursive: true);
        _queue.Dispose();
    }

    [Fact]
    public void Mailq_prints_postfixs_columns()
    {
        Queue("active", "7EA02B1E0D6");
        Queue("hold", "BBBBBB", expire: true, recipients: [new("a@b.example", "", "deferred transport", false), new("c@b.example", "", "deferred transport", false), new("d@b.example", "", Refused, true)]);
        Queue("deferred", "7EA02B1E0D61", size: 4000);
        Assert.Equal(0, Mailq());
        Assert.Equal(
            """
            -Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------
            7EA02B1E0D6*     113 Sun Nov 22 16:06:34  bob@a.example
                                                     x@b.example

            BBBBBB!#        113 Sun Nov 22 16:06:34  bob@a.example
                                                                      (deferred transport)
                                                     a@b.example
                                                     c@b.example
                        (connect to mx2.remote.example[127.0.10.2]:25: Connection refused)
                                                     d@b.example

            7EA02B1E0D61    4000 Sun Nov 22 16:06:34  bob@a.example
                                                     x@b.example

            -- 4 Kbytes in 3 Requests.

            """, _output.ToString());
    }

    [Fact]
    public void Long_ids_have_wider_columns()
    {
        File.AppendAllText(Path.Combine(_directory, "main.cf"), "enable_long_queue_ids = yes\n");
        Queue("deferred", "4bcdfg1234z5678", expire: true);
        Assert.Equal(0, Mailq());
        Assert.StartsWith(
            """
            ----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------
            4bcdfg1234z5678#       113 Sun Nov 22 16:06:34 bob@a.example
                                                           x@b.example


            """, _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_queue()
    {
        Assert.Equal(0, Postqueue("-p"));
        Assert.Equal("Mail queue is empty\n", _output.ToString());
        Assert.Equal(0, Postqueue("-j"));
        Assert.Equal("Mail queue is empty\n", _output.ToString());
    }

    [Fact]
    public void Json_lines_have_postfixs_members_in_order()
    {
        Queue("deferred", "7EA02B1E0D6", recipients: [new("x@b.example", "", null, false), new("\"q\\\"\"@b.example", "o@b.example", "bad\tthing\x01", false), new("z@b.example", "", "gone", true)]);
        Assert.Equal(0, Postqueue("-j"));
        Assert.Equal(
            """
            {"queue_name": "deferred", "queue_id": "7EA02B1E0D6", "arrival_time": 1795363594, "message_size": 113, "forced_expire": false, "sender": "bob@a.example", "recipients": [{"orig_address": "", "address": "x@b.example"}, {"orig_address": "o@b.example", "address": "\"q\\\"\"@b.example", "delay_reason": "bad\tthing\u0001"}, {"orig_address": "", "address": "z@b.example", "bounce_reason": "gone"}]}

            """, _output.ToString());
    }

    [Theory]
    [InlineData("-f", "flush")]
    [InlineData("-i 7EA02B1E0D6", "flush 7EA02B1E0D6")]
    [InlineData("-s remote.example", "flush remote.example")]
    [InlineData("-s [192.0.2.1]", "flush [192.0.2.1]")]
    [InlineData("-v -s [IPv6:::1]", "flush [IPv6:::1]")]
    public void Postqueue_has_mail_tried(string arguments, string call)
    {
        Queue("deferred", "7EA02B1E0D6");
        Assert.Equal(0, Postqueue(arguments));
        Assert.Equal([call], _queue.Calls);
        Assert.Equal("", _error.ToString());
    }

    [Theory]
    [InlineData("", "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site")]
    [InlineData("-p -f", "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site")]
    [InlineData("-p x", "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site")]
    [InlineData("-i a/b", "Cannot flush queue ID - invalid name: \"a/b\"")]
    [InlineData("-s a..b", "Cannot flush mail queue - invalid destination: \"a..b\"")]
    [InlineData("-s [x]", "Cannot flush mail queue - invalid destination: \"[x]\"")]
    public void Postqueue_says_what_is_wrong(string arguments, string text)
    {
        Assert.Equal(69, Postqueue(arguments));
        Assert.Equal($"postqueue: fatal: {text}\n", _error.ToString());
        Assert.Empty(_queue.Calls);
    }

    [Fact]
    public void A_site_that_is_not_eligible()
    {
        _queue.Refuses = new ControlException(ControlFailure.NotEligible, "");
        Assert.Equal(69, Postqueue("-s remote.example"));
        Assert.Equal("postqueue: fatal: Flush service is not configured for destination \"remote.example\"\n", _error.ToString());
    }

    [Fact]
    public void A_system_that_is_down()
    {
        Assert.Equal(69, Postqueue("-p", QueueAccess.RunningSystem));
        Assert.Equal("postqueue: fatal: Queue report unavailable - mail system is down (Connect to the Postfix showq service: No such file or directory)\n", _error.ToString());
        _error.GetStringBuilder().Clear();
        Assert.Equal(69, Postqueue("-f", QueueAccess.RunningSystem));
        Assert.Equal("postqueue: fatal: Cannot flush mail queue - mail system is down\n", _error.ToString());
        _error.GetStringBuilder().Clear();
        Assert.Equal(69, Postqueue("-i ABC", QueueAccess.RunningSystem));
        Assert.Equal("postqueue: warning: connect to public/control: No such file or directory\npostqueue: fatal: Cannot flush mail queue - mail system is down\n", _error.ToString());
        _error.GetStringBuilder().Clear();
        _down = true;
        Queue("deferred", "7EA02B1E0D6");
        Assert.Equal(0, Mailq());
        Assert.Equal("postqueue: warning: Mail system is down -- accessing queue directly (Connect to the Postfix showq service: No such file or directory)\n", _error.ToString());
        Assert.Contains("-- 0 Kbytes in 1 Request.\n", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Postsuper_as_recorded()
    {
        Queue("deferred", "A00001");
        Queue("deferred", "A00002");
        Queue("deferred", "A00003");
        Super("-h A00003", "A00003: placed on hold", "Placed on hold: 1 message");
        Super("-h A00003", "Placed on hold: 0 messages");
        Super("-d A00001", "A00001: removed", "Deleted: 1 message");
        Super("-H ALL", "Released from hold: 1 message");
        Super("-r ALL", "Requeued: 2 messages");
        Super("-h ALL incoming", "Placed on hold: 2 messages");
        Super("-H ALL hold", "Released from hold: 2 messages");
        Super("-f A00002", "A00002: expired", "Force-expired: 1 message", "Released from hold: 0 messages");
        Super("-d A00002 hold", "Deleted: 0 messages");
        Super("-d BADID123", "Deleted: 0 messages");
        Super("-d ALL", "Deleted: 2 messages");
        Super("-d all", "Deleted: 0 messages");
        Super("-p -s");
        Super("-e A1B2C3 -f A1B2C3 -H A1B2C3 -h A1B2C3 -d A1B2C3 -r A1B2C3",
            "Requeued: 0 messages", "Deleted: 0 messages", "Force-expired: 0 messages", "Placed on hold: 0 messages", "Released from hold: 0 messages");
    }

    [Fact]
    public void Postsuper_reads_ids_from_standard_input()
    {
        Queue("deferred", "A00001");
        Queue("deferred", "A00002");
        Assert.Equal(0, Postsuper("-h -", "A00001\n\na/b\nA00002\n"));
        Assert.Equal("postsuper: A00001: placed on hold\npostsuper: warning: invalid mail queue id: \npostsuper: warning: invalid mail queue id: a/b\npostsuper: A00002: placed on hold\npostsuper: Placed on hold: 2 messages\n", _error.ToString());
        Assert.Equal(["postfix/postsuper: A00001: placed on hold", "postfix/postsuper: warning: invalid mail queue id: ", "postfix/postsuper: warning: invalid mail queue id: a/b", "postfix/postsuper: A00002: placed on hold", "postfix/postsuper: Placed on hold: 2 messages"], _log.Lines);
    }

    [Fact]
    public void Mail_in_maildrop_is_shown_and_deleted()
    {
        var maildrop = Directory.CreateDirectory(Path.Combine(_directory, "maildrop")).FullName;
        string[] names = ["6ABCDEF011", "6ABCDEF012", "6ABCDEF013", "8DE0.2147483647.1"];
        foreach (var name in names)
        {
            File.WriteAllBytes(Path.Combine(maildrop, name), "T\u000a1700000000S\u0005aliceR\u0003bobM\0N\0N\u0006hello!X\0E\0"u8);
        }
        Assert.Equal((0, "\nhello!\n"), Postcat("-bq 6ABCDEF011"));
        Super("-d 6ABCDEF011 hold", "Deleted: 0 messages");
        Super("-h 6ABCDEF011", "Placed on hold: 0 messages");
        Super("-d 6ABCDEF011", "6ABCDEF011: removed", "Deleted: 1 message");
        Super("-d ALL", "Deleted: 0 messages");
        Super("-d ALL maildrop", "Deleted: 2 messages");
        Assert.Equal([names[3]], Directory.GetFiles(maildrop).Select(path => Path.GetFileName(path)));
        File.SetLastWriteTimeUtc(Path.Combine(maildrop, names[3]), new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        Super("-p");
        Assert.Empty(Directory.GetFiles(maildrop));
    }

    [Fact]
    public void Postsuper_logs_what_keeps_it_from_its_work()
    {
        Assert.Equal(1, Postsuper("-d A1B2C3 nosuch"));
        Assert.Equal(["postfix/postsuper: fatal: invalid directory name: nosuch"], _log.Lines);
    }

    [Theory]
    [InlineData("-d A1B2C3 nosuch", "invalid directory name: nosuch")]
    [InlineData("-c etc -s", "-c requires absolute pathname")]
    public void Postsuper_says_what_is_wrong(string arguments, string text)
    {
        Assert.Equal(1, Postsuper(arguments));
        Assert.Equal($"postsuper: fatal: {text}\n", _error.ToString());
    }

    [Fact]
    public void Postsuper_is_for_the_superuser()
    {
        Assert.Equal(1, Postsuper("-d ALL", uid: 4_000_000));
        Assert.Equal("postsuper: fatal: use of this command is reserved for the superuser\n", _error.ToString());
    }

    [Theory]
    [InlineData("-hq", "Received: by mx\n\tid 1\nSubject: x\n")]
    [InlineData("-bq", "\nbody \u00e9\n")]
    [InlineData("-bhq", "Received: by mx\n\tid 1\nSubject: x\n\nbody \u00e9\n")]
    [InlineData("-bodq", "      400  78 \n      402  78 body \u00e9\n")]
    public void Postcat_shows_header_and_body(string option, string expected)
    {
        Queue("hold", "A00001");
        _queue.Content = "Received: by mx\n\tid 1\nSubject: x\n\nbody \u00e9\n";
        Assert.Equal((0, expected), Postcat($"{option} A00001"));
    }

    [Fact]
    public void Postcat_shows_the_envelope()
    {
        Queue("hold", "A00001");
        _queue.Content = "Message-Id: <m1@x>\n\nx\n";
        _queue.Envelope = new Envelope
        {
            Sender = "bob@dest.example",
            ArrivalMicros = 1_795_363_594_123_456,
            ContentSize = 375,
            Origin = MessageOrigin.Pickup,
            FullName = "Bob Example",
            Flags = MessageFlags.RewriteLocal,
            Recipients = [new("a@remote.example", "", "rfc822;a@remote.example")],
        };
        Assert.Equal((0,
            """
            *** ENVELOPE RECORDS hold/A00001 ***
            message_size:             375             271               1               0             375               0
            message_arrival_time: Sun Nov 22 16:06:34 2026
            create_time: Sun Nov 22 16:06:34 2026
            named_attribute: rewrite_context=local
            sender_fullname: Bob Example
            sender: bob@dest.example
            named_attribute: dsn_orig_rcpt=rfc822;a@remote.example
            original_recipient: a@remote.example
            recipient: a@remote.example
            *** MESSAGE CONTENTS hold/A00001 ***
            *** HEADER EXTRACTED hold/A00001 ***
            named_attribute: message_id=<m1@x>
            *** MESSAGE FILE END hold/A00001 ***

            """), Postcat("-eq A00001"));
    }

    [Fact]
    public void Postcat_shows_who_logged_in_and_what_an_earlier_hop_said()
    {
        Queue("hold", "A00001");
        _queue.Content = "x\n";
        _queue.Envelope = new Envelope
        {
            Sender = "bob@dest.example",
            Client = new ClientInfo("filter.example", "127.0.0.1", 77, "filter.example", "h", "SMTP"),
            Attributes = MessageAttributes.None.With(MessageAttributes.LogClientAddress, "192.0.2.9").With(MessageAttributes.LogIdent, "abc").With(MessageAttributes.SaslUsername, "bob"),
            Recipients = [new("a@remote.example")],
        };
        var text = Postcat("-eq A00001").Item2;
        Assert.Contains("named_attribute: log_ident=abc\n", text, StringComparison.Ordinal);
        Assert.Contains("named_attribute: sasl_username=bob\n", text, StringComparison.Ordinal);
        Assert.Contains(
            "named_attribute: log_client_name=filter.example\nnamed_attribute: log_client_address=192.0.2.9\nnamed_attribute: log_client_port=77\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Postcat_reads_a_file_in_postfixs_format()
    {
        var path = Path.Combine(_directory, "file");
        File.WriteAllBytes(path, [.. Record('T', "1795363594 0"), .. Record('A', "rewrite_context=local"), .. Record('S', "bob@a.example"), .. Record('L', "smtp:[filter]"), .. Record('R', "x@b.example"),
            .. Record('M', ""), .. Record('N', "Subject: x"), .. Record('N', " y"), .. Record('N', ""), .. Record('L', "a"), .. Record('N', "b"), .. Record('X', ""), .. Record('E', "")]);
        var (status, text) = Postcat(path);
        Assert.Equal(0, status);
        Assert.Contains("named_attribute: rewrite_context=local\nsender: bob@a.example\ncontent_filter: smtp:[filter]\nrecipient: x@b.example\n*** MESSAGE CONTENTS ", text, StringComparison.Ordinal);
        Assert.Contains("***\nSubject: x\n y\n\nab\n*** HEADER EXTRACTED ", text, StringComparison.Ordinal);
        Assert.Equal((0, "Subject: x\n y\n"), Postcat($"-h {path}"));
        Assert.Equal((0, "\nab\n"), Postcat($"-b {path}"));
        Assert.Equal("", _error.ToString());
    }

    // As Postfix 3.7 prints the same file.
    [Fact]
    public void Postcat_names_all_records_as_postfix_does()
    {
        var path = Path.Combine(_directory, "file");
        File.WriteAllBytes(path, [.. Record('C', "            100 100 1 0 100"), .. Record('T', "1700000000 5"), .. Record('c', "1700000000"), .. Record('A', "create_time=1700000000"), .. Record('I', "insp"),
            .. Record('S', "s@x"), .. Record('W', "              0"), .. Record('W', "1700000000"), .. Record('p', "              0"), .. Record('D', "done"), .. Record('/', "drcp"), .. Record('>', "redir"), .. Record('K', "k=v"),
            .. Record('r', "rrto"), .. Record('e', "erto"), .. Record('P', "5"), .. Record('Q', "?"), .. Record('M', ""), .. Record('L', "X-Long: "), .. Record('N', "a b: c"), .. Record('w', "      "), .. Record('N', "a b: c"),
            .. Record('L', "end"), .. Record('X', ""), .. Record('R', "ext"), .. Record('E', "")]);
        Assert.Equal((0, $"""
            *** ENVELOPE RECORDS {path} ***
            message_size:             100 100 1 0 100
            message_arrival_time: {When(1_700_000_000)}
            queue_file_create_time: 1700000000
            create_time: {When(1_700_000_000)}
            content_inspector: insp
            sender: s@x
            warning_message_time: {When(0)}
            warning_message_time: {When(1_700_000_000)}
            done_recipient: done
            canceled_recipient: drcp
            redirect_to: redir
            killed_record: k=v
            return_receipt: rrto
            errors_to: erto
            priority: 5
            unknown_record_type: ?
            *** MESSAGE CONTENTS {path} ***
            X-Long: a b: c
            a b: c
            end
            *** HEADER EXTRACTED {path} ***
            recipient: ext
            *** MESSAGE FILE END {path} ***

            """), Postcat(path));
        Assert.Equal((0, "X-Long: a b: c\n"), Postcat($"-h {path}"));
        Assert.Equal((0, "a b: c\nend\n"), Postcat($"-b {path}"));

        static string When(long seconds)
        {
            var time = DateTimeOffset.FromUnixTimeSeconds(seconds).ToLocalTime();
            return $"{time.ToString("ddd MMM", CultureInfo.InvariantCulture)} {time.Day,2} {time.ToString("HH:mm:ss yyyy", CultureInfo.InvariantCulture)}";
        }
    }

    [Theory]
    [InlineData("/etc/passwd", 0, "warning: /etc/passwd: input is not a valid queue file")]
    [InlineData("/nonexistent", 1, "fatal: open /nonexistent: No such file or directory")]
    [InlineData("-q a/b", 1, "fatal: bad mail queue ID: a/b")]
    [InlineData("-q ABC", 1, "fatal: open queue file ABC: No such file or directory")]
    public void Postcat_says_what_is_wrong(string arguments, int status, string text)
    {
        Assert.Equal((status, ""), Postcat(arguments));
        Assert.Equal($"postcat: {text}\n", _error.ToString());
    }

    [Theory]
    [InlineData("S", "unexpected EOF reading length, record type 83")]
    [InlineData("T\u0005ab", "unexpected EOF in data, record type 84 length 5")]
    public void Postcat_of_a_file_that_is_cut_within_a_record_fails(string rest, string why)
    {
        var path = Path.Combine(_directory, "cut");
        File.WriteAllBytes(path, [.. Record('T', "1795363594"), .. Record('S', "a@b"), .. Encoding.Latin1.GetBytes(rest)]);
        var (status, text) = Postcat(path);
        Assert.Equal(1, status);
        Assert.EndsWith("\nsender: a@b\n", text, StringComparison.Ordinal);
        Assert.Equal($"postcat: warning: {path}: {why}\npostcat: fatal: record read error\n", _error.ToString());
    }

    [Theory]
    [InlineData("public pickup W", "kick")]
    [InlineData("public qmgr D", "flush")]
    public void Postkick_wakes(string arguments, string call)
    {
        Assert.Equal(0, Postkick.Run(Context("postkick", arguments), Access()));
        Assert.Equal([call], _queue.Calls);
    }

    [Fact]
    public void Postkick_is_root_s_and_the_owner_s()
    {
        Assert.Equal(1, Postkick.Run(Context("postkick", "public pickup W"), Access(), uid: 65_534));
        Assert.Empty(_queue.Calls);
        Assert.Equal(
            "postkick: warning: unable to look up public/pickup: Permission denied\npostkick: warning: Cannot contact class public service pickup - perhaps the mail system is down\n",
            _error.ToString());
    }

    private static byte[] Record(char type, string text) => [(byte)type, (byte)text.Length, .. Encoding.Latin1.GetBytes(text)];

    private void Queue(string queue, string id, long size = 113, bool expire = false, ListedRecipient[]? recipients = null) =>
        _queue.Messages.Add(new ListedMessage(queue, id, 1_795_363_594, size, expire, "bob@a.example", recipients ?? [new("x@b.example", "", null, false)]));

    private QueueAccess Access() => new(_ => _down ? (null, "No such file or directory") : (_queue, ""), _ => _down ? _queue : null);

    private CommandContext Context(string name, string arguments, string input = "") => new(
        name, arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), new MemoryStream(Encoding.UTF8.GetBytes(input)), _output, _error, new UtcClock(),
        new Dictionary<string, string> { ["MAIL_CONFIG"] = _directory });

    private int Mailq() => Commands.Mailq.Run(Context("mailq", ""), Access());

    private int Postqueue(string arguments, QueueAccess? access = null) => Commands.Postqueue.Run(Context("postqueue", arguments), access ?? Access());

    private int Postsuper(string arguments, string input = "", uint uid = 0) =>
        Commands.Postsuper.Run(Context("postsuper", arguments, input), Access(), _ => new ServiceLog(_log, "postfix/postsuper"), uid);

    private void Super(string arguments, params string[] lines)
    {
        _error.GetStringBuilder().Clear();
        Assert.Equal(0, Postsuper(arguments));
        Assert.Equal(string.Concat(lines.Select(l => $"postsuper: {l}\n")), _error.ToString());
    }

    private (int, string) Postcat(string arguments)
    {
        var bytes = new MemoryStream();
        var status = Commands.Postcat.Run(Context("postcat", arguments), bytes, Access());
        return (status, Encoding.Latin1.GetString(bytes.ToArray()));
    }

    private sealed class UtcClock : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;
    }
}
