using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Text;
using Facteur.Mail.Addresses;

namespace Facteur.Mail.Smtp;

/// <summary>How a proxy's header reads so far.</summary>
public enum HaproxyStatus : byte
{
    /// <summary>The header has not ended.</summary>
    More = 0,

    /// <summary>It is whole.</summary>
    Ok = 1,

    /// <summary>It is none.</summary>
    Bad = 2,
}

/// <summary>What HAProxy's PROXY protocol, version 1 or 2, says in front of a session (haproxy's doc/proxy-protocol.txt).</summary>
/// <param name="Status">How it reads.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Client">The client's address and port; null when the proxy speaks for itself (LOCAL).</param>
/// <param name="Server">The address and port to which the client has connected.</param>
/// <param name="Wrong">What is wrong with it, as Postfix logs it.</param>
public readonly record struct HaproxyHeader(HaproxyStatus Status, int Length, IPEndPoint? Client, IPEndPoint? Server, string Wrong)
{
    /// <summary>A header is not longer than this, though what version 2 appends may be (Postfix: there it is not either).</summary>
    public const int MaxLength = 536;

    private const int FixedLength = 16;
    private const byte Local = 0;
    private const byte Proxied = 1;
    private const byte Tcp4 = 0x11;
    private const byte Tcp6 = 0x21;

    private static ReadOnlySpan<byte> Signature => "\r\n\r\n\0\r\nQUIT\n"u8;

    private static ReadOnlySpan<byte> Word => "PROXY "u8;

    /// <summary>Reads a header at the start of what a connection has sent.</summary>
    /// <param name="bytes">What is there.</param>
    /// <param name="isAll">No more will come.</param>
    /// <param name="ipv4">IPv4 is used here.</param>
    /// <param name="ipv6">IPv6 is used here.</param>
    public static HaproxyHeader Parse(ReadOnlySpan<byte> bytes, bool isAll, bool ipv4, bool ipv6)
    {
        isAll |= bytes.Length >= MaxLength;
        if (IsBegun(bytes, Signature))
        {
            return ParseBinary(bytes, isAll, ipv4, ipv6);
        }
        if (!IsBegun(bytes, Word))
        {
            return Bad(bytes.Length < FixedLength ? "short protocol header" : "unrecognized protocol header");
        }
        var end = bytes[..Math.Min(bytes.Length, MaxLength)].IndexOf((byte)'\n');
        return end >= 0 ? ParseLine(bytes[..end], ipv4, ipv6)
            : !isAll ? default
            : Bad(bytes.Length <= Word.Length ? "short protocol header" : "missing protocol header terminator");
    }

    private static bool IsBegun(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> start) => bytes.Length < start.Length ? start.StartsWith(bytes) : bytes.StartsWith(start);

    private static HaproxyHeader ParseLine(ReadOnlySpan<byte> line, bool ipv4, bool ipv6)
    {
        if (line.Contains((byte)0))
        {
            return Bad("missing protocol header terminator");
        }
        Span<char> text = stackalloc char[MaxLength];
        text = text[..Encoding.Latin1.GetChars(line, text)].TrimEnd('\r');
        Span<Range> words = stackalloc Range[7];
        var count = ((ReadOnlySpan<char>)text).SplitAny(words, " \r", StringSplitOptions.RemoveEmptyEntries);
        var type = count > 1 ? text[words[1]] : [];
        var isIpv6 = MemoryExtensions.Equals(type, "TCP6", StringComparison.OrdinalIgnoreCase);
        if (!(isIpv6 ? ipv6 : ipv4 && MemoryExtensions.Equals(type, "TCP4", StringComparison.OrdinalIgnoreCase)))
        {
            return Bad("bad or missing protocol type");
        }
        return Address(Field(text, words, count, 2), isIpv6) is not { } client ? Bad("bad or missing client address")
            : Address(Field(text, words, count, 3), isIpv6) is not { } server ? Bad("bad or missing server address")
            : Port(Field(text, words, count, 4)) is not { } clientPort ? Bad("bad or missing client port")
            : Port(Field(text, words, count, 5)) is not { } serverPort ? Bad("bad or missing server port")
            : new(HaproxyStatus.Ok, line.Length + 1, new IPEndPoint(client, clientPort), new IPEndPoint(server, serverPort), "");
    }

    private static ReadOnlySpan<char> Field(ReadOnlySpan<char> text, ReadOnlySpan<Range> words, int count, int index) => index < count ? text[words[index]] : [];

    private static IPAddress? Address(ReadOnlySpan<char> text, bool isIpv6)
    {
        if (isIpv6)
        {
            return text.Contains(':') && text.IndexOfAnyExcept("0123456789abcdefABCDEF:.") < 0 && IPAddress.TryParse(text, out var six) ? Plain(six) : null;
        }
        if (!HostName.IsIPv4(text))
        {
            return null;
        }
        Span<byte> bytes = stackalloc byte[4];
        var count = 0;
        foreach (var part in text.Split('.'))
        {
            bytes[count++] = byte.Parse(text[part], NumberStyles.None, CultureInfo.InvariantCulture);
        }
        return new IPAddress(bytes);
    }

    private static int? Port(ReadOnlySpan<char> text) =>
        text is not ['0', _, ..] && ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) ? port : null;

    private static HaproxyHeader ParseBinary(ReadOnlySpan<byte> bytes, bool isAll, bool ipv4, bool ipv6)
    {
        if (bytes.Length < FixedLength)
        {
            return isAll ? Bad(bytes.Length < Signature.Length ? "short protocol header" : "short version 2 protocol header") : default;
        }
        if (bytes[12] >> 4 != 2)
        {
            return Bad("unrecognized protocol version");
        }
        var length = FixedLength + BinaryPrimitives.ReadUInt16BigEndian(bytes[14..]);
        if (length > Math.Min(bytes.Length, MaxLength))
        {
            return isAll || length > MaxLength ? Bad("short version 2 protocol header") : default;
        }
        var family = bytes[13];
        var body = bytes[FixedLength..length];
        return (bytes[12] & 0xf) switch
        {
            Local => new(HaproxyStatus.Ok, length, null, null, ""),
            Proxied when family == Tcp4 => ipv4 ? Addresses(body, length, 4) : Bad("Postfix IPv4 support is disabled"),
            Proxied when family == Tcp6 => ipv6 ? Addresses(body, length, 16) : Bad("Postfix IPv6 support is disabled"),
            Proxied => Bad("unsupported network protocol"),
            _ => Bad("bad command in proxy header"),
        };
    }

    private static HaproxyHeader Addresses(ReadOnlySpan<byte> body, int length, int size) => body.Length < (2 * size) + 4
        ? Bad("short address field")
        : new(
            HaproxyStatus.Ok, length,
            new IPEndPoint(Plain(new IPAddress(body[..size])), BinaryPrimitives.ReadUInt16BigEndian(body[(2 * size)..])),
            new IPEndPoint(Plain(new IPAddress(body[size..(2 * size)])), BinaryPrimitives.ReadUInt16BigEndian(body[((2 * size) + 2)..])), "");

    // As of a socket's address: tables and lists know the client by one address.
    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    private static HaproxyHeader Bad(string wrong) => new(HaproxyStatus.Bad, 0, null, null, wrong);
}
