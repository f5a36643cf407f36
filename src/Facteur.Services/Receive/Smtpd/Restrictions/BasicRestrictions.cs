namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// permit, reject, defer, defer_if_permit, defer_if_reject, warn_if_reject, sleep, reject_unauth_pipelining, reject_multi_recipient_bounce,
/// reject_plaintext_session: look at nothing, or at how the client speaks; return what they are called.
/// </summary>
internal static class BasicRestrictions
{
    public static ValueTask<Verdict> Permit(RestrictionContext context, Subject subject) => context.PermitAsync("permit", subject);

    public static ValueTask<Verdict> Dunno(RestrictionContext context, Subject subject) => new(Verdict.Dunno);

    public static ValueTask<Verdict> Reject(RestrictionContext context, Subject subject) =>
        new(context.Reject(context.Settings.RejectCode, "5.7.1", $"<{subject.Name}>: {subject.Class} rejected: Access denied"));

    public static ValueTask<Verdict> Defer(RestrictionContext context, Subject subject) =>
        new(context.Reject(context.Settings.DeferCode, "4.3.2", $"<{subject.Name}>: {subject.Class} rejected: Try again later"));

    public static ValueTask<Verdict> DeferIfPermit(RestrictionContext context, Subject subject) =>
        new(context.DeferLater(true, 450, "4.7.0", $"<{subject.Name}>: {subject.Class} rejected: defer_if_permit requested"));

    public static ValueTask<Verdict> DeferIfReject(RestrictionContext context, Subject subject)
    {
        context.DeferIfReject ??= new Deferral(450, "4.7.0", $"<{subject.Name}>: {subject.Class} rejected: defer_if_reject requested");
        return new(Verdict.Dunno);
    }

    public static Restriction WarnIfReject(Restriction inner) => new(inner.Name, async (context, subject) =>
    {
        var outer = context.WarnIfReject;
        context.WarnIfReject = true;
        var verdict = await inner.CheckAsync(context, subject).ConfigureAwait(false);
        context.WarnIfReject = outer;
        return verdict;
    })
    {
        Warned = inner,
    };

    public static Restriction Sleep(string name, TimeSpan length) => new(name, async (context, _) =>
    {
        await Task.Delay(length, context.Time, context.Cancel).ConfigureAwait(false);
        return Verdict.Dunno;
    });

    /// <summary>What is written wrong, or not built yet, refuses: it is never passed over.</summary>
    public static Restriction Broken(string name, string warning) => new(name, (context, _) =>
    {
        context.Log.Warning(warning);
        return new(context.ServerError());
    })
    {
        Wrong = warning,
    };

    private const string OneOfThese =
        "specify one of (check_client_access, check_reverse_client_hostname_access, check_helo_access, check_sender_access, check_recipient_access, check_etrn_access)";

    /// <summary>A table alone, in a list where it stands for no restriction.</summary>
    public static Restriction BareTable(string table) => new(table, (context, subject) =>
    {
        context.Log.Warning($"{OneOfThese} before {subject.Class} restriction \"{table}\"");
        return new(context.ServerError());
    })
    {
        Wrong = $"{OneOfThese} before \"{table}\"",
    };

    public static ValueTask<Verdict> UnauthPipelining(RestrictionContext context, Subject subject) =>
        new(context.ImproperPipelining
            ? context.Reject(503, "5.5.0", $"<{subject.Name}>: {subject.Class} rejected: Improper use of SMTP command pipelining")
            : Verdict.Dunno);

    public static ValueTask<Verdict> MultiRecipientBounce(RestrictionContext context, Subject subject) =>
        new(context.Sender is "" && context.RecipientCount + (context.Where == "RCPT" ? 1 : 0) > 1
            ? context.Reject(context.Settings.MultiRecipientBounceCode, "5.5.3", $"<{subject.Name}>: {subject.Class} rejected: Multi-recipient bounce")
            : Verdict.Dunno);

    // No session has TLS yet.
    public static ValueTask<Verdict> PlaintextSession(RestrictionContext context, Subject subject) =>
        new(context.Reject(context.Settings.PlaintextCode, "4.7.1", "Session encryption is required"));

    /// <summary>permit, reject or defer, behind which more stands.</summary>
    public static Restriction Last(string name, Func<RestrictionContext, Subject, ValueTask<Verdict>> check, string warning) => new(name, async (context, subject) =>
    {
        var verdict = await check(context, subject).ConfigureAwait(false);
        if (!context.WarnIfReject)
        {
            context.Log.Warning(warning);
        }
        return verdict;
    });
}
