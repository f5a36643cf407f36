using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Facteur.Tables.Databases;

namespace Facteur.Tables.Mongo;

/// <summary>MongoDB's wire protocol: OP_MSG with one document each way (specifications: message/OP_MSG), and SCRAM (RFC 5802, 7677).</summary>
/// <param name="stream">The connection, which it owns.</param>
internal sealed class MongoConnection(ServerStream stream) : IAsyncDisposable
{
    private const int MaxMessage = 48 << 20, OpMsg = 2013, MaxIterations = 1_000_000;

    private int _last;

    public ValueTask DisposeAsync() => stream.DisposeAsync();

    /// <summary>Runs a command.</summary>
    /// <returns>Its answer; broken when there is none, refused when it says that it failed.</returns>
    public async ValueTask<Reply<List<BsonField>>> RunAsync(byte[] command, CancellationToken cancel)
    {
        var message = new byte[16 + 4 + 1 + command.Length];
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(4), ++_last);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(12), OpMsg);
        command.CopyTo(message, 21);
        if (!await stream.SendAsync(message, cancel).ConfigureAwait(false) || await stream.ReadAsync(16, cancel).ConfigureAwait(false) is not { } head)
        {
            return Reply<List<BsonField>>.Broken("the server has ended the connection");
        }
        var length = BinaryPrimitives.ReadInt32LittleEndian(head);
        if (length is < 26 or > MaxMessage || BinaryPrimitives.ReadInt32LittleEndian(head.AsSpan(8)) != _last || BinaryPrimitives.ReadInt32LittleEndian(head.AsSpan(12)) != OpMsg
            || await stream.ReadAsync(length - 16, cancel).ConfigureAwait(false) is not { } body)
        {
            return Reply<List<BsonField>>.Broken("an answer that is none");
        }
        var checksum = (body[0] & 1) != 0 ? 4 : 0;
        if (body[4] != 0 || body.Length < 5 + checksum || BsonDocument.Read(body.AsSpan(5, body.Length - 5 - checksum)) is not { } answer)
        {
            return Reply<List<BsonField>>.Broken("an answer that is none");
        }
        var reason = answer.Get<string>("errmsg") ?? "the command failed";
        return answer.Number("ok") == 1 ? Reply<List<BsonField>>.Answered(answer)
            // NotWritablePrimary and its like, shutdown: specifications: server-discovery-and-monitoring.
            : answer.Number("code") is 91 or 11600 or 11602 or 13435 or 13436 or 10107 or 189 ? Reply<List<BsonField>>.Broken(reason) : Reply<List<BsonField>>.Refused(reason);
    }

    /// <summary>Makes a user known.</summary>
    /// <returns>Null, or what went wrong.</returns>
    public async ValueTask<string?> AuthenticateAsync(MongoUri uri, CancellationToken cancel)
    {
        var sha256 = uri.Mechanism == "SCRAM-SHA-256";
        var hash = sha256 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1;
        var nonce = Convert.ToBase64String(RandomNumberGenerator.GetBytes(24));
        var bare = $"n={uri.User.Replace("=", "=3D", StringComparison.Ordinal).Replace(",", "=2C", StringComparison.Ordinal)},r={nonce}";
        var start = new BsonWriter().Number("saslStart", 1).Text("mechanism", uri.Mechanism).Binary("payload", Encoding.UTF8.GetBytes("n,," + bare))
            .Document("options", new BsonWriter().Flag("skipEmptyExchange", true).Done()).Text("$db", uri.AuthSource).Done();
        var first = await RunAsync(start, cancel).ConfigureAwait(false);
        if (first.Value is null)
        {
            return first.Reason;
        }
        var server = Encoding.UTF8.GetString(first.Value.Get<byte[]>("payload") ?? []);
        var fields = server.Split(',').Where(f => f.Length > 1 && f[1] == '=').ToDictionary(f => f[0], f => f[2..]);
        if (!fields.TryGetValue('r', out var both) || !both.StartsWith(nonce, StringComparison.Ordinal) || !fields.TryGetValue('s', out var salt)
            || !int.TryParse(fields.GetValueOrDefault('i'), NumberStyles.None, CultureInfo.InvariantCulture, out var iterations) || iterations is < 4096 or > MaxIterations
            || !Convert.TryFromBase64String(salt, new byte[salt.Length], out _))
        {
            return "authentication: an answer that is none";
        }
#pragma warning disable CA5350, CA5351, CA5379 // SCRAM-SHA-1 and its MD5 are MongoDB's law (specifications: auth).
        var password = sha256 ? uri.Password : Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes($"{uri.User}:mongo:{uri.Password}")));
        var salted = Rfc2898DeriveBytes.Pbkdf2(password, Convert.FromBase64String(salt), iterations, hash, sha256 ? 32 : 20);
        byte[] Mac(byte[] key, string text) => sha256 ? HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text)) : HMACSHA1.HashData(key, Encoding.UTF8.GetBytes(text));
        var clientKey = Mac(salted, "Client Key");
        var final = $"c=biws,r={both}";
        var authMessage = $"{bare},{server},{final}";
        var signature = Mac(sha256 ? SHA256.HashData(clientKey) : SHA1.HashData(clientKey), authMessage);
#pragma warning restore CA5350, CA5351, CA5379
        var proof = clientKey.Zip(signature, static (a, b) => (byte)(a ^ b)).ToArray();
        var go = new BsonWriter().Number("saslContinue", 1).Number("conversationId", (int)first.Value.Number("conversationId"))
            .Binary("payload", Encoding.UTF8.GetBytes($"{final},p={Convert.ToBase64String(proof)}")).Text("$db", uri.AuthSource).Done();
        var second = await RunAsync(go, cancel).ConfigureAwait(false);
        if (second.Value is null)
        {
            return second.Reason;
        }
        // RFC 5802 3: the server knows the password too.
        var expected = $"v={Convert.ToBase64String(Mac(Mac(salted, "Server Key"), authMessage))}";
        return Encoding.UTF8.GetString(second.Value.Get<byte[]>("payload") ?? []) == expected ? second.Value.Get<bool>("done") ? null : "authentication: not done" : "authentication: the server's signature is wrong";
    }
}
