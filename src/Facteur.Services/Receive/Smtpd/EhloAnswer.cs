using System.Globalization;
using System.Text;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>Extensions that can be left out of the EHLO answer.</summary>
[Flags]
internal enum EhloMask : ushort
{
    None = 0,
    Pipelining = 1,
    Size = 2,
    Vrfy = 4,
    Etrn = 8,
    EnhancedStatusCodes = 16,
    EightBitMime = 32,
    Dsn = 64,
    Smtputf8 = 128,
    Chunking = 256,
    Silent = 512,

    /// <summary>A known keyword that is not offered yet.</summary>
    Absent = 1024,

    /// <summary>XVERP: for clients of smtpd_authorized_verp_clients only.</summary>
    Verp = 2048,

    Xclient = 4096,

    Xforward = 8192,
}

/// <summary>The EHLO answer: what is offered, and what is left out for whom. An answer is made once per combination.</summary>
internal sealed class EhloAnswer
{
    private static readonly Dictionary<string, EhloMask> Names = new(StringComparer.OrdinalIgnoreCase)
    {
        ["PIPELINING"] = EhloMask.Pipelining,
        ["SIZE"] = EhloMask.Size,
        ["VRFY"] = EhloMask.Vrfy,
        ["ETRN"] = EhloMask.Etrn,
        ["ENHANCEDSTATUSCODES"] = EhloMask.EnhancedStatusCodes,
        ["8BITMIME"] = EhloMask.EightBitMime,
        ["DSN"] = EhloMask.Dsn,
        ["SMTPUTF8"] = EhloMask.Smtputf8,
        ["CHUNKING"] = EhloMask.Chunking,
        ["SILENT-DISCARD"] = EhloMask.Silent,
        ["STARTTLS"] = EhloMask.Absent,
        ["AUTH"] = EhloMask.Absent,
        ["XVERP"] = EhloMask.Verp,
        ["VERP"] = EhloMask.Verp,
        ["XCLIENT"] = EhloMask.Xclient,
        ["XFORWARD"] = EhloMask.Xforward,
        ["REQUIRETLS"] = EhloMask.Absent,
    };

    private readonly string _hostname;
    private readonly long _sizeLimit;
    private readonly EhloMask _notOffered;
    private readonly EhloMask _discarded;
    private readonly Maps _byAddress;
    private readonly System.Collections.Concurrent.ConcurrentDictionary<EhloMask, byte[]> _answers = new();

    public EhloAnswer(IConfig config, ITableSet tables)
    {
        _hostname = config.Get(CommonParameters.Myhostname);
        _sizeLimit = config.Get(CommonParameters.MessageSizeLimit);
        _notOffered = (config.Get(SmtpdParameters.DisableVrfyCommand) ? EhloMask.Vrfy : 0) | (config.Get(CommonParameters.Smtputf8Enable) ? 0 : EhloMask.Smtputf8);
        _byAddress = Maps.Open(tables, SmtpdParameters.DiscardEhloKeywordAddressMaps.Name, config.Get(SmtpdParameters.DiscardEhloKeywordAddressMaps));
        _discarded = Parse(config.Get(SmtpdParameters.DiscardEhloKeywords));
    }

    /// <summary>What is left out for a client: its entry in the table, else the list for all. Null when the table can't say it now.</summary>
    public async ValueTask<EhloMask?> DiscardedAsync(string address, CancellationToken cancel)
    {
        var lookup = _byAddress.IsEmpty ? Lookup.NotFound : await _byAddress.FindAsync(address, false, cancel).ConfigureAwait(false);
        return lookup.Status switch
        {
            LookupStatus.Found => Parse(lookup.Value),
            LookupStatus.Error => null,
            _ => _discarded,
        };
    }

    /// <summary>The words of a mask, for the log.</summary>
    public static string Words(EhloMask mask) =>
        string.Join(' ', Names.Where(name => name.Value is not (EhloMask.Silent or EhloMask.Absent) && (mask & name.Value) != 0).Select(name => name.Key));

    /// <summary>The lines of the answer.</summary>
    public List<string> Lines(EhloMask discarded) => [.. Encoding.UTF8.GetString(Bytes(discarded)).Split("\r\n", StringSplitOptions.RemoveEmptyEntries)];

    /// <summary>The whole answer.</summary>
    public ReadOnlySpan<byte> Bytes(EhloMask discarded) => _answers.GetOrAdd(discarded & ~(EhloMask.Silent | EhloMask.Absent), Make);

    private byte[] Make(EhloMask discarded)
    {
        List<string> lines = [_hostname];
        void Offer(EhloMask keyword, string text)
        {
            if (((discarded | _notOffered) & keyword) == 0)
            {
                lines.Add(text);
            }
        }
        Offer(EhloMask.Pipelining, "PIPELINING");
        Offer(EhloMask.Size, _sizeLimit > 0 ? "SIZE " + _sizeLimit.ToString(CultureInfo.InvariantCulture) : "SIZE");
        Offer(EhloMask.Vrfy, "VRFY");
        Offer(EhloMask.Etrn, "ETRN");
        Offer(EhloMask.Verp, "XVERP");
        Offer(EhloMask.Xclient, "XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT");
        Offer(EhloMask.Xforward, "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT");
        Offer(EhloMask.EnhancedStatusCodes, "ENHANCEDSTATUSCODES");
        Offer(EhloMask.EightBitMime, "8BITMIME");
        Offer(EhloMask.Dsn, "DSN");
        Offer(EhloMask.Smtputf8, "SMTPUTF8");
        Offer(EhloMask.Chunking, "CHUNKING");
        var text = new StringBuilder();
        for (var i = 0; i < lines.Count; i++)
        {
            text.Append("250").Append(i == lines.Count - 1 ? ' ' : '-').Append(lines[i]).Append("\r\n");
        }
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    // Postfix: a word that is no keyword is passed over.
    private static EhloMask Parse(string value) =>
        ListSyntax.Split(value).Aggregate(EhloMask.None, (mask, word) => Names.TryGetValue(word, out var keyword) ? mask | keyword : mask);
}
