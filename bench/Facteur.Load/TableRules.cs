using System.Globalization;

namespace Facteur.Load;

/// <summary>Lists of 500 rules as sites have them for header_checks, and lines of mail that they are asked about.</summary>
internal static class TableRules
{
    public const int Count = 500;

    private static readonly string[] Words =
    [
        "viagra", "cialis", "casino", "lottery", "mortgage", "pharmacy", "invoice", "bitcoin", "replica", "diploma", "refinance", "webcam", "inheritance", "beneficiary", "timeshare",
        "handbag", "rolex", "payday", "jackpot", "unsecured", "toner", "steroid", "sweepstake", "annuity", "forex",
    ];

    /// <summary>What people write: most name their header first, some look anywhere, some have alternatives, one in twenty counts case. {0} is a word, {1} another, {2} a number.</summary>
    private static readonly string[] Ordinary =
    [
        @"/^Subject:.*\b{0}\b/", @"/^Subject: .*{0}.*(now|today|free)/", @"/^From:.*{0}@/", @"/^From: .*@([a-z0-9-]+\.)*{0}\.(com|net|info|biz)>?$/", @"/^Received: from .*{0}.*\.(ru|cn|br)/",
        @"/^(From|Reply-To|Sender): .*{0}/", @"/^X-Mailer: {0} mailer v?[0-9.]+/", @"/{0}(s|es)? +(online|store|shop)/",
        @"/^Content-(Type|Disposition):.*name[[:space:]]*=[[:space:]]*""?.*{0}\.(exe|scr|pif|com|bat)""?/", @"/^Message-ID: <[0-9a-f]+\.{0}@/i", @"/^List-Id:.*{0}\.lists\./",
        @"/[^a-z]{0}[^a-z]+(pills|tabs|deal)/", @"/^X-Spam-Flag: {0}/", @"/^To:.*{0}-[0-9]+@example\.(com|org)/", @"/v[i1]agra{2}|{0}[0-9]+/", @"/(buy|order|get) (cheap|your) {0}/",
        @"/^Subject: =\?[a-z0-9-]+\?[bq]\?.*{0}/", @"/{0}[[:space:]]*[-:=][[:space:]]*[0-9]+%/", @"/^Return-Path: <.*{0}.*>/", @"/\.{0}(\.com|\.net)?.*([0-9][0-9]?[0-9]?\.)+[0-9]+/",
    ];

    /// <summary>None is anchored; they begin with .* or alternatives, and their words are also those of ordinary lines.</summary>
    private static readonly string[] Unkind =
    [
        @"/.*{0}{2}[a-z]* (now|today)/", @"/({0}|{1}){2}/", @"/.*(mail|{0}).*(from|{1}) {2}/", @"/(example|{0})-{2}[0-9]+/", @"/.*[a-z]+{0}.*{2}/", @"/(from|with|{0}) ({1}|by{2})/",
    ];

    /// <summary>No literal text at all: what rules cost that the library has to match.</summary>
    private static readonly string[] Shapeless = [@"/[0-9][0-9][0-9][.][a-f]+[0-9]{2}$/", @"/[a-z]+[0-9][!]+[a-z]*{2}$/", @"/^[^:]*[;][0-9]+{2}/"];

    /// <summary>Lines of mail, of which no rule matches any; the last one is matched by the last rule.</summary>
    public static string[] Lines { get; } =
    [
        "Received: from mail-lf1-f54.example.com (mail-lf1-f54.example.com [192.0.2.54])\n\tby mx.example.org (Postfix) with ESMTPS id 4Xy2kq3N1nz9sRf\n\tfor <alice@example.org>; Mon, 6 Jan 2025 09:14:03 +0000 (UTC)",
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=20230601; t=1736154842; x=1736759642; darn=example.org;\n\th=to:subject:message-id:date:from:mime-version:from:to:cc:subject\n\t"
            + ":date:message-id:reply-to;\n\tbh=Zm9vYmFyYmF6cXV4Y29ycmdlZ3JhdWx0Z2FycGx5d2FsZG8=;\n\tb=k3Jd0sPq8vXyB1nLmTzRwEaCgHiUoKfDsVbNxMqWeRtYuIoPaSdFgHjKlZxCvBnM\n\tQwErTyUiOpAsDfGhJkLzXcVbNm1234567890abcdefGHIJKLmnopQRSTuvwxYZ0123==",
        "Subject: Re: minutes of the meeting on Thursday, and the budget for next year", "From: Alice Example <alice.example@mail.example.com>", "To: bob@example.org, \"Carol, Sales\" <carol@example.org>",
        "Date: Mon, 06 Jan 2025 10:14:01 +0100", "Message-ID: <CAF3x9n=2kQ7bLw8Vt+example@mail.example.com>", "MIME-Version: 1.0", "Content-Type: multipart/alternative; boundary=\"000000000000c1a2b3062b0e4f5d\"",
        "X-Mailer: Example Mail 16.0 (build 1234)", "List-Unsubscribe: <https://lists.example.com/unsubscribe?u=12345&id=6789>, <mailto:leave@lists.example.com>",
        "References: <20250103.1234@mail.example.org> <CAF3x9n=2kQ7bLw8Vt+another@mail.example.com>", "Subject: your order has been shipped and will be there on Friday morning", "X-Last: yes",
    ];

    /// <summary>The lists by name; the last rule of each matches the last line.</summary>
    public static IEnumerable<(string Name, string[] Rules)> Lists { get; } =
    [
        ("ordinary", Make(Ordinary)), ("unkind", Make(Unkind)), ("alike", Make([@"/^Subject: .*word{2}[a-z]+ (now|today)$/"])), ("no literal text", Make(Shapeless)),
    ];

    private static string[] Make(string[] forms) =>
    [
        .. Enumerable.Range(0, Count - 1).Select(i => forms[i % forms.Length]
            .Replace("{0}", Words[(i / forms.Length) % Words.Length], StringComparison.Ordinal)
            .Replace("{1}", Words[(i / forms.Length + 7) % Words.Length], StringComparison.Ordinal)
            .Replace("{2}", i.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal) + $" REJECT rule {i}"),
        "/^X-Last: (yes|maybe)$/ REJECT the last",
    ];
}
