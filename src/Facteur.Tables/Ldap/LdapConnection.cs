using System.Formats.Asn1;
using System.Text;
using Facteur.Net.Tls;
using Facteur.Tables.Databases;

namespace Facteur.Tables.Ldap;

/// <summary>An entry that a search found.</summary>
/// <param name="Name">Its distinguished name.</param>
/// <param name="Attributes">Its attributes and their values, in the server's order.</param>
internal sealed record LdapEntry(string Name, List<(string Name, List<string> Values)> Attributes);

/// <summary>A search.</summary>
/// <param name="Base">The name below which it looks.</param>
/// <param name="Scope">How far.</param>
/// <param name="Filter">What it looks for.</param>
/// <param name="Attributes">What it wants of entries.</param>
internal sealed record LdapSearch(string Base, LdapScope Scope, string Filter, IReadOnlyList<string> Attributes)
{
    /// <summary>Entries at most, 0 for any number.</summary>
    public int SizeLimit { get; init; }

    /// <summary>Seconds at most, for the server.</summary>
    public int TimeLimit { get; init; }

    /// <summary>When aliases are followed: 0 never, 1 searching, 2 finding the base, 3 always.</summary>
    public int Dereference { get; init; }
}

/// <summary>What a search brought.</summary>
/// <param name="Code">A code of <see cref="LdapResult"/>.</param>
/// <param name="Entries">The entries.</param>
/// <param name="Referrals">URLs where more is.</param>
internal readonly record struct LdapFound(int Code, List<LdapEntry> Entries, List<string> Referrals);

/// <summary>LDAPv3 (RFC 4511) over a connection: bind, StartTLS, search; one operation at a time. Messages and entries are bounded.</summary>
/// <param name="stream">The connection, which it owns.</param>
/// <param name="version">The protocol's version.</param>
internal sealed class LdapConnection(ServerStream stream, int version) : IAsyncDisposable
{
    private const int MaxMessage = 16 << 20, MaxBytes = 64 << 20;
    private const string StartTlsName = "1.3.6.1.4.1.1466.20037";

    private static readonly Asn1Tag BindRequest = Application(0), BindResponse = Application(1), SearchRequest = Application(3), SearchEntry = Application(4),
        SearchDone = Application(5), SearchReference = Application(19), ExtendedRequest = Application(23), ExtendedResponse = Application(24);

    private int _last;

    /// <summary>Simple authentication; an empty name is nobody.</summary>
    public async ValueTask<int> BindAsync(string name, string password, CancellationToken cancel)
    {
        var message = Begin();
        using (message.PushSequence(BindRequest))
        {
            message.WriteInteger(version);
            message.WriteOctetString(Encoding.UTF8.GetBytes(name));
            message.WriteOctetString(Encoding.UTF8.GetBytes(password), new Asn1Tag(TagClass.ContextSpecific, 0));
        }
        return await SendForCodeAsync(message, BindResponse, cancel).ConfigureAwait(false);
    }

    /// <summary>A SASL mechanism that is done in one step: PLAIN (RFC 4616), EXTERNAL.</summary>
    public async ValueTask<int> BindSaslAsync(string mechanism, byte[] credentials, CancellationToken cancel)
    {
        var message = Begin();
        using (message.PushSequence(BindRequest))
        {
            message.WriteInteger(version);
            message.WriteOctetString([]);
            using (message.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 3, true)))
            {
                message.WriteOctetString(Encoding.UTF8.GetBytes(mechanism));
                message.WriteOctetString(credentials);
            }
        }
        return await SendForCodeAsync(message, BindResponse, cancel).ConfigureAwait(false);
    }

    /// <summary>StartTLS (RFC 4511 4.14).</summary>
    /// <returns>Null, or what went wrong.</returns>
    public async ValueTask<string?> StartTlsAsync(ITlsHandshake tls, string host, bool verify, CancellationToken cancel)
    {
        var message = Begin();
        using (message.PushSequence(ExtendedRequest))
        {
            message.WriteOctetString(Encoding.UTF8.GetBytes(StartTlsName), new Asn1Tag(TagClass.ContextSpecific, 0));
        }
        var code = await SendForCodeAsync(message, ExtendedResponse, cancel).ConfigureAwait(false);
        return code == LdapResult.Success ? await stream.StartTlsAsync(tls, host, verify, cancel).ConfigureAwait(false) : $"{code}: {LdapResult.Text(code)}";
    }

    /// <summary>Searches, and reads all that is found.</summary>
    public async ValueTask<LdapFound> SearchAsync(LdapSearch search, CancellationToken cancel)
    {
        var found = new LdapFound(LdapResult.ServerDown, [], []);
        var message = Begin();
        using (message.PushSequence(SearchRequest))
        {
            message.WriteOctetString(Encoding.UTF8.GetBytes(search.Base));
            message.WriteEnumeratedValue(search.Scope);
            message.WriteEncodedValue([0x0a, 1, (byte)search.Dereference]);
            message.WriteInteger(search.SizeLimit);
            message.WriteInteger(search.TimeLimit);
            message.WriteBoolean(false);
            if (!LdapFilter.TryWrite(search.Filter, message))
            {
                return found with { Code = LdapResult.FilterError };
            }
            using (message.PushSequence())
            {
                foreach (var attribute in search.Attributes)
                {
                    message.WriteOctetString(Encoding.UTF8.GetBytes(attribute));
                }
            }
        }
        if (!await SendAsync(message, cancel).ConfigureAwait(false))
        {
            return found;
        }
        for (var bytes = 0; bytes <= MaxBytes;)
        {
            if (await ReadAsync(cancel).ConfigureAwait(false) is not { } reply)
            {
                return found;
            }
            bytes += reply.Length;
            if (Take(reply, found) is { } code)
            {
                return found with { Code = code };
            }
        }
        return found with { Code = LdapResult.DecodingError };
    }

    public async ValueTask DisposeAsync()
    {
        // RFC 4511 4.3: an unbind request has no answer.
        var message = Begin();
        message.WriteNull(Application(2, constructed: false));
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        try
        {
            await SendAsync(message, soon.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // A courtesy: the server does not read.
        }
        await stream.DisposeAsync().ConfigureAwait(false);
    }

    private static Asn1Tag Application(int number, bool constructed = true) => new(TagClass.Application, number, constructed);

    /// <summary>Takes one message of a search: null while there is more, else its end.</summary>
    private int? Take(byte[] reply, LdapFound found)
    {
        try
        {
            var message = Open(reply);
            var tag = message.PeekTag();
            if (tag == SearchEntry)
            {
                var entry = message.ReadSequence(SearchEntry);
                found.Entries.Add(Entry(entry));
                return null;
            }
            if (tag == SearchReference)
            {
                AddUrls(message.ReadSequence(SearchReference), found.Referrals);
                return null;
            }
            return tag == SearchDone ? Code(message.ReadSequence(SearchDone), found.Referrals) : LdapResult.DecodingError;
        }
        catch (AsnContentException)
        {
            return LdapResult.DecodingError;
        }
    }

    private static LdapEntry Entry(AsnReader reader)
    {
        var entry = new LdapEntry(Encoding.UTF8.GetString(reader.ReadOctetString()), []);
        var attributes = reader.ReadSequence();
        while (attributes.HasData)
        {
            var attribute = attributes.ReadSequence();
            var name = Encoding.UTF8.GetString(attribute.ReadOctetString());
            var values = new List<string>();
            var set = attribute.ReadSetOf(skipSortOrderValidation: true);
            while (set.HasData)
            {
                values.Add(Encoding.UTF8.GetString(set.ReadOctetString()));
            }
            entry.Attributes.Add((name, values));
        }
        return entry;
    }

    private static void AddUrls(AsnReader urls, List<string> referrals)
    {
        while (urls.HasData && referrals.Count < 100)
        {
            referrals.Add(Encoding.UTF8.GetString(urls.ReadOctetString()));
        }
    }

    /// <summary>LDAPResult (RFC 4511 4.1.9).</summary>
    private static int Code(AsnReader result, List<string>? referrals)
    {
        var code = result.ReadEnumeratedBytes().Span is [var low] ? low : LdapResult.DecodingError;
        result.ReadOctetString();
        result.ReadOctetString();
        var referral = new Asn1Tag(TagClass.ContextSpecific, 3, true);
        if (referrals is not null && result.HasData && result.PeekTag() == referral)
        {
            AddUrls(result.ReadSequence(referral), referrals);
        }
        return code;
    }

    private AsnReader Open(byte[] reply)
    {
        var message = new AsnReader(reply, AsnEncodingRules.BER).ReadSequence();
        return message.ReadInteger() == _last ? message : throw new AsnContentException("an answer to another question");
    }

    private AsnWriter Begin()
    {
        var message = new AsnWriter(AsnEncodingRules.BER);
        message.PushSequence();
        message.WriteInteger(++_last);
        return message;
    }

    private async ValueTask<int> SendForCodeAsync(AsnWriter message, Asn1Tag expected, CancellationToken cancel)
    {
        if (!await SendAsync(message, cancel).ConfigureAwait(false) || await ReadAsync(cancel).ConfigureAwait(false) is not { } reply)
        {
            return LdapResult.ServerDown;
        }
        try
        {
            var answer = Open(reply);
            return answer.PeekTag() == expected ? Code(answer.ReadSequence(expected), null) : LdapResult.DecodingError;
        }
        catch (AsnContentException)
        {
            return LdapResult.DecodingError;
        }
    }

    private ValueTask<bool> SendAsync(AsnWriter message, CancellationToken cancel)
    {
        message.PopSequence();
        return stream.SendAsync(message.Encode(), cancel);
    }

    /// <summary>A whole message with its tag and length; null when there is none, or one that is too long.</summary>
    private async ValueTask<byte[]?> ReadAsync(CancellationToken cancel)
    {
        if (await stream.ReadAsync(2, cancel).ConfigureAwait(false) is not [0x30, var first] head)
        {
            return null;
        }
        var length = (int)first;
        if (first >= 0x80)
        {
            // RFC 4511 5.1: definite lengths only.
            if (first is 0x80 or > 0x84 || await stream.ReadAsync(first & 0x7f, cancel).ConfigureAwait(false) is not { } more)
            {
                return null;
            }
            head = [.. head, .. more];
            var size = more.Aggregate(0L, (sum, b) => (sum << 8) | b);
            length = size <= MaxMessage ? (int)size : -1;
        }
        return length >= 0 && await stream.ReadAsync(length, cancel).ConfigureAwait(false) is { } body ? [.. head, .. body] : null;
    }
}
