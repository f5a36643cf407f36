namespace Facteur.Mail.Addresses;

/// <summary>Finds operators ("@", "%", "!", ".") of an address in external form: those outside quoted strings and domain literals.</summary>
public static class AddressOperator
{
    /// <summary>The first place of an operator, or -1.</summary>
    public static int First(ReadOnlySpan<char> address, char which) => Find(address, which, last: false);

    /// <summary>The last place of an operator, or -1.</summary>
    public static int Last(ReadOnlySpan<char> address, char which) => Find(address, which, last: true);

    /// <summary>What is missing at the end: the closing character of a quoted string or domain literal, or NUL when all are closed.</summary>
    public static char Unclosed(ReadOnlySpan<char> address)
    {
        var closing = '\0';
        for (var i = 0; i < address.Length; i++)
        {
            var c = address[i];
            if (c == '\\')
            {
                i++;
            }
            else if (closing != 0)
            {
                closing = c == closing ? '\0' : closing;
            }
            else
            {
                closing = c == '"' ? '"' : c == '[' ? ']' : '\0';
            }
        }
        return closing;
    }

    private static int Find(ReadOnlySpan<char> address, char which, bool last)
    {
        if (!address.ContainsAny('"', '\\', '['))
        {
            return last ? address.LastIndexOf(which) : address.IndexOf(which);
        }
        var (found, closing) = (-1, '\0');
        for (var i = 0; i < address.Length; i++)
        {
            var c = address[i];
            if (c == '\\')
            {
                i++;
            }
            else if (closing != 0)
            {
                closing = c == closing ? '\0' : closing;
            }
            else if (c == which)
            {
                found = i;
                if (!last)
                {
                    return i;
                }
            }
            else
            {
                closing = c == '"' ? '"' : c == '[' ? ']' : '\0';
            }
        }
        return found;
    }
}
