using Facteur.Tables.Databases;
using Facteur.Tables.Types;
using Facteur.Unix;

namespace Facteur.Tables;

/// <summary>The table of table types: a row per type, a file per row.</summary>
public static class TableTypes
{
    private static readonly Dictionary<string, TableOpener> Openers = new(StringComparer.Ordinal)
    {
        ["btree"] = IndexedTable.Open,
        ["cidr"] = CidrTable.Open,
        ["debug"] = DebugTable.Open,
        ["environ"] = EnvironTable.Open,
        ["fail"] = FailTable.Open,
        ["hash"] = IndexedTable.Open,
        ["inline"] = InlineTable.Open,
        ["ldap"] = ConfiguredTable.Of(LdapTable.Open),
        ["lmdb"] = IndexedTable.Open,
        ["memcache"] = MemcacheTable.Open,
        ["mongodb"] = ConfiguredTable.Of(MongodbTable.Open),
        ["mysql"] = ConfiguredTable.Of(MysqlTable.Open),
        ["pcre"] = PcreTable.Open,
        ["pgsql"] = ConfiguredTable.Of(PgsqlTable.Open),
        ["pipemap"] = PipemapTable.Open,
        ["proxy"] = ProxyTable.Open,
        ["randmap"] = RandmapTable.Open,
        ["regexp"] = RegexpTable.Open,
        ["socketmap"] = SocketmapTable.Open,
        ["sqlite"] = ConfiguredTable.Of(SqliteTable.Open),
        ["static"] = StaticTable.Open,
        ["tcp"] = TcpTable.Open,
        ["texthash"] = TexthashTable.Open,
        ["unionmap"] = UnionmapTable.Open,
        ["unix"] = UnixTable.Open,
    };

    /// <summary>All types that this system supports, sorted (postconf -m).</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Openers.Keys.Where(type => (type != "pcre" || Pcre2.IsAvailable) && (type != "sqlite" || Sqlite3.IsAvailable)).Order(StringComparer.Ordinal)];

    /// <summary>Types that postmap and postalias can write.</summary>
    public static bool IsIndexed(string type) => type is "hash" or "btree" or "lmdb";

    internal static TableOpener? Find(string type) => Openers.GetValueOrDefault(type);
}
