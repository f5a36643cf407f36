using System.Text;
using CsCheck;
using Facteur.Tables.Index;
using Facteur.Tables.Types;

namespace Facteur.Tables.Tests.Index;

public sealed class KeyFilterTests
{
    private static readonly Gen<string> Key = Gen.OneOf(Gen.Char["ab.@\0é"].Array[0, 20].Select(c => new string(c)), Gen.Int[0, 500].Select(i => $"user{i}@example{i % 7}.com"));

    /// <summary>What an index answers a table that is asked for the first time, and one that is asked often.</summary>
    [Fact]
    public void A_table_that_is_asked_often_answers_as_before() =>
        Gen.Select(Key.List[0, 200], Key.List[1, 50], Gen.Bool).Sample(
            (keys, others, nul) =>
            {
                var store = new EntryStore();
                foreach (var key in keys.Where(key => key.Length > 0))
                {
                    store.Add(Encoding.UTF8.GetBytes(nul ? key + "\0" : key), "yes"u8.ToArray(), replace: false);
                }
                using var file = new MemoryStream();
                new LmdbWriter(file).Write(store);
                var entries = LmdbFile.Parse("x", file.ToArray());
                var often = new IndexContent("hash:x", entries, new TableOptions { Utf8 = true });
                for (var i = 0; i < 1500; i++)
                {
                    often.Find("nobody");
                }
                Assert.All(keys.Concat(others), key => Assert.Equal(new IndexContent("hash:x", entries, new TableOptions { Utf8 = true }).Find(key), often.Find(key)));
            },
            iter: 60);

    [Fact]
    public void Hardly_a_key_that_is_not_there_may_be_there()
    {
        var store = new EntryStore();
        for (var i = 0; i < 10_000; i++)
        {
            store.Add(Encoding.UTF8.GetBytes($"user{i}@example.com"), [], replace: false);
        }
        using var file = new MemoryStream();
        new LmdbWriter(file).Write(store);
        var filter = KeyFilter.Of(LmdbFile.Parse("x", file.ToArray()))!;
        Assert.All(Enumerable.Range(0, 10_000), i => Assert.True(filter.MayHold(Encoding.UTF8.GetBytes($"user{i}@example.com"))));
        var wrong = Enumerable.Range(10_000, 10_000).Count(i => filter.MayHold(Encoding.UTF8.GetBytes($"user{i}@example.com")));
        Assert.InRange(wrong, 0, 1_000);
    }

    [Fact]
    public void An_index_that_is_damaged_or_large_has_none()
    {
        var store = new EntryStore();
        for (var i = 0; i <= 1 << 16; i++)
        {
            store.Add(BitConverter.GetBytes(i), [], replace: false);
        }
        using var file = new MemoryStream();
        new LmdbWriter(file).Write(store);
        Assert.Null(KeyFilter.Of(LmdbFile.Parse("x", file.ToArray())));
        var bytes = file.ToArray();
        bytes.AsSpan(2 * 4096, 4096).Fill(0xff);
        Assert.Null(KeyFilter.Of(LmdbFile.Parse("x", bytes)));
    }
}
