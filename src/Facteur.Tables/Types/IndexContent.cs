using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using Facteur.Tables.Index;
using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>The entries of an index as texts.</summary>
/// <param name="name">"type:name", for messages.</param>
/// <param name="entries">The index.</param>
/// <param name="options">Folding, encoding, and whether keys end with a NUL byte.</param>
internal sealed class IndexContent(string name, IEntries entries, TableOptions options) : TableContent
{
    private const int OnStack = 2048;

    /// <summary>Lookups after which a table is one that is asked often: who asks once, as postmap does, makes no filter.</summary>
    private const int Often = 1000;

    private readonly Encoding _encoding = options.Utf8 ? Encoding.UTF8 : Encoding.Latin1;
    private KeyFilter? _filter;
    private int _asked;

    public override IEnumerable<KeyValuePair<string, string>> Entries => entries.Entries().Select(e => KeyValuePair.Create(Text(e.Key), Text(e.Value)));

    // The room for the key is not cleared for each lookup.
    [SkipLocalsInit]
    public override Lookup Find(string key)
    {
        key = KeyFold.Fold(key, options);
        var most = _encoding.GetMaxByteCount(key.Length) + 1;
        var rented = most > OnStack ? ArrayPool<byte>.Shared.Rent(most) : null;
        Span<byte> bytes = rented ?? stackalloc byte[OnStack];
        try
        {
            var length = _encoding.GetBytes(key, bytes);
            if (Filter() is { } filter && !filter.MayHold(bytes[..length]))
            {
                return Lookup.NotFound;
            }
            bytes[length] = 0;
            // Whoever wrote the file chose: a NUL at the end of keys and values, or none.
            return (options.NulTerminated != false && entries.TryGet(bytes[..(length + 1)], out var value))
                || (options.NulTerminated != true && entries.TryGet(bytes[..length], out value))
                ? Answer(key, value) : Lookup.NotFound;
        }
        catch (TableException e)
        {
            return Lookup.Error(e.Message);
        }
        finally
        {
            if (rented is not null)
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }
    }

    private KeyFilter? Filter()
    {
        if (_asked < Often && Interlocked.Increment(ref _asked) == Often)
        {
            Volatile.Write(ref _filter, KeyFilter.Of(entries));
        }
        return Volatile.Read(ref _filter);
    }

    // Postfix: a value that is not UTF-8 is no answer where UTF-8 is the rule.
    private Lookup Answer(string key, ReadOnlySpan<byte> value)
    {
        value = WithoutNul(value);
        return options.Utf8 && !System.Text.Unicode.Utf8.IsValid(value)
            ? Lookup.Error($"{name}: key \"{key}\": non-UTF-8 value \"{Printable.Of(value)}\": {ByteText.Malformed}")
            : Lookup.Found(_encoding.GetString(value));
    }

    private string Text(ReadOnlySpan<byte> bytes) => _encoding.GetString(WithoutNul(bytes));

    private static ReadOnlySpan<byte> WithoutNul(ReadOnlySpan<byte> bytes) => bytes is [.., 0] ? bytes[..^1] : bytes;
}
