namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>The value of a restriction parameter or class.</summary>
internal sealed class RestrictionList(Restriction[] items)
{
    public static RestrictionList Empty { get; } = new([]);

    public bool IsEmpty => items.Length == 0;

    /// <summary>Asks one after the other until one permits or refuses.</summary>
    public async ValueTask<Verdict> CheckAsync(RestrictionContext context, Subject subject)
    {
        if (++context.Depth > RestrictionContext.DepthLimit)
        {
            context.Depth--;
            context.Log.RestrictionLoop(subject.Name);
            return context.ServerError();
        }
        var verdict = Verdict.Dunno;
        foreach (var item in items)
        {
            verdict = await item.CheckAsync(context, subject).ConfigureAwait(false);
            // Both kept: whatever follows, the answer is a deferral.
            if (verdict != Verdict.Dunno || (context.DeferIfPermit is not null && context.DeferIfReject is not null))
            {
                break;
            }
        }
        context.Depth--;
        return verdict;
    }
}
