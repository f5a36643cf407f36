namespace Facteur.Services.Receive.Smtpd;

/// <summary>Fixed replies, word for word as Postfix's: programs parse them.</summary>
internal static class SmtpdReplies
{
    public const string Ok = "250 2.0.0 Ok";
    public const string SenderOk = "250 2.1.0 Ok";
    public const string RecipientOk = "250 2.1.5 Ok";
    public const string Bye = "221 2.0.0 Bye";
    public const string GoAhead = "354 End data with <CR><LF>.<CR><LF>";
    public const string Help = "214 2.0.0 Commands: AUTH BDAT DATA EHLO ETRN HELO HELP MAIL NOOP QUIT RCPT RSET STARTTLS VRFY XCLIENT XFORWARD";
    public const string QueuingStarted = "250 Queuing started";
    public const string Forbidden = "221 2.7.0 Error: I can break rules, too. Goodbye.";
    public const string BadSyntax = "500 5.5.2 Error: bad syntax";
    public const string BadUtf8 = "500 5.5.2 Error: bad UTF-8 syntax";
    public const string NotRecognized = "500 5.5.2 Error: command not recognized";
    public const string NotSynchronized = "554 5.5.0 Error: SMTP protocol synchronization";
    public const string NotImplemented = "502 5.5.1 Error: command not implemented";
    public const string NoAuthentication = "503 5.5.1 Error: authentication not enabled";
    public const string NotAuthorized = "550 5.7.0 Error: insufficient authorization";
    public const string InTransaction = "503 5.5.1 Error: MAIL transaction in progress";
    public const string SendHeloFirst = "503 5.5.1 Error: send HELO/EHLO first";
    public const string NestedMail = "503 5.5.1 Error: nested MAIL command";
    public const string RcptAfterBdat = "503 5.5.1 Error: RCPT after BDAT";
    public const string MailAfterBdat = "503 5.5.1 Error: MAIL after BDAT";
    public const string DataAfterBdat = "503 5.5.1 Error: DATA after BDAT";
    public const string NeedMail = "503 5.5.1 Error: need MAIL command";
    public const string NeedRcpt = "503 5.5.1 Error: need RCPT command";
    public const string NoValidRecipients = "554 5.5.1 Error: no valid recipients";
    public const string MailSyntax = "501 5.5.4 Syntax: MAIL FROM:<address>";
    public const string RcptSyntax = "501 5.5.4 Syntax: RCPT TO:<address>";
    public const string DataSyntax = "501 5.5.4 Syntax: DATA";
    public const string RsetSyntax = "501 5.5.4 Syntax: RSET";
    public const string HeloSyntax = "501 Syntax: HELO hostname";
    public const string EhloSyntax = "501 Syntax: EHLO hostname";
    public const string EtrnSyntax = "500 Syntax: ETRN domain";
    public const string BadEtrnParameter = "501 Error: invalid parameter syntax";
    public const string EtrnNeedsHelo = "503 Error: send HELO/EHLO first";
    public const string EtrnInTransaction = "503 Error: MAIL transaction in progress";
    public const string CannotQueue = "458 Unable to queue messages";
    public const string VrfyDisabled = "502 5.5.1 VRFY command is disabled";
    public const string BadSender = "501 5.1.7 Bad sender address syntax";
    public const string BadRecipient = "501 5.1.3 Bad recipient address syntax";
    public const string BadSize = "501 5.5.4 Bad message size syntax";
    public const string SizeNotPossible = "552 5.3.4 Message size exceeds file system imposed limit";
    public const string DsnDisabled = "501 5.7.1 DSN support is disabled";
    public const string BadRet = "501 5.5.4 Bad RET parameter syntax";
    public const string BadEnvid = "501 5.5.4 Bad ENVID parameter syntax";
    public const string BadNotify = "501 5.5.4 Error: Bad NOTIFY parameter syntax";
    public const string BadOrcpt = "501 5.5.4 Error: Bad ORCPT parameter syntax";
    public const string MustDeclareSmtputf8 = "553 5.6.7 Must declare SMTPUTF8 to send unicode address";
    public const string TooManyRecipients = "452 4.5.3 Error: too many recipients";
    public const string WriteError = "451 4.3.0 Error: queue file write error";
    public const string NoSpace = "452 4.3.1 Insufficient system storage";
    public const string TooLarge = "552 5.3.4 Error: message file too big";
    public const string TooManyHops = "554 5.4.0 Error: too many hops";
    public const string LookupError = "451 4.3.0 Temporary lookup error";
    public const string ContentRejected = "550 5.7.1 Error: content rejected";
    public const string ChunkTooLarge = "552 5.3.4 Chunk exceeds message size limit";
    public const string NullBdat = "551 5.7.1 Null BDAT request";
    public const string BdatDisabled = "521 5.5.1 Error: command not implemented";
    public const string BdatSyntax = "521 5.5.4 Syntax: BDAT count [LAST]";
    public const string VerpNeedsSender = "503 5.5.4 Error: XVERP requires non-null sender";
    public const string Internal = "421 4.3.0 Mail system error";

    public static string NoLocalData(string host) => $"421 4.3.0 {host} Server local data error";

    public static string TooManyErrors(string host) => $"421 4.7.0 {host} Error: too many errors";

    public static string TooManyConnections(string host, string address) => $"421 4.7.0 {host} Error: too many connections from {address}";

    public static string Unprotected(string host) => $"421 4.3.5 {host} Server configuration error";

    public static string Timeout(string host) => $"421 4.4.2 {host} Error: timeout exceeded";

    public static string LocalError(string host) => $"421 4.3.0 {host} Server local error";

    public static string ShuttingDown(string host) => $"421 4.3.2 {host} Service shutting down";

    public static string BareNewline(int code, string host) => $"{code} 5.5.2 {host} Error: bare <LF> received";

    public static string TooMuchMail(string address) => $"450 4.7.1 Error: too much mail from {address}";

    public static string TooManyRecipientsFrom(string address) => $"450 4.7.1 Error: too many recipients from {address}";

    public static string Unsupported(string option) => $"555 5.5.4 Unsupported option: {SmtpdLog.Printable(option)}";

    public static string BadVerp(string filter) => $"501 5.5.4 Error: XVERP needs two characters from {filter}";

    public static string Queued(string queueId) => $"250 2.0.0 Ok: queued as {queueId}";

    public static string QueuedBytes(long bytes, string queueId) => $"250 2.0.0 Ok: {bytes} bytes queued as {queueId}";

    public static string Bytes(long bytes) => $"250 2.0.0 Ok: {bytes} bytes";

    public static string Discarded(long bytes) => $"551 5.0.0 Discarded {bytes} bytes after earlier error";
}
