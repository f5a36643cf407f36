namespace Facteur.Mail.Dsn;

/// <summary>The reports that have a template of their own (bounce(5)).</summary>
public enum BounceTemplateKind : byte
{
    /// <summary>failure_template.</summary>
    Failure = 0,

    /// <summary>delay_template.</summary>
    Delay = 1,

    /// <summary>success_template.</summary>
    Success = 2,

    /// <summary>verify_template.</summary>
    Verify = 3,
}

/// <summary>Headers and introduction of one kind of delivery report (bounce(5)).</summary>
/// <param name="Kind">The report.</param>
/// <param name="Charset">Charset: MIME character set of the introduction.</param>
/// <param name="From">From: as the template says it, "address (name)" or "name &lt;address&gt;".</param>
/// <param name="Subject">Subject: of the sender's report.</param>
/// <param name="PostmasterSubject">Postmaster-Subject: of the postmaster's copy.</param>
/// <param name="Text">The introduction, lines ended by LF, with or without $name still in it.</param>
public sealed record BounceTemplate(BounceTemplateKind Kind, string Charset, string From, string Subject, string PostmasterSubject, string Text)
{
    private const string MailerDaemon = "MAILER-DAEMON (Mail Delivery System)";

    // Subjects are Postfix's because mail filters know them; the introductions are our own words.
    private static readonly BounceTemplate[] BuiltIns =
    [
        new(BounceTemplateKind.Failure, "utf-8", MailerDaemon, "Undelivered Mail Returned to Sender", "Postmaster Copy: Undelivered Mail",
            """
            Mail system at $myhostname: your message did not reach everyone.

            It could not be delivered to the recipients listed below, and no further
            attempt will be made for them. The reasons are given after each address;
            your message, or its headers, is attached.

            If the reason does not help you, write to the postmaster here and include
            this report. You may leave out the text of your own message.

            """),
        new(BounceTemplateKind.Delay, "utf-8", MailerDaemon, "Delayed Mail (still being retried)", "Postmaster Warning: Delayed Mail",
            """
            Mail system at $myhostname: your message is late. This is only a warning;
            please do not send the message again.

            For more than $delay_warning_time_hours hour(s) it could not be delivered to the
            recipients listed below. Attempts go on until it is
            $maximal_queue_lifetime_days day(s) old. The last reason is given after each address.

            """),
        new(BounceTemplateKind.Success, "utf-8", MailerDaemon, "Successful Mail Delivery Report", "Postmaster Copy: Successful Mail Delivery Report",
            """
            Mail system at $myhostname: the delivery report you asked for.

            Your message was delivered to the recipients listed below, or was handed
            to a system that does not send such reports. In the latter case you will
            hear of later trouble only if that system tells you.

            """),
        new(BounceTemplateKind.Verify, "utf-8", MailerDaemon, "Mail Delivery Status Report", "Postmaster Copy: Mail Delivery Status Report",
            """
            Mail system at $myhostname: the report on recipients that you asked for.

            """),
    ];

    /// <summary>From is the administrator's own and stays as it was written; that of the built-in templates follows header_from_format.</summary>
    public bool OwnFrom { get; init; }

    /// <summary>Its name in a template file.</summary>
    public string Name => NameOf(Kind);

    /// <summary>The template used where no file says otherwise.</summary>
    public static BounceTemplate BuiltIn(BounceTemplateKind kind) => BuiltIns[(int)kind];

    /// <summary>The name of a kind's template in a template file.</summary>
    public static string NameOf(BounceTemplateKind kind) => kind switch
    {
        BounceTemplateKind.Failure => "failure_template",
        BounceTemplateKind.Delay => "delay_template",
        BounceTemplateKind.Success => "success_template",
        _ => "verify_template",
    };
}
