namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// Makes an enhanced status code fit what is refused: a code about recipients becomes one about senders and the other way round, and a code about
/// addresses becomes X.0.0 where no address is refused (RFC 3463 3.2). The same table entry can stand in tables for all of them.
/// </summary>
internal static class DsnClasses
{
    public static string Fix(SmtpdLog log, string dsn, string kind)
    {
        var result = Fit(dsn, kind);
        if (result != dsn)
        {
            log.DsnMapped(dsn, kind, result);
        }
        return result;
    }

    private static string Fit(string dsn, string kind)
    {
        if (dsn.Length < 5 || dsn[2] != '1' || dsn[3] != '.')
        {
            return dsn;
        }
        // What is neither about senders nor about recipients, as Postfix has it, says no more than that it is about an address.
        var detail = dsn.AsSpan(4);
        return kind switch
        {
            Subject.SenderAddress => $"{dsn[0]}.1.{detail switch { "1" or "3" or "4" or "6" => '7', "2" => '8', "0" or "7" or "8" => detail[0], _ => '0' }}",
            Subject.RecipientAddress => $"{dsn[0]}.1.{detail switch { "7" => '3', "8" => '2', ['0' or '1' or '2' or '3' or '4' or '5' or '6'] => detail[0], _ => '0' }}",
            _ => $"{dsn[0]}.0.0",
        };
    }
}
