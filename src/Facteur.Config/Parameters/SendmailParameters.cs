namespace Facteur.Config.Parameters;

/// <summary>Parameters of local submission: sendmail(1), postdrop(1), pickup(8).</summary>
public static class SendmailParameters
{
    /// <summary>sendmail_fix_line_endings.</summary>
    public static readonly StringParameter FixLineEndings = new("sendmail_fix_line_endings", "always", "When CR LF becomes LF: always, strict or never.", 1);

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } = [FixLineEndings];
}
