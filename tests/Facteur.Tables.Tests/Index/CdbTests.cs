using System.Diagnostics;
using System.Text;
using CsCheck;
using Facteur.Tables.Index;

namespace Facteur.Tables.Tests.Index;

public sealed class CdbTests
{
    private static byte[] Write(IEnumerable<(byte[] Key, byte[] Value)> entries)
    {
        var store = new EntryStore();
        foreach (var (key, value) in entries)
        {
            store.Add(key, value, replace: false);
        }
        using var file = new MemoryStream();
        new CdbWriter(file).Write(store);
        return file.ToArray();
    }

    [Fact]
    public void What_is_written_is_read_in_its_order() =>
        Gen.Select(Gen.Byte.Array[0, 40], Gen.Byte.Array[0, 300]).List[0, 400].Sample(
            list =>
            {
                var entries = list.DistinctBy(e => Convert.ToHexString(e.Item1)).ToList();
                var file = CdbFile.Parse("x", Write(list));
                Assert.Equal(entries.Select(e => Convert.ToHexString(e.Item1)), file.Entries().Select(e => Convert.ToHexString(e.Key)));
                foreach (var (key, value) in entries)
                {
                    Assert.True(file.TryGet(key, out var found));
                    Assert.True(found.SequenceEqual(value));
                }
                Assert.Equal(entries.Exists(e => e.Item1.AsSpan().SequenceEqual("nobody"u8)), file.TryGet("nobody"u8, out _));
            },
            iter: 60);

    /// <summary>What cdb of package tinycdb and postmap of postfix-cdb write for b 2, a 1.</summary>
    [Fact]
    public void The_bytes_are_those_of_cdb()
    {
        var file = Write([("b"u8.ToArray(), "2"u8.ToArray()), ("a"u8.ToArray(), "1"u8.ToArray())]);
        Assert.Equal(2048 + 10 + 10 + 16 + 16, file.Length);
        Assert.Equal("010000000100000062320100000001000000613100000000000000000000", Convert.ToHexString(file.AsSpan(2048, 28)) + "0000");
        Assert.Equal("C4B502000A080000", Convert.ToHexString(file.AsSpan(2048 + 28, 8)));
        Assert.Equal("C7B5020000080000", Convert.ToHexString(file.AsSpan(2048 + 44, 8)));
    }

    [Fact]
    public void Damage_is_an_error_and_never_more()
    {
        var whole = Write(Enumerable.Range(0, 300).Select(i => (Encoding.UTF8.GetBytes($"key{i}"), new byte[i % 50])));
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte, Gen.Int[0, whole.Length - 1], Gen.Byte, Gen.Int[0, whole.Length]).Sample(
            (at, value, at2, value2, length) =>
            {
                var damaged = (byte[])whole.Clone();
                damaged[at] = value;
                damaged[at2] = value2;
                try
                {
                    var file = CdbFile.Parse("x", length % 3 == 0 ? damaged[..length] : damaged);
                    file.TryGet("key7"u8, out _);
                    file.TryGet("key299"u8, out _);
                    Assert.InRange(file.Entries().Count(), 0, whole.Length);
                }
                catch (TableException e)
                {
                    Assert.Contains("x", e.Message);
                }
            },
            iter: 2000);
    }

    [Fact]
    public void Cdb_itself_reads_and_writes_the_same()
    {
        var program = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(d => Path.Combine(d, "cdb")).FirstOrDefault(File.Exists);
        if (program is null)
        {
            Assert.Skip("needs cdb (package tinycdb)");
        }
        using var tables = new TestTables();
        var entries = Enumerable.Range(0, 5000).Select(i => (Key: $"user{i * 31}@example.com", Value: $"v{i}")).ToList();
        var text = tables.Write("text", string.Concat(entries.Select(e => $"+{e.Key.Length},{e.Value.Length}:{e.Key}->{e.Value}\n")) + "\n");
        using var process = Process.Start(program, ["-c", Path.Combine(tables.Directory, "t.cdb"), text]);
        process.WaitForExit();
        Assert.Equal(File.ReadAllBytes(Path.Combine(tables.Directory, "t.cdb")), Write(entries.Select(e => (Encoding.UTF8.GetBytes(e.Key), Encoding.UTF8.GetBytes(e.Value)))));
        Assert.Equal("= v17", tables.Find("cdb:@E@/t", "User527@example.com"));
    }
}
