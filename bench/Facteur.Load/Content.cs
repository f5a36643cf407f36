using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Facteur.Load;

/// <summary>Messages that carry their own proof: a number and the SHA-256 of the body, in headers.</summary>
internal static class Content
{
    public static byte[] Make(long number, int size)
    {
        var random = new Random(unchecked((int)number * 7919));
        var body = new StringBuilder(size + 80);
        while (body.Length < size)
        {
            if (random.Next(20) == 0)
            {
                body.Append('.');
            }
            for (var i = random.Next(30, 70); i > 0; i--)
            {
                body.Append((char)random.Next(32, 127));
            }
            body.Append("\r\n");
        }
        var text = body.ToString();
        var hash = Convert.ToHexString(SHA256.HashData(Encoding.Latin1.GetBytes(text)));
        var head = $"From: <s@load.test>\r\nTo: <r@load.test>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-Id: <{number.ToString(CultureInfo.InvariantCulture)}@load.test>\r\nX-Load-Number: {number.ToString(CultureInfo.InvariantCulture)}\r\nX-Load-Hash: {hash}\r\n\r\n";
        return Encoding.Latin1.GetBytes(head + text.Replace("\r\n.", "\r\n..", StringComparison.Ordinal) is var stuffed && text.StartsWith('.') ? head + "." + stuffed[head.Length..] : stuffed);
    }
}
