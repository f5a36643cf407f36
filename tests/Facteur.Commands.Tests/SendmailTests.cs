using System.Text;
using Facteur.Spool.Maildrop;
using Facteur.Testing;
using Facteur.Unix;

namespace Facteur.Commands.Tests;

public sealed class SendmailTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-sendmail-").FullName;
    private readonly List<string> _others = [];

    public SendmailTests()
    {
        Directory.CreateDirectory(Path.Combine(_directory, "maildrop"));
        Main("");
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_message_lies_in_maildrop_as_Postfix_writes_it()
    {
        Assert.Equal((0, "", ""), Run("From: x\nSubject: hi\n\nbody\n", "-f", "joe", "-F", "Joe Full", "-N", "success,failure", "-V", "env1", "-R", "hdrs", "-B", "8BITMIME", "bob", "Al <al@x.example>"));
        Assert.Equal(
            "A envelope_id=env1|A ret_flags=2|A rewrite_context=local|F Joe Full|S joe|A encoding=8bit|A notify_flags=6|R bob|A notify_flags=6|R al@x.example|M "
            + "|N From: x|N Subject: hi|N |N body|X |E ", Records());
    }

    [Theory]
    [InlineData("x\n.\ny\n", "N x|X ", "bob")]
    [InlineData("x\n.\ny\n", "N x|N .|N y|X ", "-i bob")]
    [InlineData("x\n.\ny\n", "N x|N .|N y|X ", "-oi bob")]
    [InlineData("x\r\ny\r\n", "N x|N y|X ", "bob")]
    [InlineData("From foo@bar Mon\n>From x\nSubject: y\n\nFrom body\n", "N Subject: y|N |N From body|X ", "bob")]
    [InlineData(">>From foo\n>From x\n\nFrom body\n", "N |N From body|X ", "bob")]
    [InlineData("no end", "N no end|X ", "bob")]
    [InlineData("x\r\ny\r", "N x|N y\r|X ", "bob")]
    [InlineData("From no end", "N From no end|X ", "bob")]
    [InlineData("", "X ", "bob")]
    public void Content(string input, string expected, string arguments)
    {
        Assert.Equal(0, Run(input, arguments.Split(' ')).Exit);
        Assert.Contains($"|M |{expected}|E ", Records());
    }

    [Fact]
    public void Long_lines_become_parts_wherever_input_is_cut()
    {
        var line = string.Concat(Enumerable.Range(0, 1000).Select(i => $"{i:0000} "));
        Assert.Equal(0, Run($"{line}\r\n{line[..2048]}\nend\n", "bob").Exit);
        var message = Records().Replace("|L ", "").Replace("|N ", "\n");
        Assert.Contains(line[..4900].Replace("|", ""), message.Replace("\n", ""));
        Assert.EndsWith("\nend|X |E ", message);
        Assert.DoesNotContain("\r", message);
    }

    [Theory]
    [InlineData("To: bob (Bob), Carol <carol@d.example>\nCc: grp: dave,\n x@r.example;\nBcc: owner\nSubject: t\n\nTo: not@this.example\n", "bob carol@d.example dave x@r.example owner")]
    [InlineData("Resent-To: carol\nTo: bob\n\nx\n", "carol")]
    [InlineData("Resent-From: carol\nTo: bob\n\nx\n", "bob")]
    [InlineData("To: @relay.example:bob@x.example\n\n", "bob@x.example")]
    [InlineData("To: \"john smith\"@x.example\n\n", "john smith@x.example")]
    [InlineData("To: bob", "bob")]
    [InlineData("To: \"john@x.example\", jane\\@x.example\n\n", "john@x.example jane@x.example")]
    [InlineData("To: \"john@x.example", "john@x.example")]
    [InlineData("To: bob\0 <x>\n\n", "bob")]
    public void Recipients_come_from_the_headers(string input, string expected)
    {
        Assert.Equal(0, Run(input, "-t").Exit);
        var records = Records().Split('|');
        Assert.Equal(expected, string.Join(' ', records.SkipWhile(r => r != "X ").Where(r => r.StartsWith("R ")).Select(r => r[2..])));
    }

    [Fact]
    public void An_operand_that_is_empty_is_a_recipient_that_is_empty()
    {
        Assert.Equal(0, Run("x\n", "-f", "alice", "bob", "", "()").Exit);
        Assert.Contains("|R bob|R |R |", Records());
    }

    [Fact]
    public void Recipients_of_headers_and_command_line_add_up()
    {
        Assert.Equal(0, Run("To: carol\n\nx\n", "-t", "bob").Exit);
        Assert.Contains("|R bob|M |N To: carol|N |N x|X |R carol|E ", Records());
    }

    [Fact]
    public void Recipients_of_a_header_line_that_is_long_are_found_to_its_end()
    {
        var names = Enumerable.Range(0, 900).Select(i => $"bob{i}").ToList();
        Assert.Equal(0, Run($"To: {string.Join(", ", names)}\n\nx\n", "-t").Exit);
        Assert.Equal(names, Records().Split('|').SkipWhile(r => r != "X ").Where(r => r.StartsWith("R ", StringComparison.Ordinal)).Select(r => r[2..]));
    }

    [Fact]
    public void A_recipient_that_is_no_UTF8_is_not_passed_over()
    {
        var (context, _, _) = Context(Encoding.Latin1.GetBytes("To: carol, B\u00fcrger <bob>, j\u00f6rg@x.example\n\n"), "sendmail", "-t");
        Assert.Equal(0, Sendmail.Run(context, _ => 1, (_, _, _) => 1));
        Assert.Contains("|X |R carol|R bob|R j\ufffdrg@x.example|E ", Records());
    }

    // header_address_token_limit (10240) is of cleanup(8) alone.
    [Fact]
    public void All_recipients_of_a_header_are_found()
    {
        var names = Enumerable.Range(0, 6000).Select(i => $"u{i}@x.e").ToList();
        Assert.Equal(0, Run($"To: {string.Join(',', names)}\n\nx\n", "-t").Exit);
        Assert.Equal(names, Records().Split('|').SkipWhile(r => r != "X ").Where(r => r.StartsWith("R ", StringComparison.Ordinal)).Select(r => r[2..]));
    }

    [Theory]
    [InlineData("To")]
    [InlineData("Subject")]
    public void A_header_beyond_the_limit_is_no_place_for_recipients(string name)
    {
        Main("header_size_limit = 5000\n");
        var header = $"To: bob\n{name}: {string.Join(",\n ", Enumerable.Range(0, 1000).Select(i => $"u{i}@x.example"))}\n\nx\n";
        Assert.Equal((75, "", $"sendmail: fatal: alice({Libc.getuid()}): unable to extract recipients: message header length exceeds safety limit\n"),
            Run(header, "-t", "-f", "alice", "carol"));
        Assert.Empty(Directory.GetFiles(Path.Combine(_directory, "maildrop")));
        Assert.Equal(0, Run(header, "-f", "alice", "carol").Exit);
    }

    [Fact]
    public void From_the_second_v_on_no_report_is_asked_for()
    {
        Assert.Equal((0, "Mail Delivery Status Report will be mailed to <alice>.\n", ""), Run("x\n", "-v", "-f", "alice", "bob"));
        Assert.Equal((0, "", ""), Run("x\n", "-vv", "-f", "alice", "bob"));
    }

    [Fact]
    public void Verify_sends_a_probe_and_says_who_gets_the_report()
    {
        Assert.Equal((0, "Mail Delivery Status Report will be mailed to <alice>.\n", ""), Run("ignored", "-bv", "-f", "alice", "bob", "x@r.example"));
        Assert.Contains("|A trace_flags=512|R bob|R x@r.example|M |N From: alice|N Subject: probe|L To:|N \tbob,|N \tx@r.example|X |E ", Records());
    }

    [Theory]
    [InlineData("-f|<>|bob", "|S |")]
    [InlineData("-f||bob", "|S |")]
    [InlineData("-f| |bob", "|S |")]
    [InlineData("-f|(nobody)|bob", "|S |")]
    [InlineData("-f|\"a@x.example\"|bob", "|S a@x.example|")]
    [InlineData("-falice+x@dest.example|bob", "|S alice+x@dest.example|")]
    public void Senders(string arguments, string expected)
    {
        Assert.Equal(0, Run("x\n", arguments.Split('|')).Exit);
        Assert.Contains(expected, Records());
    }

    [Theory]
    [InlineData("-t", "Subject: no recipients\n\nx\n", "sendmail: fatal: USER: No recipient addresses found in message header\n")]
    [InlineData("", "x\n", "sendmail: fatal: USER: Recipient addresses must be specified on the command line or via the -t option\n")]
    [InlineData("-t -f alice", "Subject: no recipients\n\nx\n", "sendmail: fatal: alice(UID): No recipient addresses found in message header\n")]
    [InlineData("-f alice", "x\n", "sendmail: fatal: alice(UID): Recipient addresses must be specified on the command line or via the -t option\n")]
    [InlineData("-Q", "", "sendmail: invalid option -- 'Q'\nsendmail: invalid option -- 'Q'\nsendmail: fatal: usage: sendmail [options]\n")]
    [InlineData("-bz", "", "sendmail: fatal: unsupported: -bz\n")]
    [InlineData("-qSsite bob", "", "sendmail: fatal: -qS is not implemented\n")]
    [InlineData("-oA", "", "sendmail: fatal: -oA requires pathname\n")]
    [InlineData("-qI", "", "sendmail: fatal: specify: -qIqueueid\n")]
    [InlineData("-qR", "", "sendmail: fatal: specify: -qRsitename\n")]
    [InlineData("-bp bob", "", "sendmail: fatal: display queue mode requires no recipient\n")]
    [InlineData("-bi bob", "", "sendmail: fatal: alias initialization mode requires no recipient\n")]
    [InlineData("-qIABC bob", "", "sendmail: fatal: flush queue_id requires no recipient\n")]
    [InlineData("-qRx.example bob", "", "sendmail: fatal: flush site requires no recipient\n")]
    [InlineData("-bs bob", "", "sendmail: fatal: stand-alone mode requires no recipient\n")]
    [InlineData("-v -bv bob", "", "sendmail: fatal: -v option cannot be used with -bv\n")]
    [InlineData("-B foo bob", "", "sendmail: fatal: -B option needs 8BITMIME or 7BIT\n")]
    [InlineData("-B 8bitmime bob", "", "sendmail: fatal: -B option needs 8BITMIME or 7BIT\n")]
    [InlineData("-n bob", "x\n", "sendmail: fatal: -n option not supported\n")]
    [InlineData("-bcarol", "", "sendmail: fatal: unsupported: -bc\n")]
    [InlineData("-bv -t", "To: bob\n\n", "sendmail: fatal: -t option cannot be used with -bv\n")]
    [InlineData("-bv -N never bob", "", "sendmail: fatal: -N option cannot be used with -bv\n")]
    [InlineData("-bs -t", "", "sendmail: fatal: -t can be used only in delivery mode\n")]
    [InlineData("-X/tmp/x bob", "", "sendmail: fatal: unsupported: -X/\n")]
    public void Errors_are_temporary_and_leave_nothing(string arguments, string input, string expected)
    {
        UserAccount.Find(Libc.getuid(), out var user);
        var (exit, _, error) = Run(input, arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(75, exit);
        Assert.Equal(expected.Replace("USER", $"{user?.Name}({user?.Uid})").Replace("UID", $"{user?.Uid}"), error);
        Assert.Empty(Directory.GetFiles(Path.Combine(_directory, "maildrop")));
    }

    [Theory]
    [InlineData("-N|never,success", "bad -N option value -- ignored", "|S USER|R bob|")]
    [InlineData("-N|sometimes", "unknown DSN NOTIFY command value \"sometimes\" in \"sometimes\"\nsendmail: warning: bad -N option value -- ignored", "|S USER|R bob|")]
    [InlineData("-R|some", "bad -R option value -- ignored", "|S USER|R bob|")]
    [InlineData("-V|", "bad syntax in -V option value -- ignored", "|S USER|R bob|")]
    [InlineData("-V|-f|joe", "option -V is deprecated with Postfix 2.3; specify -XV instead", "|S joe|V +=|R bob|")]
    [InlineData("-V-=", "option -V-= is deprecated with Postfix 2.3; specify -XV-= instead", "|S USER|V -=|R bob|")]
    [InlineData("-f|a@x.example, b@x.example", "-f option specified malformed sender: a@x.example, b@x.example", "|S a@x.example|R bob|")]
    public void Options_that_make_no_sense_are_said_and_the_message_goes(string arguments, string warning, string records)
    {
        UserAccount.Find(Libc.getuid(), out var user);
        Assert.Equal((0, "", $"sendmail: warning: {warning}\n"), Run("x\n", [.. arguments.Split('|'), "bob"]));
        Assert.Contains(records.Replace("USER", user?.Name), Records());
    }

    [Fact]
    public void Mail_of_a_gateway_is_not_completed_as_a_users_is()
    {
        Assert.Equal(0, Run("x\n", "-G", "-f", "a!b", "bob").Exit);
        Assert.Contains("A rewrite_context=remote|", Records());
    }

    [Fact]
    public void A_bad_configuration_keeps_the_message_with_its_program()
    {
        Main("line_length_limit = 100\n");
        Assert.Equal((75, "", "sendmail: fatal: invalid line_length_limit parameter value 100 < 512\n"), Run("x\n", "bob"));
    }

    [Fact]
    public void Too_much_is_refused()
    {
        Main("message_size_limit = 1000\n");
        var (exit, _, error) = Run(new string('x', 5000) + "\n", "bob");
        Assert.Equal(75, exit);
        Assert.EndsWith(": message file too big\n", error);
        Assert.Empty(Directory.GetFiles(Path.Combine(_directory, "maildrop")));
    }

    [Theory]
    [InlineData("sendmail", "-bp", "postqueue -c DIR -p")]
    [InlineData("mailq", "", "postqueue -c DIR -p")]
    [InlineData("newaliases", "", "newaliases -c DIR")]
    [InlineData("sendmail", "-q", "postqueue -c DIR -f")]
    [InlineData("sendmail", "-qIABC", "postqueue -c DIR -i ABC")]
    [InlineData("sendmail", "-qRexample.com", "postqueue -c DIR -s example.com")]
    [InlineData("newaliases", "-oA/x/aliases", "newaliases -c DIR -oA/x/aliases")]
    [InlineData("sendmail", "-bi -oAhash:/x/aliases", "newaliases -c DIR -oAhash:/x/aliases")]
    [InlineData("sendmail", "-bd -q1h", "postfix -c DIR start")]
    [InlineData("sendmail", "-q30m -bd", "postfix -c DIR start")]
    [InlineData("sendmail", "-bd -q", "postfix -c DIR start")]
    [InlineData("sendmail", "-q15m", "")]
    [InlineData("sendmail", "-bd", "postfix -c DIR start")]
    public void Other_commands(string name, string arguments, string expected)
    {
        Assert.Equal(0, Run("", arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), name).Exit);
        Assert.Equal(expected, string.Join('\n', _others).Replace(_directory, "DIR"));
    }

    [Theory]
    [InlineData("-q15m bob", "R bob")]
    [InlineData("-q15m -t", "R carol")]
    public void An_interval_beside_a_message_is_ignored(string arguments, string expected)
    {
        Assert.Equal(0, Run("To: carol\n\nx\n", arguments.Split(' ')).Exit);
        Assert.Contains($"|{expected}|", Records());
    }

    [Fact]
    public void Postdrop_takes_the_records_and_refuses_what_is_cut()
    {
        Assert.Equal(0, Run("x\n", "bob").Exit);
        var bytes = File.ReadAllBytes(Directory.GetFiles(Path.Combine(_directory, "maildrop"))[0]);
        var (context, _, error) = Context(bytes, "postdrop", "-r");
        Assert.Equal(0, Postdrop.Run(context));
        Assert.Equal(2, Directory.GetFiles(Path.Combine(_directory, "maildrop")).Length);
        (context, _, error) = Context(bytes[..^3], "postdrop", "-r");
        Assert.Equal(75, Postdrop.Run(context));
        Assert.Equal($"postdrop: fatal: uid={Libc.getuid()}: unexpected EOF in data\n", error.ToString());
        Assert.Equal(2, Directory.GetFiles(Path.Combine(_directory, "maildrop")).Length);
    }

    [Theory]
    [InlineData("-t|tag|-p|warn|some|text", "tag: warning: some text", "")]
    [InlineData("-p|CRIT|text", "postfix/postlog: fatal: text", "")]
    [InlineData("-p|Err|text", "postfix/postlog: error: text", "")]
    [InlineData("-p|info", "postfix/postlog: one|postfix/postlog: two", "one\ntwo\n")]
    public void Postlog_writes_lines(string arguments, string expected, string input)
    {
        var log = new TestLog();
        var (context, _, error) = Context(Encoding.UTF8.GetBytes(input), "postlog", arguments.Split('|'));
        Assert.Equal(0, Postlog.Run(context, _ => log));
        Assert.Equal(expected, string.Join('|', log.Lines));
        Assert.Equal(expected.Replace('|', '\n') + "\n", error.ToString());
    }

    [Theory]
    [InlineData("-x", "postlog: invalid option -- 'x'|postfix/postlog: fatal: usage: postlog [-c config_dir] [-i] [-p priority] [-t tag] [-v] [text]")]
    [InlineData("-p|bad|x", "postfix/postlog: fatal: bad severity: \"bad\"")]
    [InlineData("-c|/nonexistent|x", "postfix/postlog: fatal: open /nonexistent/main.cf: No such file or directory")]
    public void Postlog_says_what_is_wrong_as_Postfix_does(string arguments, string expected)
    {
        var (context, _, error) = Context([], "postlog", arguments.Split('|'));
        Assert.Equal(1, Postlog.Run(context, _ => new TestLog()));
        Assert.Equal(expected.Replace('|', '\n') + "\n", error.ToString());
    }

    [Fact]
    public void Who_may_not_write_the_log_reads_the_text_and_why()
    {
        Main("maillog_file = /var/log/mail.log\n");
        var (context, _, error) = Context([], "postlog", "-t", "tag", "text");
        Assert.Equal(1, Postlog.Run(context, _ => throw new IOException("open /var/log/mail.log: Permission denied")));
        Assert.Equal("tag: text\npostfix/postlog: fatal: open logfile '/var/log/mail.log': cannot open file: Permission denied\n", error.ToString());
    }

    private void Main(string more) => File.WriteAllText(
        Path.Combine(_directory, "main.cf"), $"compatibility_level = 3.11\nmyhostname = mx.dest.example\nqueue_directory = {_directory}\n{more}");

    private (int Exit, string Output, string Error) Run(string input, params string[] arguments) => Run(input, arguments, "sendmail");

    private (int Exit, string Output, string Error) Run(string input, string[] arguments, string name)
    {
        var (context, output, error) = Context(Encoding.UTF8.GetBytes(input), name, arguments);
        var exit = Sendmail.Run(context, other =>
        {
            _others.Add($"{other.Name} {string.Join(' ', other.Arguments)}");
            return 0;
        }, (_, _, _) => throw new InvalidOperationException("-bs was not asked for"));
        return (exit, output.ToString(), error.ToString());
    }

    private (CommandContext Context, StringWriter Output, StringWriter Error) Context(byte[] input, string name, params string[] arguments)
    {
        var (output, error) = (new StringWriter { NewLine = "\n" }, new StringWriter { NewLine = "\n" });
        return (new CommandContext(name, arguments, new MemoryStream(input), output, error, TimeProvider.System, new Dictionary<string, string> { ["MAIL_CONFIG"] = _directory }), output, error);
    }

    /// <summary>The one file's records without its time and user: "T data|…".</summary>
    private string Records()
    {
        ReadOnlySpan<byte> bytes = File.ReadAllBytes(Assert.Single(Directory.GetFiles(Path.Combine(_directory, "maildrop"))));
        var text = new StringBuilder();
        while (MaildropRecord.TryTake(ref bytes, out var record, out _))
        {
            var data = Encoding.UTF8.GetString(record.Data);
            if (record.Type != MaildropRecordType.Time && !data.StartsWith("submit_uid="))
            {
                text.Append(text.Length > 0 ? "|" : "").Append((char)record.Type).Append(' ').Append(data);
            }
        }
        return text.ToString();
    }
}
