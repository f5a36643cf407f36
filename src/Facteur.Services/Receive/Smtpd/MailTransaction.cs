using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>A message from MAIL to its end.</summary>
internal sealed class MailTransaction
{
    public required string Sender { get; init; }

    /// <summary>MAIL as it was said.</summary>
    public string Command { get; init; } = "";

    public required DateTimeOffset Arrival { get; init; }

    public BodyType Body { get; init; }

    public DsnReturn Return { get; init; }

    public string EnvelopeId { get; init; } = "";

    public bool Smtputf8 { get; init; }

    /// <summary>XVERP: its delimiters, or "".</summary>
    public string Verp { get; init; } = "";

    /// <summary>The accepted recipients, as their sender wrote them.</summary>
    public List<EnvelopeRecipient> Recipients { get; } = [];

    /// <summary>RCPT commands over the limit.</summary>
    public int Overshoot { get; set; }

    /// <summary>What cleanup was given at its start.</summary>
    public Envelope? Envelope { get; set; }

    /// <summary>The message in cleanup, from the first accepted recipient on.</summary>
    public ICleanupMessage? Message { get; set; }

    /// <summary>The content under way.</summary>
    public ContentIntake? Content { get; set; }

    /// <summary>A BDAT failed: those that follow are read and thrown away.</summary>
    public bool BdatFailed { get; set; }
}
