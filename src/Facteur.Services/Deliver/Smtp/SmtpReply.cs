namespace Facteur.Services.Deliver.Smtp;

/// <summary>How a session was lost.</summary>
internal enum SmtpLoss : byte
{
    /// <summary>It stands.</summary>
    None = 0,

    /// <summary>The peer went away.</summary>
    Closed = 1,

    /// <summary>A time limit ended it.</summary>
    TimedOut = 2,

    /// <summary>The peer does not speak SMTP; what follows can't be told apart.</summary>
    Garbage = 3,

    /// <summary>A table of ours failed, and what was said is not known.</summary>
    LocalData = 4,
}

/// <summary>A reply of the server.</summary>
/// <param name="Code">200 to 599, or 0 when the session was lost.</param>
/// <param name="Text">Its lines, when wanted or when the code is above 399.</param>
internal readonly record struct SmtpReply(int Code, string Text)
{
    internal bool IsLost => Code == 0;

    internal bool IsOk => Code is >= 200 and < 300;
}
