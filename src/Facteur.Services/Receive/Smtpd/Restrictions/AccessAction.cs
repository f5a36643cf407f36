using Facteur.Mail.Dsn;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// The right-hand sides of access(5): looks at what a table or a policy service said; returns a verdict, after it has kept what the message is to carry (HOLD,
/// DISCARD, REDIRECT, FILTER, BCC, PREPEND). What is no action is a list of restrictions.
/// </summary>
internal static class AccessAction
{
    private static readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> Words = new HashSet<string>(
        ["OK", "RELAY", "DUNNO", "REJECT", "DEFER", "DEFER_IF_PERMIT", "DEFER_IF_REJECT", "WARN", "INFO", "HOLD", "DISCARD", "REDIRECT", "BCC", "PREPEND", "FILTER"],
        StringComparer.OrdinalIgnoreCase).GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Whether a right-hand side is no action, but a list of restrictions.</summary>
    internal static bool IsList(ReadOnlySpan<char> value)
    {
        // Postfix: what begins with a blank is no action.
        if (value is [' ' or '\t', ..])
        {
            return true;
        }
        value = value.TrimEnd();
        var space = value.IndexOfAny(' ', '\t');
        return value.Length > 0 && !Words.Contains(space < 0 ? value : value[..space]) && value.ContainsAnyExceptInRange('0', '9') && !IsCode(value);
    }

    private static bool IsCode(ReadOnlySpan<char> value) => value is ['4' or '5', >= '0' and <= '9', >= '0' and <= '9', ' ' or '\t', _, ..];

    /// <summary>Carries out what a table or a policy service said.</summary>
    /// <param name="context">The session.</param>
    /// <param name="table">Who said it, for warnings.</param>
    /// <param name="value">What it said.</param>
    /// <param name="key">The key that was found.</param>
    /// <param name="subject">What was looked up.</param>
    /// <param name="parse">Makes a list of restrictions; null for what names a table.</param>
    public static ValueTask<Verdict> ApplyAsync(RestrictionContext context, string table, string value, string key, Subject subject, Func<string, RestrictionList?> parse)
    {
        if (TryApply(context, table, value, key, subject, out var verdict))
        {
            return verdict == Verdict.Ok ? context.PermitAsync(value.Trim().Split(' ', '\t')[0], subject, $"from {table}") : new(verdict);
        }
        if (parse(value) is { } list)
        {
            return list.CheckAsync(context, subject);
        }
        context.Log.Warning($"access table {table} has entry with lookup table: {value}");
        context.Log.Warning("do not specify lookup tables inside SMTPD access maps");
        context.Log.Warning("define a restriction class and specify its name instead.");
        return new(context.ServerError());
    }

    /// <summary>Applies an action.</summary>
    /// <param name="context">The session.</param>
    /// <param name="table">The table, for warnings.</param>
    /// <param name="value">The right-hand side.</param>
    /// <param name="key">The key that was found.</param>
    /// <param name="subject">What was looked up.</param>
    /// <param name="verdict">What it says.</param>
    /// <returns>False when the value is a list of restrictions.</returns>
    private static bool TryApply(RestrictionContext context, string table, string value, string key, Subject subject, out Verdict verdict)
    {
        verdict = Verdict.Dunno;
        if (IsList(value))
        {
            return false;
        }
        value = value.TrimEnd();
        var space = value.AsSpan().IndexOfAny(' ', '\t');
        var text = space < 0 ? "" : value[space..].TrimStart();
        switch ((space < 0 ? value : value[..space]).ToUpperInvariant())
        {
            case "":
                context.Log.Warning($"access table {table} entry {key} has empty value");
                verdict = Verdict.Ok;
                return true;
            case "OK" or "RELAY":
                verdict = Verdict.Ok;
                return true;
            case "DUNNO":
                return true;
            case "REJECT":
                verdict = Refuse(context, context.Settings.AccessRejectCode, "5.7.1", text, subject);
                return true;
            case "DEFER":
                verdict = Refuse(context, context.Settings.AccessDeferCode, "4.7.1", text, subject);
                return true;
            case "DEFER_IF_PERMIT":
                var later = Later(context, text, subject);
                verdict = context.DeferLater(true, later.Code, later.Dsn, later.Text);
                return true;
            case "DEFER_IF_REJECT":
                context.DeferIfReject ??= Later(context, text, subject);
                return true;
            case "WARN":
                context.Log.Event(context, "warn", text);
                return true;
            case "INFO":
                context.Log.Event(context, "info", text);
                return true;
            case "HOLD":
                Hold(context, table, text, subject);
                return true;
            case "DISCARD":
                verdict = Discard(context, table, text, subject);
                return true;
            case "REDIRECT":
                Redirect(context, table, text, key, subject);
                return true;
            case "BCC":
                Bcc(context, table, text, key, subject);
                return true;
            case "PREPEND":
                Prepend(context, table, text, key, subject);
                return true;
            case "FILTER":
                Filter(context, table, text, key, subject);
                return true;
            default:
                // A number alone permits.
                verdict = IsCode(value) ? Refuse(context, int.Parse(value.AsSpan(0, 3), null), value[0] == '4' ? "4.7.1" : "5.7.1", text, subject) : Verdict.Ok;
                return true;
        }
    }

    private static Verdict Refuse(RestrictionContext context, int code, string dsn, string text, Subject subject)
    {
        (dsn, text) = SplitDsn(dsn, text);
        return context.Reject(code, DsnClasses.Fix(context.Log, dsn, subject.Class), $"<{subject.Name}>: {subject.Class} rejected: {(text.Length > 0 ? text : "Access denied")}");
    }

    private static Deferral Later(RestrictionContext context, string text, Subject subject)
    {
        (var dsn, text) = SplitDsn("4.7.1", text);
        return new Deferral(
            context.Settings.AccessDeferCode,
            DsnClasses.Fix(context.Log, dsn, subject.Class),
            $"<{subject.Name}>: {subject.Class} rejected: {(text.Length > 0 ? text : "Service unavailable")}");
    }

    private static (string Dsn, string Text) SplitDsn(string dsn, string text) =>
        EnhancedStatus.TryParsePrefix(text, out var status, out var length) ? (status.ToString(), text[length..].TrimStart()) : (dsn, text);

    // Postfix: what cleanup would do, nobody does where a filter takes the mail instead.
    private static bool IsQueued(RestrictionContext context, string table, string action, Subject subject)
    {
        if (context.Settings.Proxy is null)
        {
            return HasMessage(context, table, action, subject);
        }
        context.Log.Warning($"access table {table}: with {Config.Parameters.SmtpdParameters.ProxyFilter.Name} specified, action {action} is unavailable");
        return false;
    }

    // Postfix: without MAIL, and at VRFY and ETRN, there is no message that an action could change.
    private static bool HasMessage(RestrictionContext context, string table, string action, Subject subject)
    {
        if (subject.Class == Subject.EtrnCommand)
        {
            context.Log.Warning($"access table {table}: action {action} is unavailable in smtpd_etrn_restrictions");
            return false;
        }
        if (context.Sender is null)
        {
            context.Log.Warning($"access table {table}: with smtpd_delay_reject=no, action {action} is always skipped in {Subject.ClientHost} or {Subject.HeloCommand} restrictions");
            return false;
        }
        return context.Where != "VRFY";
    }

    private static void Hold(RestrictionContext context, string table, string text, Subject subject)
    {
        if (IsQueued(context, table, "HOLD", subject) && !context.Effects.Hold)
        {
            context.Log.Event(context, "hold", $"<{subject.Name}>: {subject.Class} {(text.Length > 0 ? text : "triggers HOLD action")}");
            context.Effects.Hold = true;
        }
    }

    private static Verdict Discard(RestrictionContext context, string table, string text, Subject subject)
    {
        if (!IsQueued(context, table, "DISCARD", subject))
        {
            return Verdict.Dunno;
        }
        context.Log.Event(context, "discard", $"<{subject.Name}>: {subject.Class} {(text.Length > 0 ? text : "triggers DISCARD action")}");
        context.Effects.Discard = true;
        return Verdict.Ok;
    }

    private static void Redirect(RestrictionContext context, string table, string text, string key, Subject subject)
    {
        if (!IsQueued(context, table, "REDIRECT", subject))
        {
            return;
        }
        if (!text.Contains('@'))
        {
            context.Log.Warning($"access table {table} entry \"{key}\" requires user@domain target");
        }
        else
        {
            context.Log.Event(context, "redirect", $"<{subject.Name}>: {subject.Class} triggers REDIRECT {text}");
            context.Effects.Redirect = text;
        }
    }

    private static void Filter(RestrictionContext context, string table, string text, string key, Subject subject)
    {
        if (!IsQueued(context, table, "FILTER", subject))
        {
            return;
        }
        if (text.Length == 0)
        {
            context.Log.Warning($"access table {table} entry \"{key}\" has FILTER entry without value");
        }
        else if (!text.Contains(':'))
        {
            context.Log.Warning($"access table {table} entry \"{key}\" requires transport:destination");
        }
        else
        {
            context.Log.Event(context, "filter", $"<{subject.Name}>: {subject.Class} triggers FILTER {text}");
            context.Effects.Filter = text;
        }
    }

    private static void Bcc(RestrictionContext context, string table, string text, string key, Subject subject)
    {
        if (!IsQueued(context, table, "BCC", subject))
        {
            return;
        }
        if (!text.Contains('@'))
        {
            context.Log.Warning($"access table {table} entry \"{key}\" requires user@domain target");
        }
        else
        {
            context.Log.Event(context, "bcc", $"<{subject.Name}>: {subject.Class} triggers BCC {text}");
            if (!context.Effects.Bcc.Contains(text))
            {
                context.Effects.Bcc.Add(text);
            }
        }
    }

    private static void Prepend(RestrictionContext context, string table, string text, string key, Subject subject)
    {
        if (!HasMessage(context, table, "PREPEND", subject))
        {
            return;
        }
        if (context.Where == "END-OF-MESSAGE")
        {
            context.Log.Warning($"access table {table}: action PREPEND must be used before smtpd_end_of_data_restrictions");
        }
        else if (Mail.Headers.HeaderField.NameLength(System.Text.Encoding.UTF8.GetBytes(text)) == 0)
        {
            context.Log.Warning($"access table {table} entry \"{key}\" requires header: text");
        }
        else
        {
            context.Effects.Prepend.Add(text);
        }
    }
}
