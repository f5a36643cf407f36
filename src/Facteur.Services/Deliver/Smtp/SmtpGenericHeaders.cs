using System.Buffers;
using Facteur.Mail.Addresses;
using Facteur.Mail.Headers;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>
/// Rewrites the addresses in a message's headers on its way out. Fed in pieces; holds one header at a time, and of that no more than
/// header_size_limit. Headers in which nothing changes keep their bytes, and so does the body.
/// </summary>
internal sealed class SmtpGenericHeaders(SmtpGeneric generic, int headerSizeLimit, int lineLimit) : IDisposable
{
    private readonly HeaderScanner _scanner = new(headerSizeLimit, lineLimit);
    private readonly AddressList _list = new();
    private readonly List<string?> _replaced = [];
    private readonly ArrayBufferWriter<byte> _output = new(4096);
    private bool _inBody;

    /// <summary>A table could not answer: the message can't be sent now.</summary>
    public bool Failed { get; private set; }

    /// <summary>What a piece becomes; valid until the next call.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> ConvertAsync(ReadOnlyMemory<byte> piece)
    {
        if (_inBody)
        {
            return piece;
        }
        _output.ResetWrittenCount();
        while (!_inBody && !Failed && Scan(ref piece) is not HeaderScan.NeedInput and var found)
        {
            await FoundAsync(found).ConfigureAwait(false);
        }
        if (_inBody)
        {
            _output.Write(piece.Span);
        }
        return _output.WrittenMemory;
    }

    /// <summary>The content is over: what was held back.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> FinishAsync()
    {
        _output.ResetWrittenCount();
        while (!_inBody && !Failed)
        {
            await FoundAsync(_scanner.Finish()).ConfigureAwait(false);
        }
        return _output.WrittenMemory;
    }

    /// <inheritdoc/>
    public void Dispose() => _scanner.Dispose();

    private HeaderScan Scan(ref ReadOnlyMemory<byte> piece)
    {
        var left = piece.Span;
        var found = _scanner.Next(ref left);
        piece = piece[^left.Length..];
        return found;
    }

    private async ValueTask FoundAsync(HeaderScan found)
    {
        if (found == HeaderScan.EndOfHeaders)
        {
            _inBody = true;
            if (_scanner.BlankLine)
            {
                _output.Write("\n"u8);
            }
            _output.Write(_scanner.Text.Span);
            return;
        }
        await HeaderAsync(_scanner.Text, found == HeaderScan.Header).ConfigureAwait(false);
        _output.Write("\n"u8);
    }

    private async ValueTask HeaderAsync(ReadOnlyMemory<byte> header, bool isHeader)
    {
        var traits = HeaderTraits.None;
        if (isHeader)
        {
            KnownHeaders.Find(header.Span[..HeaderField.NameLength(header.Span)], out traits);
        }
        if ((traits & (HeaderTraits.Sender | HeaderTraits.Recipient)) == 0)
        {
            _output.Write(header.Span);
            return;
        }
        _list.Parse(Value(header.Span), generic.TokenLimit);
        _replaced.Clear();
        var changed = false;
        foreach (var token in _list.Tokens)
        {
            string? other = null;
            if (token.Kind == AddressTokenKind.Address && AddressList.AddressText(Value(header.Span).Slice(token.Start, token.Length)) is { Length: > 0 } address)
            {
                var mapped = await generic.MapAsync(address, CancellationToken.None).ConfigureAwait(false);
                Failed |= mapped is null;
                other = mapped == address ? null : mapped;
                changed |= other is not null;
            }
            _replaced.Add(other);
        }
        if (changed)
        {
            _list.Write(header.Span[..HeaderField.NameLength(header.Span)], Value(header.Span), _replaced, _output);
        }
        else
        {
            _output.Write(header.Span);
        }
    }

    private static ReadOnlySpan<byte> Value(ReadOnlySpan<byte> header) => header[(header.IndexOf((byte)':') + 1)..];
}
