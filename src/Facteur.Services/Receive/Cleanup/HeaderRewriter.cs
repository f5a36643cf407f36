using System.Buffers;
using Facteur.Mail.Addresses;
using Facteur.Mail.Headers;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>Rewrites the addresses of one header. Headers in which nothing changes keep their bytes.</summary>
internal sealed class HeaderRewriter(CleanupOptions options, AddressMapper mapper)
{
    private readonly AddressList _list = new();
    private readonly List<string?> _replaced = [];

    /// <summary>Parses the addresses of a header, for the calls that follow.</summary>
    public void Parse(ReadOnlySpan<byte> header) => _list.Parse(Value(header), options.HeaderTokenLimit);

    /// <summary>The addresses of the header as they stand, in order.</summary>
    public IEnumerable<string> Addresses(ReadOnlyMemory<byte> header)
    {
        foreach (var token in _list.Tokens)
        {
            if (token.Kind == AddressTokenKind.Address && AddressList.AddressText(Value(header.Span).Slice(token.Start, token.Length)) is { } address)
            {
                yield return address;
            }
        }
    }

    /// <summary>Whether rewriting could change anything.</summary>
    public bool MayChange(ReadOnlySpan<byte> header, AddressClasses place)
    {
        if (mapper.MapsApplyTo(place))
        {
            return true;
        }
        var value = Value(header);
        for (var i = 0; i < _list.Tokens.Count; i++)
        {
            var token = _list.Tokens[i];
            if (token.Kind == AddressTokenKind.Address && !AddressList.IsQualified(value.Slice(token.Start, token.Length)))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Rewrites the header; null when it did not change.</summary>
    public async ValueTask<ReadOnlyMemory<byte>?> RewriteAsync(ReadOnlyMemory<byte> header, AddressClasses place, bool local, CancellationToken cancel)
    {
        _replaced.Clear();
        var changed = false;
        foreach (var token in _list.Tokens)
        {
            string? other = null;
            // What is not UTF-8 can't be mapped and stays.
            if (token.Kind == AddressTokenKind.Address && AddressList.AddressText(Value(header.Span).Slice(token.Start, token.Length)) is { Length: > 0 } address)
            {
                var rewritten = await mapper.RewriteAsync(local, address, cancel).ConfigureAwait(false);
                rewritten = await mapper.MapAsync(rewritten, place, cancel).ConfigureAwait(false);
                // Postfix: a local part that is empty is written so, after mapping, too.
                rewritten = rewritten is ['@', ..] ? $"\"\"{rewritten}" : rewritten;
                other = rewritten == address ? null : rewritten;
                changed |= other is not null;
            }
            _replaced.Add(other);
        }
        if (!changed)
        {
            return null;
        }
        var text = new ArrayBufferWriter<byte>(header.Length + 64);
        _list.Write(header.Span[..HeaderField.NameLength(header.Span)], Value(header.Span), _replaced, text);
        return text.WrittenMemory;
    }

    private static ReadOnlySpan<byte> Value(ReadOnlySpan<byte> header) => header[(header.IndexOf((byte)':') + 1)..];
}
