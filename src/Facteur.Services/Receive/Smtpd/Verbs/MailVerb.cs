using System.Globalization;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Smtp;
using Facteur.Services.Receive.Smtpd.Restrictions;

namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>MAIL (RFC 5321 4.1.1.2, with RFC 1870 SIZE, RFC 6152 BODY, RFC 3461 RET and ENVID, RFC 6531 SMTPUTF8).</summary>
internal static class MailVerb
{
    public static async ValueTask<bool> RunAsync(SmtpdSession session)
    {
        var tokens = session.Tokens;
        if (session.Settings.HeloRequired && session.State == SmtpdState.Connected)
        {
            return await session.RefuseAsync(SmtpdReplies.SendHeloFirst).ConfigureAwait(false);
        }
        if (session.StrayChunk)
        {
            return await session.RefuseAsync(SmtpdReplies.MailAfterBdat).ConfigureAwait(false);
        }
        if (tokens.Count < 3 || !tokens[1].Is("FROM:"))
        {
            return await session.RefuseAsync(SmtpdReplies.MailSyntax).ConfigureAwait(false);
        }
        if (session.Service.Connections.MailRefusal(session) is { } refusal)
        {
            return await session.RefuseAsync(refusal).ConfigureAwait(false);
        }
        var smtputf8 = Takes8Bit(session) && tokens.Skip(3).Any(token => token.Is("SMTPUTF8"));
        if (await AddressArgument.TakeAsync(session, tokens[2], "MAIL", allowEmpty: true, smtputf8).ConfigureAwait(false) is not { } sender)
        {
            return await session.RefuseAsync(SmtpdReplies.BadSender).ConfigureAwait(false);
        }
        sender = await ProbeAddress.OfAsync(session, sender).ConfigureAwait(false) ?? sender;
        var options = new Options();
        for (var i = 3; i < tokens.Count; i++)
        {
            if (Option(session, tokens[i], options) is { } error)
            {
                return await session.RefuseAsync(error).ConfigureAwait(false);
            }
        }
        return await BeginAsync(session, sender, options).ConfigureAwait(false);
    }

    private static async ValueTask<bool> BeginAsync(SmtpdSession session, string sender, Options options)
    {
        var context = session.Context;
        context.Sender = sender;
        context.Size = session.DeclaredSize;
        session.Context.Begin(null);
        if (IsTooLarge(session))
        {
            return await RefuseAsync(session, context.Reply).ConfigureAwait(false);
        }
        if (options.Verp.Length > 0 && sender.Length == 0)
        {
            return await RefuseAsync(session, SmtpdReplies.VerpNeedsSender).ConfigureAwait(false);
        }
        if ((!session.Settings.DelayReject && await session.Stages.SenderAsync(context).ConfigureAwait(false) == Verdict.Reject)
            || !await session.ChooseRewritingAsync().ConfigureAwait(false))
        {
            return await RefuseAsync(session, context.Reply).ConfigureAwait(false);
        }
        if (AddressArgument.NeedsSmtputf8(session, sender, options.Smtputf8, "sender"))
        {
            return await RefuseAsync(session, SmtpdReplies.MustDeclareSmtputf8).ConfigureAwait(false);
        }
        if (HasNoRoom(session))
        {
            return await RefuseAsync(session, context.Reply).ConfigureAwait(false);
        }
        session.Transaction = new MailTransaction
        {
            Sender = sender,
            Command = session.Line,
            Arrival = session.Service.Time.GetUtcNow(),
            Body = options.Body,
            Return = options.Return,
            EnvelopeId = options.EnvelopeId ?? "",
            Smtputf8 = options.Smtputf8,
            Verp = options.Verp,
        };
        session.State = SmtpdState.Mail;
        if (!session.Settings.DelayOpen && !await session.OpenAsync().ConfigureAwait(false))
        {
            await session.ResetAsync().ConfigureAwait(false);
            return false;
        }
        return await session.AcceptAsync(SmtpdReplies.SenderOk).ConfigureAwait(false);
    }

    private static ValueTask<bool> RefuseAsync(SmtpdSession session, string reply)
    {
        session.Context.Sender = null;
        session.Context.Effects = new AccessEffects();
        return session.RefuseAsync(reply);
    }

    private static bool Takes8Bit(SmtpdSession session) => session.Settings.Smtputf8 && (session.Discarded & EhloMask.Smtputf8) == 0;

    private static string? Option(SmtpdSession session, CommandToken token, Options options)
    {
        if (token.Is("BODY=8BITMIME") || token.Is("BODY=7BIT"))
        {
            options.Body = token.Is("BODY=7BIT") ? BodyType.SevenBit : BodyType.EightBitMime;
            return null;
        }
        if (token.Value("SIZE=") is { } size)
        {
            if (size.Length == 0 || size.AsSpan().ContainsAnyExceptInRange('0', '9'))
            {
                return SmtpdReplies.BadSize;
            }
            session.DeclaredSize = long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) ? bytes : -1;
            return session.DeclaredSize < 0 ? SmtpdReplies.SizeNotPossible : null;
        }
        if (token.Is("SMTPUTF8") && Takes8Bit(session))
        {
            options.Smtputf8 = true;
            return null;
        }
        if (session.MayVerp && (token.Is("XVERP") || token.Value("XVERP=") is not null))
        {
            options.Verp = token.Value("XVERP=") ?? session.Settings.VerpDelimiters;
            return Verp.IsValid(options.Verp, session.Settings.VerpFilter) ? null : SmtpdReplies.BadVerp(session.Settings.VerpFilter);
        }
        if (token.Value("RET=") is { } ret)
        {
            return (session.Discarded & EhloMask.Dsn) != 0 ? SmtpdReplies.DsnDisabled
                : options.Return != DsnReturn.None || !DsnParameters.TryReturn(ret, out var value) ? SmtpdReplies.BadRet
                : options.Set(value);
        }
        if (token.Value("ENVID=") is { } envid)
        {
            return (session.Discarded & EhloMask.Dsn) != 0 ? SmtpdReplies.DsnDisabled
                : options.EnvelopeId is not null || !DsnParameters.TryEnvelopeId(envid, out var value) ? SmtpdReplies.BadEnvid
                : options.Set(value);
        }
        // RFC 4954 5. Postfix: also where nobody can log in; it is nobody's word but the client's, and nothing is made of it.
        return token.Value("AUTH=") is null ? SmtpdReplies.Unsupported(token.Text) : null;
    }

    // RFC 1870 6.1.
    private static bool IsTooLarge(SmtpdSession session) =>
        session.Settings.MessageSizeLimit > 0 && session.DeclaredSize > session.Settings.MessageSizeLimit
            && session.Context.Reject(552, "5.3.4", "Message size exceeds fixed limit") == Verdict.Reject;

    private static bool HasNoRoom(SmtpdSession session)
    {
        var settings = session.Settings;
        if (settings.Proxy is { HoldsBack: false })
        {
            // The filter, or who is behind it, needs the room.
            return false;
        }
        session.Context.Begin(null);
        var free = session.Arrows.FreeQueueBytes();
        if (free > Math.Max(settings.QueueMinfree, session.DeclaredSize) && free > settings.MessageSizeLimit * 1.5)
        {
            return false;
        }
        session.Log.NotEnoughSpace(free);
        // Postfix: asked before the sender is kept, so the log line has none.
        session.Context.Sender = null;
        return session.Context.OutOfSpace() == Verdict.Reject;
    }

    private sealed class Options
    {
        public BodyType Body { get; set; }

        public DsnReturn Return { get; private set; }

        public string? EnvelopeId { get; private set; }

        public bool Smtputf8 { get; set; }

        public string Verp { get; set; } = "";

        public string? Set(DsnReturn value)
        {
            Return = value;
            return null;
        }

        public string? Set(string envelopeId)
        {
            EnvelopeId = envelopeId;
            return null;
        }
    }
}
