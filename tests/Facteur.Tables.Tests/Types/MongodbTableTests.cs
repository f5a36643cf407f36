using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using CsCheck;
using Facteur.Tables.Mongo;
using Facteur.Tables.Tests.Databases;
using Facteur.Tables.Types;

namespace Facteur.Tables.Tests.Types;

/// <summary>mongodb: against a peer that speaks OP_MSG as the specifications say: there is no server in Debian.</summary>
public sealed class MongodbTableTests
{
    private const string Settings = "dbname = mail\ncollection = users\nquery_filter = {\"$or\": [{\"address\": \"%s\"}, {\"alias\": \"%u\"}], \"active\": 1}\n";

    [Fact]
    public void A_query_and_its_answer()
    {
        List<BsonField>? asked = null;
        using var server = Server(command =>
        {
            asked = command;
            return Found("""{"_id": {"$oid": "0123456789abcdef01234567"}, "mailbox": "a@x", "more": ["b", 7, {"c": "d"}]}""", """{"mailbox": "e"}""");
        });
        using var tables = Tables(server, Settings + "result_attribute = mailbox, more");
        Assert.Equal("= a@x,b,7,d,e", tables.Find("mongodb:@E@/table.cf", "us\"er@example.com"));
        Assert.Equal(("users", "mail"), (asked.Get<string>("find"), asked.Get<string>("$db")));
        var filter = asked.Get<List<BsonField>>("filter");
        Assert.Equal(1, filter.Number("active"));
        var alternatives = filter.Get<List<BsonField>>("$or")!.Select(f => (List<BsonField>)f.Value!).ToArray();
        Assert.Equal("us\"er@example.com", alternatives[0].Get<string>("address"));
        Assert.Equal("us\"er", alternatives[1].Get<string>("alias"));
    }

    [Fact]
    public void A_projection_is_the_server_s_work()
    {
        List<BsonField>? asked = null;
        using var server = Server(command =>
        {
            asked = command;
            return Found("""{"path": "/var/mail/user"}""");
        });
        using var tables = Tables(server, Settings + "projection = {\"_id\": 0, \"path\": {\"$concat\": [\"/var/mail/\", \"$user\"]}}\nresult_format = %s/");
        Assert.Equal("= /var/mail/user/", tables.Find("mongodb:@E@/table.cf", "user@example.com"));
        Assert.NotNull(asked.Get<List<BsonField>>("projection").Get<List<BsonField>>("path"));
    }

    [Fact]
    public void Errors_are_errors()
    {
        byte[]? answer = Found();
        using var server = Server(_ => answer);
        using var tables = Tables(server, Settings + "result_attribute = mailbox");
        Assert.Equal("-", tables.Find("mongodb:@E@/table.cf", "a@b"));
        answer = new BsonWriter().Number("ok", 0).Text("errmsg", "not allowed").Number("code", 13).Done();
        Assert.Equal("! mongodb:@E@/table.cf: not allowed", tables.Find("mongodb:@E@/table.cf", "a@b"));
        answer = [1, 2, 3, 4, 5];
        Assert.StartsWith("! ", tables.Find("mongodb:@E@/table.cf", "a@b"), StringComparison.Ordinal);
        answer = null;
        tables.Advance(61);
        Assert.StartsWith("! ", tables.Find("mongodb:@E@/table.cf", "a@b"), StringComparison.Ordinal);
        answer = Found("""{"mailbox": "back"}""");
        tables.Advance(61);
        Assert.Equal("= back", tables.Find("mongodb:@E@/table.cf", "a@b"));
    }

    /// <summary>SCRAM-SHA-256 as RFC 7677 has it, from the server's side.</summary>
    [Theory]
    [InlineData("pencil", "= yes")]
    [InlineData("other", "!")]
    public void Users_log_in(string password, string expected)
    {
        var (salt, first) = (Convert.FromBase64String("W22ZaJ0SNY7soEsUEjb6gQ=="), "");
        using var server = Server(command =>
        {
            var payload = Encoding.UTF8.GetString(command.Get<byte[]>("payload") ?? []);
            if (command.Get<string>("mechanism") is "SCRAM-SHA-256")
            {
                first = $"{payload[3..]},r={payload[(payload.IndexOf("r=", StringComparison.Ordinal) + 2)..]}SERVER,s={Convert.ToBase64String(salt)},i=4096";
                return Sasl(first[(payload.Length - 2)..], false);
            }
            if (command.Any(f => f.Name == "saslContinue"))
            {
                var salted = Rfc2898DeriveBytes.Pbkdf2("pencil", salt, 4096, HashAlgorithmName.SHA256, 32);
                var text = $"{first},{payload[..payload.IndexOf(",p=", StringComparison.Ordinal)]}";
                var key = HMACSHA256.HashData(salted, "Client Key"u8);
                var signature = HMACSHA256.HashData(SHA256.HashData(key), Encoding.UTF8.GetBytes(text));
                var proof = Convert.ToBase64String(key.Zip(signature, (a, b) => (byte)(a ^ b)).ToArray());
                return payload.EndsWith($",p={proof}", StringComparison.Ordinal)
                    ? Sasl($"v={Convert.ToBase64String(HMACSHA256.HashData(HMACSHA256.HashData(salted, "Server Key"u8), Encoding.UTF8.GetBytes(text)))}", true)
                    : new BsonWriter().Number("ok", 0).Text("errmsg", "Authentication failed.").Number("code", 18).Done();
            }
            return Found("""{"mailbox": "yes"}""");
        });
        using var tables = Tables(server, Settings + "result_attribute = mailbox", $"us%40er:{password}@");
        var found = tables.Find("mongodb:@E@/table.cf", "a@b");
        Assert.Equal(expected, found[0] == '!' ? "!" : found);
        Assert.Equal(expected == "!", tables.Said.Contains($"warning: connect to mongodb server inet:127.0.0.1:{server.Port}: Authentication failed."));
    }

    [Theory]
    [InlineData("mongodb://h", "inet:h:27017")]
    [InlineData("mongodb://u:p@h:1,[::1]:2/db?authSource=other&retryWrites=true", "inet:h:1 inet:[::1]:2")]
    [InlineData("mongodb://%2Ftmp%2Fmongodb.sock", "unix:/tmp/mongodb.sock")]
    [InlineData("mongodb+srv://h", null)]
    [InlineData("mongodb://h:x", null)]
    [InlineData("mongodb://h/?authMechanism=GSSAPI", null)]
    public void Uris(string text, string? hosts) => Assert.Equal(hosts, MongoUri.Parse(text, out _) is { } uri ? string.Join(' ', uri.Hosts) : null);

    [Fact]
    public void No_bytes_break_the_reader() => Gen.Byte.Array.Sample(bytes => { BsonDocument.Read(bytes); });

    [Fact]
    public void No_damage_breaks_the_reader()
    {
        var good = BsonWriter.FromJson("""{"a": "text", "b": [1, 2.5, true, null], "c": {"d": {"$numberLong": "7"}}}""")!;
        Assert.Equal(3, BsonDocument.Read(good)!.Count);
        Gen.Select(Gen.Int[0, good.Length - 1], Gen.Byte).Sample((at, value) =>
        {
            var damaged = good.ToArray();
            damaged[at] = value;
            BsonDocument.Read(damaged);
        });
    }

    [Fact]
    public void Keys_stay_in_their_texts() => Gen.String.Where(s => !s.Any(char.IsSurrogate)).Sample(key =>
        Assert.Equal(key, BsonDocument.Read(BsonWriter.FromJson($"{{\"a\": \"{MongodbTable.Quoted(key)}\"}}")!).Get<string>("a")));

    private static byte[] Sasl(string payload, bool done) =>
        new BsonWriter().Number("conversationId", 1).Flag("done", done).Binary("payload", Encoding.UTF8.GetBytes(payload)).Number("ok", 1).Done();

    private static byte[] Found(params string[] documents) =>
        BsonWriter.FromJson($$"""{"cursor": {"firstBatch": [{{string.Join(',', documents)}}], "id": {"$numberLong": "0"}, "ns": "mail.users"}, "ok": 1.0}""")!;

    private static ScriptedServer Server(Func<List<BsonField>, byte[]?> answer) => new(bytes =>
    {
        Assert.Equal(2013, BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(12)));
        if (answer(BsonDocument.Read(bytes.AsSpan(21)) ?? []) is not { } document)
        {
            return null;
        }
        var message = new byte[21 + document.Length];
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        bytes.AsSpan(4, 4).CopyTo(message.AsSpan(8));
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(12), 2013);
        document.CopyTo(message, 21);
        return message;
    });

    private static TestTables Tables(ScriptedServer server, string settings, string user = "")
    {
        var tables = new TestTables();
        tables.Write("table.cf", $"uri = mongodb://{user}127.0.0.1:{server.Port}/\n{settings}\n");
        return tables;
    }
}
