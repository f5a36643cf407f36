namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>The value of a restriction parameter or class.</summary>
internal sealed class RestrictionList(Restriction[] items, string name = "")
{
    public static RestrictionList Empty { get; } = new([]);

    public bool IsEmpty => items.Length == 0;

    /// <summary>The parameter, "" for a class or an entry of a table.</summary>
    public string Name => name;

    /// <summary>The restrictions, in order.</summary>
    public IReadOnlyList<Restriction> Items => items;

    /// <summary>The list as the value of a parameter.</summary>
    public RestrictionList Of(string parameter) => IsEmpty ? this : new RestrictionList(items, parameter);

    /// <summary>Asks one after the other until one permits or refuses.</summary>
    public async ValueTask<Verdict> CheckAsync(RestrictionContext context, Subject subject)
    {
        if (++context.Depth > RestrictionContext.DepthLimit)
        {
            context.Depth--;
            context.Log.RestrictionLoop(subject.Name);
            return context.ServerError();
        }
        var explanation = context.Arrows.Explanation;
        if (name.Length > 0)
        {
            explanation?.Begin(name);
        }
        var verdict = Verdict.Dunno;
        foreach (var item in items)
        {
            // Postfix: a message that is thrown away has no further questions to answer.
            if (context.Effects.Discard)
            {
                break;
            }
            verdict = explanation is null ? await item.CheckAsync(context, subject).ConfigureAwait(false) : await ExplainAsync(context, item, subject).ConfigureAwait(false);
            // Both kept: whatever follows, the answer is a deferral.
            if (verdict != Verdict.Dunno || (context.DeferIfPermit is not null && context.DeferIfReject is not null))
            {
                break;
            }
        }
        context.Depth--;
        if (name.Length > 0)
        {
            explanation?.End();
        }
        return verdict;
    }

    /// <summary>Asks one, and tells what it says.</summary>
    public static async ValueTask<Verdict> ExplainAsync(RestrictionContext context, Restriction item, Subject subject)
    {
        if (context.Arrows.Explanation is not { } explanation)
        {
            return await item.CheckAsync(context, subject).ConfigureAwait(false);
        }
        var doubt = context.DeferIfPermit;
        explanation.BeginRestriction(item.Name);
        var verdict = await item.CheckAsync(context, subject).ConfigureAwait(false);
        explanation.EndRestriction(item.Name, verdict switch
        {
            Verdict.Ok => "permit",
            Verdict.Reject => context.Reply,
            _ => context.DeferIfPermit is { } later && !ReferenceEquals(later, doubt) ? $"if permitted: {later.Code} {later.Dsn} {later.Text}" : "dunno",
        }, verdict == Verdict.Reject, context.DeferIfPermit, context.DeferIfReject);
        return verdict;
    }
}
