using System.Globalization;
using System.Text;

namespace Facteur.Root.Master;

/// <summary>
/// The few names and paths of main.cf that decide who roles are and where the queue is. Nothing else of it is read as root: everything
/// beyond is read by a process of mail_owner, which can ask for no other identity.
/// </summary>
internal sealed class MasterNames
{
    private const int FileLimit = 4 << 20;
    private const int Depth = 20;
    private const string MailSpool = "mail_spool_directory", MinimumUid = "virtual_minimum_uid";
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal)
    {
        ["mail_owner"] = "postfix",
        ["queue_owner"] = "$mail_owner",
        ["setgid_group"] = "postdrop",
        ["queue_directory"] = "/var/spool/postfix",
        ["data_directory"] = "/var/lib/postfix",
        ["default_privs"] = "nobody",
        [MailSpool] = "/var/mail",
        ["maillog_file"] = "",
        ["maillog_file_permissions"] = "0600",
        ["maillog_file_prefixes"] = "/var, /dev/stdout",
        [MinimumUid] = "100",
    };

    private readonly List<(string Name, string Value)> _services = [];

    private MasterNames(string directory) => _values["config_directory"] = directory;

    /// <summary>Reads them.</summary>
    /// <exception cref="MasterException">The file can't be read, or a name can't be had.</exception>
    public static MasterNames Read(string directory)
    {
        var names = new MasterNames(directory);
        names.Take(ReadLines(Path.Combine(directory, "main.cf"), Encoding.Latin1));
        names.TakeServices(ReadLines(Path.Combine(directory, "master.cf"), Encoding.Latin1));
        return names;
    }

    /// <summary>What the parent of local deliveries may grant, as its arguments: what main.cf says, or any service of master.cf.</summary>
    /// <exception cref="MasterException">A value refers to what master does not know.</exception>
    public IReadOnlyList<string> LocalRights() =>
    [
        "--virtual-minimum-uid", Values(MinimumUid).MinBy(v => uint.TryParse(v, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0)!,
        .. Values(MailSpool).SelectMany(directory => (string[])["--mail-spool", directory]),
    ];

    private IEnumerable<string> Values(string name) =>
        _services.Where(s => s.Name == name).Select(s => Expand(s.Value, name, Depth)).Prepend(this[name]).Distinct(StringComparer.Ordinal);

    internal static string[] ReadLines(string path, Encoding encoding)
    {
        try
        {
            var file = new FileInfo(path);
            return file.Exists && file.Length <= FileLimit ? File.ReadAllLines(path, encoding) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MasterException($"open {path}: {e.Message}");
        }
    }

    /// <summary>A value, with the names in it replaced.</summary>
    /// <exception cref="MasterException">It refers to what master does not know, or to itself.</exception>
    public string this[string name] => Expand(_values[name], name, Depth);

    // postconf(5): a line that begins with space goes on, one that begins with "#" is nothing, the last "name = value" counts.
    private void Take(string[] lines)
    {
        string? name = null;
        foreach (var line in lines)
        {
            var text = line.Trim(' ', '\t', '\r');
            if (text.Length == 0 || text[0] == '#')
            {
                continue;
            }
            if (line[0] is ' ' or '\t')
            {
                if (name is not null)
                {
                    _values[name] = $"{_values[name]} {text}".Trim();
                }
                continue;
            }
            var at = text.IndexOf('=', StringComparison.Ordinal);
            name = at > 0 ? text[..at].TrimEnd() : null;
            if (name is not null)
            {
                _values[name] = text[(at + 1)..].TrimStart();
            }
        }
    }

    // master.cf(5): "-o name=value" and "-o { name = value }". Which service it is of does not matter: an administrator said so.
    private void TakeServices(string[] lines)
    {
        var words = lines.Where(l => !l.TrimStart(' ', '\t').StartsWith('#'))
            .SelectMany(l => l.Replace("=", " = ", StringComparison.Ordinal).Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries)).Where(w => w is not "{" and not "}").ToArray();
        for (var i = 3; i < words.Length; i++)
        {
            if (words[i - 3] == "-o" && words[i - 2].TrimStart('{') is MailSpool or MinimumUid && words[i - 1] == "=")
            {
                _services.Add((words[i - 2].TrimStart('{'), words[i].Contains('{', StringComparison.Ordinal) ? words[i] : words[i].TrimEnd('}')));
            }
        }
    }

    private string Expand(string value, string name, int depth)
    {
        if (depth == 0)
        {
            throw new MasterException($"{name}: names that refer to each other");
        }
        var result = new StringBuilder();
        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] != '$')
            {
                result.Append(value[i]);
                continue;
            }
            var (start, close) = i + 1 < value.Length && value[i + 1] is '{' or '(' ? (i + 2, true) : (i + 1, false);
            var end = start;
            while (end < value.Length && (char.IsAsciiLetterOrDigit(value[end]) || value[end] == '_'))
            {
                end++;
            }
            if (end == start || (close && (end == value.Length || value[end] is not ('}' or ')'))) || !_values.TryGetValue(value[start..end], out var inner))
            {
                throw new MasterException($"{name} = {value}: expected a plain name or path, or $name of one in main.cf");
            }
            result.Append(Expand(inner, name, depth - 1));
            i = close ? end : end - 1;
        }
        return result.ToString();
    }
}

/// <summary>The mail system can't be run; the message says why.</summary>
public sealed class MasterException(string message) : Exception(message);
