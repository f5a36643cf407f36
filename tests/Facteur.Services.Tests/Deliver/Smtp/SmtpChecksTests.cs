using System.Text;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Mime;
using Facteur.Services.Deliver.Smtp;
using Facteur.Tables;
using Facteur.Testing;

namespace Facteur.Services.Tests.Deliver.Smtp;

/// <summary>What is expected here is what Postfix 3.7 sent and logged with the same rules and mail.</summary>
public sealed class SmtpChecksTests : ITableEvents
{
    private readonly TestLog _log = new();

    [Fact]
    public async Task Lines_are_changed_and_the_message_stays()
    {
        var sent = await SendAsync(
            "Subject: out\nX-Ign: 1\nX-Pre: 1\nX-Rep: v\nX-Strip: s\nX-Warn: w\nX-Info: i\nX-Dunno: d\nX-Ok: o\nX-Hold: h\nX-Bad: b\nX-Bcc: c\nX-Unk: u\nX-None: n\nX-Fold: a\n b\n\n"
            + "ign\nrep this\npre x\nwarn\nstrip\nrej\ndot\n\nend\n",
            ("smtp_header_checks", "{/^Subject: out/ REJECT no}, {/^X-Ign/ IGNORE}, {/^X-Pre/ PREPEND X-P: 1}, {/^X-Rep: (.*)/ REPLACE X-R: $$1}, {/^X-Strip/ STRIP why}, {/^X-Warn/ WARN w}, {/^X-Info/ INFO i},"
                + " {/^X-Dunno/ DUNNO}, {/^X-Ok/ OK}, {/^X-Hold/ HOLD}, {/^X-Bad/ REPLACE bad}, {/^X-Bcc/ BCC a@b.c}, {/^X-Unk/ BLAH}, {/^X-None/ PREPEND}, {/^X-Fold/ REPLACE X-Folded: yes}"),
            ("smtp_body_checks", "{/^ign/ IGNORE}, {/^rep (.*)/ REPLACE got $$1}, {/^pre/ PREPEND before}, {/^warn/ WARN b}, {/^strip/ STRIP b}, {/^rej/ REJECT b}, {/^dot/ REPLACE .}"));
        Assert.Equal(
            "Subject: out\nX-P: 1\nX-Pre: 1\nX-R: v\nX-Warn: w\nX-Info: i\nX-Dunno: d\nX-Ok: o\nX-Hold: h\nX-Bad: b\nX-Bcc: c\nX-Unk: u\nX-None: n\nX-Folded: yes\n\n"
            + "got this\nbefore\npre x\nwarn\nrej\n.\n\nend\n",
            sent);
        Assert.Equal(
            [
                "prepend: header X-Pre: 1: X-P: 1", "replace: header X-Rep: v: X-R: v", "strip: header X-Strip: s: why", "warning: header X-Warn: w: w", "info: header X-Info: i: i",
                "replace: header X-Fold: a\n b: X-Folded: yes", "replace: body rep this: got this", "prepend: body pre x: before", "warning: body warn: b", "strip: body strip: b", "replace: body dot: .",
            ],
            _log.Lines.Where(line => line.StartsWith("postfix/smtp: Q1: ", StringComparison.Ordinal)).Select(line => line["postfix/smtp: Q1: ".Length..]));
        Assert.Equal(
            [
                "unsupported command in smtp_header_checks map: REJECT no", "unsupported command in smtp_header_checks map: HOLD",
                "bad REPLACE header text \"bad\" in smtp_header_checks map -- need \"headername: headervalue\"", "unsupported command in smtp_header_checks map: BCC a@b.c",
                "unsupported command in smtp_header_checks map: BLAH", "PREPEND action without text in smtp_header_checks map", "unsupported command in smtp_body_checks map: REJECT b",
            ],
            _log.Lines.Where(line => line.StartsWith("postfix/smtp: warning: ", StringComparison.Ordinal)).Select(line => line["postfix/smtp: warning: ".Length..]));
    }

    [Fact]
    public async Task Parts_have_their_tables() =>
        Assert.Equal(
            "Subject: parts\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX-Piece: x\n\ngot one\n--b\nContent-Type: message/rfc822\n\nSubject: out\n\nend\n--b--\n",
            await SendAsync(
                "Subject: parts\nContent-Type: multipart/mixed; boundary=b\nContent-Description: d\n\nign\n--b\nX-Part: 1\nContent-Description: e\n\nrep one\n--b\nContent-Type: message/rfc822\n\nSubject: out\nX-Nest: n\n\nign\nend\n--b--\n",
                ("smtp_mime_header_checks", "{/^Content-Desc/ IGNORE}, {/^X-Part/ REPLACE X-Piece: x}"), ("smtp_nested_header_checks", "{/^X-Nest/ STRIP nested}"),
                ("smtp_body_checks", "{/^ign/ IGNORE}, {/^rep (.*)/ REPLACE got $$1}")));

    [Fact]
    public async Task A_long_header_of_a_part_is_not_cut()
    {
        var content = $"Content-Type: multipart/mixed; boundary=b\n\n--b\nX-Long: {string.Join("\n ", Enumerable.Repeat(new string('x', 900), 300))}\n\nx\n--b--\n";
        Assert.Equal(content, await SendAsync(content, ("smtp_body_checks", "{/^never/ IGNORE}")));
    }

    [Fact]
    public async Task A_table_that_fails_is_told_and_ends_it()
    {
        var config = new TestConfig(("smtp_body_checks", "fail:x"));
        using var tables = new TableSet(config, this, TimeProvider.System);
        using var checks = new SmtpChecks(SmtpSettings.OpenChecks(config, lmtp: false, tables)!, new MimeLimits(102_400, 2048, 100, 2048), "Q1", new SmtpLog(new ServiceLog(_log, "postfix/smtp")));
        await checks.ConvertAsync(Encoding.Latin1.GetBytes("Subject: x\n\nb\n"));
        Assert.True(checks.HasFailed);
        Assert.Contains("postfix/smtp: warning: Q1: smtp_body_checks lookup error", _log.Lines);
    }

    [Fact]
    public void Nothing_configured_is_nothing_opened()
    {
        using var tables = new TableSet(new TestConfig(), this, TimeProvider.System);
        Assert.Null(SmtpSettings.OpenChecks(new TestConfig(), lmtp: false, tables));
        Assert.Null(SmtpSettings.OpenChecks(new TestConfig((ContentCheckParameters.SmtpBodyChecks.Name, "static:WARN")), lmtp: true, tables));
        Assert.NotNull(SmtpSettings.OpenChecks(new TestConfig((ContentCheckParameters.LmtpBodyChecks.Name, "static:WARN")), lmtp: true, tables));
    }

    void ITableEvents.Info(string text) => _log.Write("tables", LogLevel.Info, text);

    void ITableEvents.Warning(string text) => _log.Write("tables", LogLevel.Warning, text);

    void ITableEvents.Error(string text) => _log.Write("tables", LogLevel.Error, text);

    private async Task<string> SendAsync(string content, params (string Name, string Rules)[] values)
    {
        var config = new TestConfig([.. values.Select(v => (v.Name, $"regexp:{{{v.Rules}}}"))]);
        using var tables = new TableSet(config, this, TimeProvider.System, new TableOptions { Utf8 = false });
        var found = SmtpSettings.OpenChecks(config, lmtp: false, tables)!;
        string? first = null;
        foreach (var piece in new[] { int.MaxValue, 5 })
        {
            var log = piece == 5 ? new TestLog() : _log;
            using var checks = new SmtpChecks(found, new MimeLimits(1 << 20, 2048, 100, 2048), "Q1", new SmtpLog(new ServiceLog(log, "postfix/smtp")));
            var sent = new StringBuilder();
            for (ReadOnlyMemory<byte> bytes = Encoding.Latin1.GetBytes(content); !bytes.IsEmpty; bytes = bytes[Math.Min(piece, bytes.Length)..])
            {
                sent.Append(Encoding.Latin1.GetString((await checks.ConvertAsync(bytes[..Math.Min(piece, bytes.Length)])).Span));
            }
            sent.Append(Encoding.Latin1.GetString((await checks.FinishAsync()).Span));
            Assert.Equal(first ??= sent.ToString(), sent.ToString());
        }
        return first!;
    }
}
