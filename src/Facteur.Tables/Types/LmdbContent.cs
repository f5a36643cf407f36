using System.Text;
using Facteur.Tables.Index;

namespace Facteur.Tables.Types;

/// <summary>The entries of an LMDB file.</summary>
/// <param name="file">The file.</param>
/// <param name="options">Folding, encoding, and whether keys end with a NUL byte.</param>
internal sealed class LmdbContent(LmdbFile file, TableOptions options) : TableContent
{
    private readonly Encoding _encoding = options.Utf8 ? Encoding.UTF8 : Encoding.Latin1;

    public override IEnumerable<KeyValuePair<string, string>> Entries => file.Entries().Select(e => KeyValuePair.Create(Text(e.Key), Text(e.Value)));

    public override Lookup Find(string key)
    {
        key = KeyFold.Fold(key, options);
        if (_encoding.GetMaxByteCount(key.Length) > 4 * LmdbFormat.MaxKey && _encoding.GetByteCount(key) > LmdbFormat.MaxKey)
        {
            return Lookup.NotFound;
        }
        Span<byte> bytes = stackalloc byte[(4 * LmdbFormat.MaxKey) + 1];
        var length = _encoding.GetBytes(key, bytes);
        bytes[length] = 0;
        try
        {
            // Whoever wrote the file chose: a NUL at the end of keys and values, or none.
            return (options.NulTerminated != false && file.TryGet(bytes[..(length + 1)], out var value))
                || (options.NulTerminated != true && file.TryGet(bytes[..length], out value))
                ? Lookup.Found(Text(value)) : Lookup.NotFound;
        }
        catch (TableException e)
        {
            return Lookup.Error(e.Message);
        }
    }

    private string Text(ReadOnlySpan<byte> bytes) => _encoding.GetString(bytes is [.., 0] ? bytes[..^1] : bytes);
}
