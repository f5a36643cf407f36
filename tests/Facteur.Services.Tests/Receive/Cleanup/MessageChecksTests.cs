using CsCheck;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Testing;

namespace Facteur.Services.Tests.Receive.Cleanup;

/// <summary>What is expected here is what Postfix 3.7 did with the same rules and mail, but where a test says otherwise.</summary>
public sealed class MessageChecksTests
{
    private const string Head = "Received: by mx\n";
    private const string By = " from c.good.example[192.0.2.1]; from=<a@sender.example> to=<bob@dest.example> proto=ESMTP helo=<c.example>";

    [Theory]
    // What a line becomes.
    [InlineData("{/^X-Old: (.*)/ REPLACE X-New: $1}", "X-Old: v\nX: 1\n\nb\n", "X-New: v\nX: 1\n\nb\n", "replace: header X-Old: v@: X-New: v")]
    [InlineData("{/^X-Old/ IGNORE}", "X-Old: v\n w\nX: 1\n\n", "X: 1\n\n", "")]
    [InlineData("{/^X-Old/ STRIP gone}", "X-Old: v\nX: 1\n\n", "X: 1\n\n", "strip: header X-Old: v@: gone")]
    [InlineData("{/^X-Old/ PREPEND X-Pre:yes}", "X-Old: v\n\n", "X-Pre:yes\nX-Old: v\n\n", "prepend: header X-Old: v@: X-Pre:yes")]
    [InlineData("{/^X-Old/ warn   a  b}", "X-Old: v\n\tw\n\n", "X-Old: v\n\tw\n\n", "warning: header X-Old: v??w@: a  b")]
    [InlineData("{/^X-Old/ INFO}", "X-Old: v\n\n", "X-Old: v\n\n", "info: header X-Old: v@")]
    [InlineData("{/^X-Old: v/ WARN seen}", "X-Old \t: v\n\n", "X-Old: v\n\n", "warning: header X-Old: v@: seen")]
    [InlineData("{/^X-Old/ DUNNO}, {/^X/ IGNORE}", "X-Old: v\nX-Older: w\n\n", "X-Old: v\nX-Older: w\n\n", "")]
    [InlineData("{/^X-Old/ OK}", "X-Old: v\n\n", "X-Old: v\n\n", "")]
    [InlineData("{/^X-Old/ PASS trusted}, {/^X/ REJECT}", "X-Old: v\nX: 1\n\nb\n", "X-Old: v\nX: 1\n\nb\n", "pass: header X-Old: v@: trusted")]
    // Rules that are wrong.
    [InlineData("{/^X-Old/ FROB x}", "X-Old: v\n\n", "X-Old: v\n\n", "!unknown command in header_checks map: FROB x")]
    [InlineData("{/^X-Old/ PREPEND}", "X-Old: v\n\n", "X-Old: v\n\n", "!PREPEND action without text in header_checks map")]
    [InlineData("{/^X-Old/ REPLACE no header}", "X-Old: v\n\n", "X-Old: v\n\n", "!bad REPLACE header text \"no header\" in header_checks map -- need \"headername: headervalue\"")]
    [InlineData("{/^X-Old/ REDIRECT nobody}", "X-Old: v\n\n", "X-Old: v\n\n", "!bad REDIRECT target \"nobody\" in header_checks map -- need user@domain")]
    [InlineData("{/^X-Old/ BCC dave}", "X-Old: v\n\n", "X-Old: v\n\n", "!bad BCC address \"dave\" in header_checks map -- need user@domain")]
    [InlineData("{/^X-Old/ FILTER}", "X-Old: v\n\n", "X-Old: v\n\n", "!missing FILTER command argument in header_checks map")]
    [InlineData("{/^X-Old/ FILTER smtp}", "X-Old: v\n\n", "X-Old: v\n\n", "!bad FILTER command smtp in header_checks -- need transport:destination")]
    // A mailbox separator that came by SMTP is a header; a folded header is one, and its replacement stays one.
    [InlineData("{/^Mailbox-Line/ IGNORE}", "From a b\nX: 1\n\n", "X: 1\n\n", "")]
    [InlineData("{/^X-Old: (.*)/ REPLACE X-New: $1}", "X-Old: v\n w\n\n", "X-New: v\n w\n\n", "replace: header X-Old: v? w@: X-New: v? w")]
    public async Task Header_actions(string rules, string content, string expected, string logged)
    {
        foreach (var piece in new[] { 1, 1000 })
        {
            var bench = Bench(("header_checks", $"regexp:{{{rules.Replace("$", "$$")}}}"));
            Assert.Equal(CleanupStatus.Ok, (await SendAsync(bench, Head + content, piece)).Status);
            Assert.Equal(Head + expected, bench.Text);
            Assert.Equal(logged, Logged(bench));
        }
    }

    [Theory]
    [InlineData("fix_quietly", "", "Received: by mx\nX: 1\n\nno header\nb\n", null)]
    [InlineData("add_header", "", "Received: by mx\nX: 1\nMIME-Error: message header was not terminated by empty line\n\nno header\nb\n", null)]
    [InlineData("add_header", "{/^Y/ IGNORE}", "Received: by mx\nX: 1\nMIME-Error: message header was not terminated by empty line\n\nno header\nb\n", null)]
    [InlineData("reject", "", "", "5.6.0 message header was not terminated by empty line")]
    [InlineData("reject", "{/^Y/ IGNORE}", "", "5.6.0 message header was not terminated by empty line")]
    public async Task Headers_that_no_empty_line_ends(string action, string rules, string expected, string? refused)
    {
        foreach (var piece in new[] { 1, 1000 })
        {
            var bench = Bench(("non_empty_end_of_header_action", action), ("header_checks", rules.Length > 0 ? $"regexp:{{{rules}}}" : ""));
            var result = await SendAsync(bench, Head + "X: 1\nno header\nb\n", piece);
            Assert.Equal((refused is null ? CleanupStatus.Ok : CleanupStatus.Rejected, refused), (result.Status, result.Text));
            if (refused is null)
            {
                Assert.Equal(expected, bench.Text);
            }
            bench = Bench(("non_empty_end_of_header_action", action));
            Assert.Equal(CleanupStatus.Ok, (await SendAsync(bench, Head + "X: 1\n\nno header\n", piece)).Status);
            Assert.Equal(Head + "X: 1\n\nno header\n", bench.Text);
        }
    }

    [Theory]
    [InlineData("yes", "no", "quoted-printable\n\ncaf=E9 =3D\n")]
    [InlineData("yes", "yes", "8bit\n\ncaf\u00e9 =\n")]
    [InlineData("no", "no", "8bit\n\ncaf\u00e9 =\n")]
    public async Task Content_may_be_converted_when_it_comes_in(string convert, string disabled, string expected)
    {
        var bench = Bench(("force_mime_input_conversion", convert), ("disable_mime_input_processing", disabled));
        Assert.Equal(CleanupStatus.Ok, (await SendAsync(bench, Head + "MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n\ncaf\u00e9 =\n", 7)).Status);
        Assert.Equal(Head + "MIME-Version: 1.0\nContent-Transfer-Encoding: " + expected, bench.Text);
    }

    [Theory]
    [InlineData("{/^ign/ IGNORE}", "ign\nb\n", "b\n", "")]
    [InlineData("{/^rep (.*)/ REPLACE $1 was}", "rep that\nb\n", "that was\nb\n", "replace: body rep that@: that was")]
    [InlineData("{/^pre/ PREPEND before}", "pre\nb", "before\npre\nb\n", "prepend: body pre@: before")]
    [InlineData("{/./ STRIP}", "\n\nx\n\n", "\n\n\n", "strip: body x@")]
    [InlineData("{/^--b/ IGNORE}", "a\n--b\nX: 1\n\nc\n", "a\nX: 1\n\nc\n", "")]
    public async Task Body_actions(string rules, string content, string expected, string logged)
    {
        foreach (var piece in new[] { 1, 1000 })
        {
            var bench = Bench(("body_checks", $"regexp:{{{rules.Replace("$", "$$")}}}"));
            const string Type = "Content-Type: multipart/mixed; boundary=b\n\n";
            Assert.Equal(CleanupStatus.Ok, (await SendAsync(bench, Head + Type + content, piece)).Status);
            Assert.Equal(Head + Type + expected, bench.Text);
            Assert.Equal(logged, Logged(bench));
        }
    }

    [Theory]
    [InlineData("REJECT", CleanupStatus.Rejected, "5.7.1 message content rejected")]
    [InlineData("REJECT no such subject", CleanupStatus.Rejected, "5.7.1 no such subject")]
    [InlineData("REJECT 5.9.9 five nine", CleanupStatus.Rejected, "5.9.9 five nine")]
    [InlineData("REJECT 4.7.1 later", CleanupStatus.TryAgain, "4.7.1 later")]
    [InlineData("REJECT 421 4.3.2 code", CleanupStatus.Rejected, "5.7.1 421 4.3.2 code")]
    // Postfix 3.7 shows what happens to be in memory behind the code.
    [InlineData("REJECT 4.2.1", CleanupStatus.TryAgain, "4.2.1 message content rejected")]
    [InlineData("REJECT 2.1.1 odd", CleanupStatus.TryAgain, "4.1.1 odd", "!bad DSN action in 2.1.1 odd -- need 4.x.x or 5.x.x|")]
    public async Task Rejects(string action, CleanupStatus status, string text, string warned = "")
    {
        var bench = Bench(("header_checks", $"regexp:{{{{/^Subject/ {action}}}, {{/./ DUNNO}}}}"), ("body_checks", "static:WARN"));
        var result = await SendAsync(bench, Head + "Subject: x\nX: 1\n\nb\n", 1000);
        Assert.Equal(new CleanupResult(status, text), result);
        Assert.Empty(bench.Incoming.Messages);
        Assert.Equal($"{warned}reject: header Subject: x@: {text}", Logged(bench));
        Assert.EndsWith("removed (canceled)", bench.Log.Lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_concerns_the_whole_message_is_done_to_it()
    {
        var bench = Bench(
            ("header_checks", "regexp:{{/^X-Hold/ HOLD see}, {/^X-Bcc/ BCC dave@dest.example}, {/^X-Filter: (.*)/ FILTER f:$$1}, {/^X-Redirect/ REDIRECT carol@dest.example}, {/^X-Last/ REJECT}}"));
        await SendAsync(bench, Head + "X-Hold: 1\nX-Hold: 2\nX-Bcc: 1\nX-Bcc: 2\nX-Filter: a\nX-Filter: b\n\nx\n", 1000, "alice@dest.example");
        Assert.Equal("alice@dest.example|alice@dest.example bob@dest.example|bob@dest.example dave@dest.example|dave@dest.example|Never", bench.Recipients);
        Assert.Equal(("f:b", MessageFlags.Hold), (bench.Envelope.ContentFilter, bench.Envelope.Flags));
        Assert.Equal(
            "hold: header X-Hold: 1@: see|bcc: header X-Bcc: 1@: dave@dest.example|bcc: header X-Bcc: 2@: dave@dest.example|filter: header X-Filter: a@: f:a|filter: header X-Filter: b@: f:b", Logged(bench));

        // Postfix: after REDIRECT nothing is looked at.
        await SendAsync(bench, Head + "X-Bcc: 1\nX-Redirect: 1\nX-Last: 1\n\nx\n", 1000, "alice@dest.example");
        Assert.Equal("carol@dest.example", bench.Envelope.Redirect);
        Assert.Equal("alice@dest.example|alice@dest.example", bench.Recipients.Split(' ')[0]);
    }

    /// <summary>REDIRECT of smtpd's tables and of header checks: the last word is that of the checks; the target is completed, and mapped by no table.</summary>
    [Theory]
    [InlineData("", "", "")]
    [InlineData("carol@dest.example", "", "carol@dest.example")]
    [InlineData("carol@dest.example.", "", "carol@dest.example")]
    [InlineData("bob@dest.example", "", "bob@dest.example")]
    [InlineData("carol@dest.example", "X-Redirect: dave@dest.example", "dave@dest.example")]
    [InlineData("", "X-Redirect: @relay.example:dave@dest.example", "dave@dest.example")]
    [InlineData("", "X-Redirect: one@dest.example\nX-Redirect: two@dest.example", "one@dest.example")]
    [InlineData("carol@dest.example", "X-Redirect: nobody", "carol@dest.example")]
    public async Task Where_a_redirected_message_goes(string before, string header, string expected)
    {
        var tables = new MemoryTables().Add("hash:virtual", ("bob@dest.example", "eve@dest.example"));
        var bench = new CleanupBench(
            tables, ("virtual_alias_maps", "hash:virtual"), ("always_bcc", "owner@dest.example"), ("header_checks", "regexp:{{/^X-Redirect: (.*)/ REDIRECT $$1}}"));
        var envelope = CleanupBench.From("a@sender.example");
        envelope.Redirect = before;
        await bench.SendAsync(envelope, $"Received: x\n{header}{(header.Length > 0 ? "\n" : "")}Subject: x\n\nx\n", ["alice@dest.example"]);
        Assert.Equal(expected, bench.Envelope.Redirect);
        // Who would have had it stands in the envelope: qmgr sends to the first of them alone.
        Assert.StartsWith("alice@dest.example|alice@dest.example owner@dest.example|owner@dest.example", bench.Recipients, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Discarded_mail_was_taken()
    {
        var bench = Bench(("header_checks", "regexp:{{/^Subject/ DISCARD bye}}"));
        Assert.Equal(CleanupStatus.Ok, (await SendAsync(bench, Head + "Subject: x\n\nb\n", 1)).Status);
        Assert.Empty(bench.Incoming.Messages);
        Assert.Equal("discard: header Subject: x@: bye", Logged(bench));
        Assert.EndsWith("removed (discarded)", bench.Log.Lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_table_that_fails_defers_the_mail()
    {
        var bench = Bench(("body_checks", "fail:x"));
        Assert.Equal(CleanupStatus.WriteError, (await SendAsync(bench, Head + "\nb\n", 1000)).Status);
        Assert.Contains(bench.Log.Lines, line => line.EndsWith(": body_checks map lookup problem -- message not accepted, try again later", StringComparison.Ordinal));
        Assert.Empty(bench.Incoming.Messages);
    }

    [Fact]
    public async Task Each_header_has_its_table()
    {
        var bench = Bench(
            ("header_checks", "static:{WARN p}"), ("mime_header_checks", "static:{WARN m}"), ("nested_header_checks", "static:{WARN n}"), ("body_checks", "static:{WARN b}"), ("body_checks_size_limit", "6"));
        await SendAsync(
            bench,
            "Subject: 1\nMIME-Version: 1.0\nContent-Language: en\nContent-ID: <a>\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX: 2\nContent-Type: message/rfc822\n\nSubject: 3\nContent-Description: 4\n\n12345\n6\n7\n--b--\nend\n",
            1000);
        Assert.Equal(
            "Subject: 1=p MIME-Version: 1.0=m Content-Language: en=p Content-ID: <a>=m Content-Type: multipart/mixed; boundary=b=m --b=b X: 2=m Content-Type: message/rfc822=m Subject: 3=n Content-Description: 4=m 12345=b 6=b --b--=b end=b",
            string.Join(' ', Logged(bench).Split('|').Select(l => l.Replace("warning: header ", "").Replace("warning: body ", "").Replace("@: ", "="))));
    }

    [Theory]
    [InlineData("strict_7bit_headers", "Subject: \xe9\n\n\xe9\n", "5.6.0 improper use of 8-bit data in message header")]
    [InlineData("strict_8bitmime", "X: 1\nSubject: \xe9\n\n\xe9\n", "5.6.0 improper use of 8-bit data in message header")]
    [InlineData("strict_8bitmime", "Content-Type: multipart/mixed; boundary=b\n\n--b\nX: \xe9\n\nx\n", "5.6.0 improper use of 8-bit data in message header")]
    [InlineData("strict_8bitmime_body", "Subject: \xe9\n\n\xe9\n", "5.6.0 improper use of 8-bit data in message body")]
    [InlineData("strict_8bitmime_body", "Content-Transfer-Encoding: x-foo\n\n\xe9\n", "5.6.0 improper use of 8-bit data in message body")]
    [InlineData("strict_8bitmime_body", "Content-Transfer-Encoding: 8bit\n\n\xe9\n", null)]
    [InlineData("strict_mime_encoding_domain", "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n", "5.6.0 invalid message/* or multipart/* encoding domain")]
    [InlineData("strict_mime_encoding_domain", "Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\nX: 1\n", "5.6.0 invalid message/* or multipart/* encoding domain")]
    [InlineData("strict_mime_encoding_domain", "Content-Type: message/partial; id=x\nContent-Transfer-Encoding: base64\n\nX: 1\n", null)]
    public async Task Strict_parameters(string parameter, string content, string? text)
    {
        var bench = Bench((parameter, "yes"));
        var result = await SendAsync(bench, content, 1000);
        Assert.Equal(text is null ? new CleanupResult(CleanupStatus.Ok) : new CleanupResult(CleanupStatus.Rejected, text), result);
        Assert.Equal(text is not null, bench.Log.Lines.Any(line => line.Contains(": reject: mime-error " + text?[6..] + ": ", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(3, false)]
    [InlineData(4, true)]
    public async Task Parts_nest_only_so_deep(int depth, bool refused)
    {
        var bench = Bench(("body_checks", "static:DUNNO"), ("mime_nesting_limit", "1"));
        var content = string.Concat(Enumerable.Range(0, depth).Select(i => $"Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n"));
        Assert.Equal(refused ? new CleanupResult(CleanupStatus.Rejected, "5.6.0 MIME nesting exceeds safety limit") : new CleanupResult(CleanupStatus.Ok), await SendAsync(bench, content + "\nx\n", 7));
    }

    [Fact]
    public async Task Mail_of_the_system_itself_is_checked_only_when_asked_for()
    {
        foreach (var (classes, origin, flags, checks) in new[]
        {
            ("", MessageOrigin.Bounce, MessageFlags.None, false), ("bounce", MessageOrigin.Bounce, MessageFlags.None, true), ("notify", MessageOrigin.Notice, MessageFlags.None, true),
            ("bounce", MessageOrigin.Forward, MessageFlags.None, false), ("", MessageOrigin.Pickup, MessageFlags.None, true), ("", MessageOrigin.Smtpd, MessageFlags.NoHeaderBodyChecks, false),
        })
        {
            var bench = Bench(("header_checks", "static:REJECT"), ("internal_mail_filter_classes", classes));
            var result = await bench.SendAsync(CleanupBench.From("a@b.example", origin, flags), "Subject: x\n\n", ["bob@dest.example"]);
            Assert.Equal(checks ? CleanupStatus.Rejected : CleanupStatus.Ok, result.Status);
        }
        var local = Bench(("header_checks", "static:{REJECT no}"));
        await local.SendAsync(CleanupBench.Local("alice"), "Subject: x\n\n", ["bob@dest.example"]);
        Assert.Contains(local.Log.Lines, line => line.EndsWith(": reject: header Subject: x from local; from=<alice@dest.example>: 5.7.1 no", StringComparison.Ordinal));
    }

    /// <summary>All that a client can send comes out as without checks when they have nothing to say.</summary>
    [Fact]
    public async Task Checks_that_say_nothing_change_nothing()
    {
        string[] contents =
        [
            "", "\n", "x", "Subject: x", "Subject: x\nbody", "Subject: x\n y\n\n\nb\n\n", " x\n", "From a b\nSubject: x\n\n",
            "Content-Type: multipart/mixed; boundary=b\n\np\n--b\nno header\n--b\n\n--b--", "Content-Type: message/rfc822\n\nX: 1", $"X: {new string('a', 5000)}\n\n{new string('b', 5000)}\n\x01\xff\0\n",
        ];
        foreach (var content in contents)
        {
            var plain = Bench();
            var bench = Bench(("header_checks", "static:DUNNO"), ("body_checks", "static:DUNNO"));
            await SendAsync(plain, content, 1000);
            await SendAsync(bench, content, 3);
            Assert.Equal(plain.Text, bench.Text);
        }
    }

    /// <summary>Bodies are passed by where no rule looks at them: the rules for headers find the same ones, also in parts.</summary>
    [Fact]
    public async Task Bodies_that_nobody_looks_at_pass()
    {
        string[] kinds =
        [
            "", "", "text", "Subject: x", "X-Other: y", " more", "--b", "--b--", "--c", "From a b", "MIME-Version: 1.0", "Content-Transfer-Encoding: 8bit",
            "Content-Type: text/plain", "Content-Type: multipart/mixed; boundary=b", "Content-Type: multipart/digest; boundary=c", "Content-Type: message/rfc822", new string('l', 5000),
        ];
        var line = Gen.Int[0, kinds.Length - 1].Select(i => kinds[i]);
        await Gen.Select(line.Array[0, 25], Gen.Int[1, 40], Gen.Bool).SampleAsync(
            async (lines, piece, ends) =>
            {
                var content = string.Join('\n', lines) + (ends ? "\n" : "");
                var looks = Bench(("header_checks", "static:{WARN h}"), ("nested_header_checks", "static:{WARN n}"), ("body_checks", "static:DUNNO"));
                var passes = Bench(("header_checks", "static:{WARN h}"), ("nested_header_checks", "static:{WARN n}"));
                Assert.Equal((await SendAsync(looks, content, piece)).Status, (await SendAsync(passes, content, piece)).Status);
                Assert.Equal(looks.Text, passes.Text);
                Assert.Equal(Logged(looks), Logged(passes));
            },
            iter: 400);
    }

    [Fact]
    public async Task A_header_that_says_8bit_makes_8_bit_mail()
    {
        foreach (var (value, detect, body) in new[] { ("8bit", "yes", BodyType.EightBitMime), ("8BIT", "yes", BodyType.EightBitMime), ("8bit", "no", BodyType.None), ("7bit", "yes", BodyType.None) })
        {
            var bench = Bench(("detect_8bit_encoding_header", detect));
            await SendAsync(bench, $"Content-Transfer-Encoding: {value}\n\nx\n", 1000);
            Assert.Equal(body, bench.Envelope.Body);
        }
    }

    [Fact]
    public async Task Rules_see_a_header_beyond_the_limit_to_the_end_of_its_line()
    {
        var bench = Bench(("header_size_limit", "10"), ("header_checks", "pcre:{{/^X-Long: .*end$$/ WARN seen}, {/more/ WARN not seen}}"));
        await SendAsync(bench, "X-Long: 0123456789 end\n more\nSubject: x\n\nx\n", 1000);
        Assert.Equal("X-Long: 01\nSubject: x\n\nx\n", bench.Text);
        Assert.Contains("X-Long: 0123456789 end", Logged(bench), StringComparison.Ordinal);
        Assert.DoesNotContain("not seen", Logged(bench), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: 7bit\n\nx\n--b\nContent-Transfer-Encoding: 8bit\n\nx\n--b\nContent-Transfer-Encoding: base64\n\nx\n--b--\n", true)]
    [InlineData("Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 7bit\n\n--b\nContent-Transfer-Encoding: Binary\n\nx\n--b--\n", true)]
    [InlineData("Content-Type: message/rfc822\n\nContent-Transfer-Encoding: 8bit\n\nx\n", true)]
    [InlineData("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: 8bit (c)\n\nx\n--b\nContent-Transfer-Encoding: 8BIT \n\nx\n--b--\n", false)]
    [InlineData("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nContent-Transfer-Encoding: 8bit\n\n--b--\n", false)]
    [InlineData("Content-Type: text/plain\n\nContent-Transfer-Encoding: 8bit\n", false)]
    [InlineData("Content-Transfer-Encoding: binary\n\nx\n", true)]
    public async Task A_part_that_says_8bit_makes_8_bit_mail(string content, bool found)
    {
        foreach (var (bench, piece) in new[] { (Bench(), 1000), (Bench(), 1), (Bench(("header_checks", "static:DUNNO")), 1000) })
        {
            await SendAsync(bench, content, piece);
            Assert.Equal(found ? BodyType.EightBitMime : BodyType.None, bench.Envelope.Body);
        }
        var plain = Bench(("disable_mime_input_processing", "yes"));
        await SendAsync(plain, content, 1000);
        Assert.Equal(content.StartsWith("Content-Transfer-Encoding: binary", StringComparison.Ordinal) ? BodyType.EightBitMime : BodyType.None, plain.Envelope.Body);
    }

    private static CleanupBench Bench(params (string, string)[] values) => new(null, values);

    private static async Task<CleanupResult> SendAsync(CleanupBench bench, string content, int piece, params string[] before)
    {
        var envelope = new Envelope
        {
            Sender = "a@sender.example",
            Client = new ClientInfo("c.good.example", "192.0.2.1", 25, "c.good.example", "c.example", "ESMTP"),
            LastRecipient = "bob@dest.example",
        };
        return await bench.SendAsync(envelope, content, [.. before, "bob@dest.example"], piece);
    }

    private static string Logged(CleanupBench bench) => string.Join('|', bench.Log.Lines
        .Where(line => !line.Contains("message-id=", StringComparison.Ordinal) && !line.Contains("removed (", StringComparison.Ordinal))
        .Select(line => line.Replace("postfix/cleanup: ", "").Replace("\n", "?").Replace("\t", "?"))
        .Select(line => line.Contains(By, StringComparison.Ordinal) ? line[(line.IndexOf(": ", StringComparison.Ordinal) + 2)..].Replace(By, "@") : line.Replace("warning: ", "!")));
}
