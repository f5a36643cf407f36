namespace Facteur.Config.Parameters;

/// <summary>Parameters of lookup tables.</summary>
public static class TablesParameters
{
    /// <summary>default_database_type. The index of a hash: table is an LMDB file here.</summary>
    public static readonly StringParameter DefaultDatabaseType = new("default_database_type", "hash", "The type of a table that postmap, postalias and newaliases are given without one.", 1);

    /// <summary>alias_database.</summary>
    public static readonly StringParameter AliasDatabase = new("alias_database", "$default_database_type:/etc/aliases", "The alias tables that newaliases rebuilds.");

    /// <summary>parent_domain_matches_subdomains.</summary>
    public static readonly StringParameter ParentDomainMatchesSubdomains = new(
        "parent_domain_matches_subdomains",
        "debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,smtpd_access_maps",
        "Lists in which example.com also stands for the names below it; in others .example.com does.");

    /// <summary>lmdb_map_size.</summary>
    public static readonly IntParameter LmdbMapSize = new("lmdb_map_size", "16777216", "LMDB files are written whole and grow as needed.", min: 8192) { Class = ParameterClass.NothingToDo };

    /// <summary>berkeley_db_create_buffer_size.</summary>
    public static readonly IntParameter BerkeleyDbCreateBufferSize = new("berkeley_db_create_buffer_size", "16777216", "Berkeley DB files are not written.", min: 1) { Class = ParameterClass.NothingToDo };

    /// <summary>berkeley_db_read_buffer_size.</summary>
    public static readonly IntParameter BerkeleyDbReadBufferSize = new("berkeley_db_read_buffer_size", "131072", "Berkeley DB files are not read.", min: 1) { Class = ParameterClass.NothingToDo };

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
    [
        DefaultDatabaseType, AliasDatabase, ParentDomainMatchesSubdomains, LmdbMapSize, BerkeleyDbCreateBufferSize, BerkeleyDbReadBufferSize,
    ];
}
