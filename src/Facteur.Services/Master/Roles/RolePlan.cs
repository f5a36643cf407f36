using System.Globalization;
using Facteur.Config;
using Facteur.Config.MainCf;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Net.Dns;
using Facteur.Unix;

namespace Facteur.Services.Master.Roles;

/// <summary>What master must do for a configuration, in lines it can read without knowing configurations: sockets, paths, the log.</summary>
public static class RolePlan
{
    /// <summary>A table's file of parameters is larger by mistake only.</summary>
    private const int MaxTableFile = 1 << 20;

    private static readonly char[] Separators = [' ', '\t', ',', '{', '}', '(', ')', '='];

    /// <summary>Writes the plan of a configuration, or what is wrong with it.</summary>
    /// <param name="load">The configuration.</param>
    /// <param name="output">A line each, fields separated by tabs.</param>
    /// <param name="time">The clock.</param>
    public static void Write(ConfigLoad load, TextWriter output, TimeProvider time)
    {
        void Line(params string[] fields) => output.Write(string.Join('\t', fields.Select(Plain)) + "\n");
        Line("build", BuildId.Value);
        foreach (var error in load.Errors)
        {
            Line("error", error);
        }
        if (load.Errors.Count > 0)
        {
            return;
        }
        var config = load.Config;
        try
        {
            Line("version", config.Get(CommonParameters.MailVersion));
            Line("log", config.Get(CommonParameters.Myhostname).Split('.')[0], config.Get(CommonParameters.SyslogName));
            var hosts = new HostsFile("/etc/hosts", time);
            foreach (var entry in load.Entries.Where(e => e is { Type: ServiceType.Inet, Command: "smtpd" }))
            {
                foreach (var address in ListenAddresses.Of(entry, config, hosts))
                {
                    Line("listen", address.Address.ToString(), address.Port.ToString(CultureInfo.InvariantCulture), entry.Line.ToString(CultureInfo.InvariantCulture));
                }
            }
        }
        catch (ConfigException e)
        {
            Line("error", e.Message);
            return;
        }
        foreach (var path in Paths(load).Distinct(StringComparer.Ordinal))
        {
            Line("secret", path);
            // A table is replaced by a new file of its name: what is readable is the directory.
            Line("read", Directory.Exists(path) ? path : Path.GetDirectoryName(path) is { Length: > 1 } directory ? directory : path);
        }
        // A database's file is named in a file that is named in main.cf; it is not for root alone to read, or the roles can't.
        foreach (var path in Values(load).SelectMany(DatabaseFiles).SelectMany(NamedIn).Distinct(StringComparer.Ordinal))
        {
            Line("read", Path.GetDirectoryName(path) is { Length: > 1 } directory ? directory : path);
        }
        foreach (var warning in load.Warnings.Concat(OutOfReach(load)))
        {
            Line("warning", warning);
        }
        Line("end");
    }

    /// <summary>All files that values name: "/path", "type:/path", "name=/path"; of indexed tables also the index.</summary>
    private static IEnumerable<string> Paths(ConfigLoad load) => Values(load).SelectMany(Named);

    private static IEnumerable<string> Values(ConfigLoad load)
    {
        var path = Path.Combine(load.Config.ConfigDirectory, "main.cf");
        var names = File.Exists(path) ? MainCfFile.Parse(path, File.ReadAllText(path)).Entries.Keys : [];
        var values = names.Select(n => load.Config.Find(n) ?? "")
            .Concat(load.Entries.SelectMany(e => load.Config.With(e.Overrides) is var own ? e.Overrides.Select(o => own.Find(o.Key) ?? "") : []));
        return values.Append(load.Config.Find("alias_maps") ?? "");
    }

    /// <summary>The files of a value's tables that are databases.</summary>
    private static IEnumerable<string> DatabaseFiles(string value) =>
        from word in value.Split(Separators, StringSplitOptions.RemoveEmptyEntries)
        let colon = word.IndexOf(":/", StringComparison.Ordinal)
        where colon > 0 && DatabaseParameters.IsDatabase(word[..colon].Split(':')[^1])
        select word[(colon + 1)..];

    /// <summary>The paths that such a file names; none where its reader may not read it.</summary>
    private static IEnumerable<string> NamedIn(string path)
    {
        try
        {
            return File.Exists(path) && new FileInfo(path).Length < MaxTableFile ? MainCfFile.Parse(path, File.ReadAllText(path)).Entries.Values.SelectMany(e => Named(e.Value)) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>The lists that the queue reads itself (docs/security.md): it may read no directory for being named.</summary>
    private static IEnumerable<string> OutOfReach(ConfigLoad load) =>
        from name in (string[])[ShowqParameters.AuthorizedMailqUsers.Name, ShowqParameters.AuthorizedFlushUsers.Name, ShowqParameters.FastFlushDomains.Name]
        from path in Named(load.Config.Find(name) ?? "")
        where Path.GetExtension(path) is not (".lmdb" or ".db" or ".cdb") && !((string[])["/etc", "/usr", load.Config.ConfigDirectory]).Any(d => path.StartsWith(d + "/", StringComparison.Ordinal))
        select $"{name}: {path}: the queue reads such files in config_directory and /etc only: nobody is found in it";

    private static IEnumerable<string> Named(string value)
    {
        foreach (var word in value.Split(Separators, StringSplitOptions.RemoveEmptyEntries))
        {
            var colon = word.StartsWith('/') ? 0 : word.IndexOf(":/", StringComparison.Ordinal) + 1;
            if (colon == 0 && !word.StartsWith('/'))
            {
                continue;
            }
            yield return word[colon..];
            if (colon > 0)
            {
                yield return word[colon..] + ".lmdb";
                yield return word[colon..] + ".db";
                yield return word[colon..] + ".cdb";
            }
        }
    }

    private static string Plain(string text) => text.Replace('\t', ' ').Replace('\n', ' ').Replace('\r', ' ');
}
