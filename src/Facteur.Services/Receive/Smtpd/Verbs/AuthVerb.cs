namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>AUTH (RFC 4954), as it is answered while smtpd_sasl_auth_enable is no.</summary>
internal static class AuthVerb
{
    public static ValueTask<bool> RunAsync(SmtpdSession session) =>
        session.RefuseAsync(session.Settings.HeloRequired && session.State == SmtpdState.Connected ? SmtpdReplies.SendHeloFirst : SmtpdReplies.NoAuthentication);
}
