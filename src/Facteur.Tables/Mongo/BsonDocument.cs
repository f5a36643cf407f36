using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Facteur.Tables.Mongo;

/// <summary>A field of a document. Values: string, long, double, bool, byte[], a document (list of fields), an array (likewise, with <see cref="IsArray"/>), null for all else.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Value">Its value.</param>
/// <param name="IsArray">The list is an array.</param>
internal sealed record BsonField(string Name, object? Value, bool IsArray = false);

/// <summary>Reads documents that a server sent (bsonspec.org). Nested 50 deep at most.</summary>
internal static class BsonDocument
{
    private const int MaxDepth = 50;

    /// <summary>The fields; null when the bytes are no document.</summary>
    public static List<BsonField>? Read(ReadOnlySpan<byte> bytes) => TryRead(ref bytes, 0, out var fields) && bytes.IsEmpty ? fields : null;

    /// <summary>A field's value as a kind; default when it is not there or of another kind.</summary>
    public static T? Get<T>(this IEnumerable<BsonField>? fields, string name) => fields?.FirstOrDefault(f => f.Name == name)?.Value is T value ? value : default;

    /// <summary>A field's value as a number: servers answer 1, 1.0 and true.</summary>
    public static double Number(this IEnumerable<BsonField>? fields, string name) => fields?.FirstOrDefault(f => f.Name == name)?.Value switch
    {
        long number => number,
        double number => number,
        true => 1,
        _ => 0,
    };

    /// <summary>A value as a result has it; null when it is none.</summary>
    public static string? Text(object? value) => value switch
    {
        string text => text,
        long number => number.ToString(CultureInfo.InvariantCulture),
        bool flag => flag ? "true" : "false",
        _ => null,
    };

    private static bool TryRead(ref ReadOnlySpan<byte> bytes, int depth, out List<BsonField> fields)
    {
        fields = [];
        if (depth > MaxDepth || bytes.Length < 5 || BinaryPrimitives.ReadInt32LittleEndian(bytes) is var size && (size < 5 || size > bytes.Length || bytes[size - 1] != 0))
        {
            return false;
        }
        var inside = bytes[4..(size - 1)];
        bytes = bytes[size..];
        while (!inside.IsEmpty)
        {
            var type = inside[0];
            var end = inside[1..].IndexOf((byte)0);
            if (end < 0)
            {
                return false;
            }
            var name = Encoding.UTF8.GetString(inside.Slice(1, end));
            inside = inside[(end + 2)..];
            if (!TryValue(type, ref inside, depth, out var value))
            {
                return false;
            }
            fields.Add(new BsonField(name, value, type == 4));
        }
        return true;
    }

    private static bool TryValue(byte type, ref ReadOnlySpan<byte> bytes, int depth, out object? value)
    {
        value = null;
        switch (type)
        {
            case 3 or 4:
                var right = TryRead(ref bytes, depth + 1, out var fields);
                value = fields;
                return right;
            case 2 or 13 or 14:
                if (bytes.Length < 5 || BinaryPrimitives.ReadInt32LittleEndian(bytes) is var length && (length < 1 || length > bytes.Length - 4))
                {
                    return false;
                }
                value = Encoding.UTF8.GetString(bytes.Slice(4, length - 1));
                bytes = bytes[(4 + length)..];
                return true;
            case 5:
                if (bytes.Length < 5 || BinaryPrimitives.ReadInt32LittleEndian(bytes) is var count && (count < 0 || count > bytes.Length - 5))
                {
                    return false;
                }
                value = bytes.Slice(5, count).ToArray();
                bytes = bytes[(5 + count)..];
                return true;
        }
        var width = type switch { 1 or 9 or 17 or 18 => 8, 16 => 4, 8 => 1, 7 => 12, 19 => 16, 6 or 10 or 0x7f or 0xff => 0, _ => -1 };
        if (width < 0 || width > bytes.Length)
        {
            return false;
        }
        value = type switch
        {
            1 => BinaryPrimitives.ReadDoubleLittleEndian(bytes),
            18 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
            16 => (long)BinaryPrimitives.ReadInt32LittleEndian(bytes),
            8 => bytes[0] != 0,
            _ => null,
        };
        bytes = bytes[width..];
        return true;
    }
}
