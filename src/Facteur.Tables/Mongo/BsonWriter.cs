using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Facteur.Tables.Mongo;

/// <summary>Documents as MongoDB has them (bsonspec.org): written field by field, or from JSON.</summary>
internal sealed class BsonWriter
{
    private readonly List<byte> _bytes = [];
    private readonly Stack<int> _open = new();

    public BsonWriter() => Begin();

    /// <summary>The document.</summary>
    public byte[] Done()
    {
        End();
        return _bytes.ToArray();
    }

    public BsonWriter Text(string name, string value)
    {
        Head(2, name);
        var bytes = Encoding.UTF8.GetBytes(value);
        Int32(bytes.Length + 1);
        _bytes.AddRange(bytes);
        _bytes.Add(0);
        return this;
    }

    public BsonWriter Number(string name, int value)
    {
        Head(16, name);
        Int32(value);
        return this;
    }

    public BsonWriter Flag(string name, bool value)
    {
        Head(8, name);
        _bytes.Add(value ? (byte)1 : (byte)0);
        return this;
    }

    public BsonWriter Binary(string name, byte[] value)
    {
        Head(5, name);
        Int32(value.Length);
        _bytes.Add(0);
        _bytes.AddRange(value);
        return this;
    }

    /// <summary>A document within, made by <see cref="Done"/>.</summary>
    public BsonWriter Document(string name, byte[] document)
    {
        Head(3, name);
        _bytes.AddRange(document);
        return this;
    }

    /// <summary>A document from a JSON object; null when it is none.</summary>
    /// <param name="json">The text; {"$oid": …}, {"$numberLong": …} and {"$numberInt": …} are values.</param>
    public static byte[]? FromJson(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 50 });
            return document.RootElement.ValueKind == JsonValueKind.Object ? FromObject(document.RootElement) : null;
        }
        catch (Exception e) when (e is JsonException or FormatException or OverflowException or InvalidOperationException)
        {
            return null;
        }
    }

    private static byte[] FromObject(JsonElement json)
    {
        var writer = new BsonWriter();
        foreach (var property in json.EnumerateObject())
        {
            writer.Value(property.Name, property.Value);
        }
        return writer.Done();
    }

    // As deep as the JSON reader lets it be.
    private void Value(string name, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                Text(name, value.GetString()!);
                break;
            case JsonValueKind.True or JsonValueKind.False:
                Flag(name, value.GetBoolean());
                break;
            case JsonValueKind.Null:
                Head(10, name);
                break;
            case JsonValueKind.Number when value.TryGetInt32(out var small):
                Number(name, small);
                break;
            case JsonValueKind.Number when value.TryGetInt64(out var large):
                Long(name, large);
                break;
            case JsonValueKind.Number:
                Head(1, name);
                var bits = new byte[8];
                BinaryPrimitives.WriteDoubleLittleEndian(bits, value.GetDouble());
                _bytes.AddRange(bits);
                break;
            case JsonValueKind.Array:
                Head(4, name);
                Begin();
                var index = 0;
                foreach (var element in value.EnumerateArray())
                {
                    Value($"{index++}", element);
                }
                End();
                break;
            default:
                Object(name, value);
                break;
        }
    }

    private void Object(string name, JsonElement value)
    {
        var first = value.EnumerateObject().FirstOrDefault();
        switch (first.Value.ValueKind == JsonValueKind.String ? first.Name : "")
        {
            case "$oid" when first.Value.GetString() is { Length: 24 } id:
                Head(7, name);
                _bytes.AddRange(Convert.FromHexString(id));
                break;
            case "$numberLong":
                Long(name, long.Parse(first.Value.GetString()!, null));
                break;
            case "$numberInt":
                Number(name, int.Parse(first.Value.GetString()!, null));
                break;
            default:
                Document(name, FromObject(value));
                break;
        }
    }

    private void Long(string name, long value)
    {
        Head(18, name);
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        _bytes.AddRange(bytes);
    }

    private void Head(byte type, string name)
    {
        _bytes.Add(type);
        // A NUL would end the name.
        _bytes.AddRange(name.Contains('\0') ? throw new FormatException("a field's name has a NUL") : Encoding.UTF8.GetBytes(name));
        _bytes.Add(0);
    }

    private void Begin()
    {
        _open.Push(_bytes.Count);
        Int32(0);
    }

    private void End()
    {
        _bytes.Add(0);
        var start = _open.Pop();
        BinaryPrimitives.WriteInt32LittleEndian(CollectionsMarshal.AsSpan(_bytes)[start..], _bytes.Count - start);
    }

    private void Int32(int value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        _bytes.AddRange(bytes);
    }
}
