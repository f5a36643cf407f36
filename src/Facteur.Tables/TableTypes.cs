using Facteur.Tables.Databases;
using Facteur.Tables.Index;
using Facteur.Tables.Types;
using Facteur.Unix;

namespace Facteur.Tables;

/// <summary>The table of table types: a row per type, a file per row.</summary>
public static class TableTypes
{
    private static readonly Dictionary<string, TableOpener> Openers = new(StringComparer.Ordinal)
    {
        ["btree"] = IndexedTable.Open,
        ["cdb"] = IndexedTable.Open,
        ["cidr"] = CidrTable.Open,
        ["dbm"] = IndexedTable.Open,
        ["debug"] = DebugTable.Open,
        ["environ"] = EnvironTable.Open,
        ["fail"] = FailTable.Open,
        ["hash"] = IndexedTable.Open,
        ["inline"] = InlineTable.Open,
        ["internal"] = InternalTable.Open,
        ["ldap"] = ConfiguredTable.Of(LdapTable.Open),
        ["lmdb"] = IndexedTable.Open,
        ["memcache"] = MemcacheTable.Open,
        ["mongodb"] = ConfiguredTable.Of(MongodbTable.Open),
        ["mysql"] = ConfiguredTable.Of(MysqlTable.Open),
        ["netinfo"] = RefusedTable.Open,
        ["nis"] = RefusedTable.Open,
        ["nisplus"] = RefusedTable.Open,
        ["pcre"] = PcreTable.Open,
        ["pgsql"] = ConfiguredTable.Of(PgsqlTable.Open),
        ["pipemap"] = PipemapTable.Open,
        ["proxy"] = ProxyTable.Open,
        ["randmap"] = RandmapTable.Open,
        ["regexp"] = RegexpTable.Open,
        ["sdbm"] = IndexedTable.Open,
        ["socketmap"] = SocketmapTable.Open,
        ["sqlite"] = ConfiguredTable.Of(SqliteTable.Open),
        ["static"] = StaticTable.Open,
        ["tcp"] = TcpTable.Open,
        ["texthash"] = TexthashTable.Open,
        ["unionmap"] = UnionmapTable.Open,
        ["unix"] = UnixTable.Open,
    };

    /// <summary>All types that this system supports, sorted (postconf -m).</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        .. Openers.Where(row => row.Value != RefusedTable.Open && (row.Key != "pcre" || Pcre2.IsAvailable) && (row.Key != "sqlite" || Sqlite3.IsAvailable)).Select(row => row.Key).Order(StringComparer.Ordinal),
    ];

    /// <summary>Types that postmap and postalias can write.</summary>
    public static bool IsIndexed(string type) => IndexKind.Types.Contains(type);

    internal static TableOpener? Find(string type) => Openers.GetValueOrDefault(type);
}
