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
    private const string MailSpool = "mail_spool_directory", MinimumUid = "virtual_minimum_uid", DefaultPrivs = "default_privs";
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal)
    {
        ["mail_owner"] = "postfix",
        ["queue_owner"] = "$mail_owner",
        ["setgid_group"] = "postdrop",
        ["queue_directory"] = "/var/spool/postfix",
        ["data_directory"] = "/var/lib/postfix",
        [DefaultPrivs] = "nobody",
        [MailSpool] = "/var/mail",
        ["maillog_file"] = "",
        ["maillog_file_permissions"] = "0600",
        ["maillog_file_prefixes"] = "/var, /dev/stdout",
        [MinimumUid] = "100",
    };

    private readonly List<(string Name, string Value)> _services = [];
    private readonly List<string> _pipes = [];

    private MasterNames(string directory) => _values["config_directory"] = directory;

    /// <summary>Reads them.</summary>
    /// <exception cref="MasterException">The file can't be read, or a name can't be had.</exception>
    public static MasterNames Read(string directory)
    {
        var names = new MasterNames(directory);
        names.Take(Lines(Path.Combine(directory, "main.cf")));
        names.TakeServices(Lines(Path.Combine(directory, "master.cf")));
        return names;
    }

    /// <summary>What the parent of local deliveries may grant, as its arguments: what main.cf says, or any service of master.cf.</summary>
    /// <exception cref="MasterException">A value refers to what master does not know.</exception>
    public IReadOnlyList<string> LocalRights() =>
    [
        "--virtual-minimum-uid", Values(MinimumUid).MinBy(v => uint.TryParse(v, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0)!,
        .. Values(DefaultPrivs).SelectMany(user => (string[])["--default-privs", user]), .. Values(MailSpool).SelectMany(directory => (string[])["--mail-spool", directory]), .. _pipes.SelectMany(user => (string[])["--pipe", user]),
    ];

    private IEnumerable<string> Values(string name) =>
        _services.Where(s => s.Name == name).Select(s => Expand(s.Value, name, Depth)).Prepend(this[name]).Distinct(StringComparer.Ordinal);

    // postconf(5), master(5): a line that begins with space goes on, one that begins with "#" is nothing.
    private static List<string> Lines(string path)
    {
        var lines = new List<string>();
        try
        {
            var file = new FileInfo(path);
            foreach (var line in file.Exists && file.Length <= FileLimit ? File.ReadLines(path) : [])
            {
                var text = line.Trim(' ', '\t', '\r');
                if (text is [] or ['#', ..])
                {
                    continue;
                }
                if (line[0] is ' ' or '\t' && lines.Count > 0)
                {
                    lines[^1] = $"{lines[^1]} {text}";
                    continue;
                }
                lines.Add(text);
            }
            return lines;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MasterException($"open {path}: {e.Message}");
        }
    }

    /// <summary>A value, with the names in it replaced.</summary>
    /// <exception cref="MasterException">It refers to what master does not know, or to itself.</exception>
    public string this[string name] => Expand(_values[name], name, Depth);

    // postconf(5): the last "name = value" counts.
    private void Take(List<string> lines)
    {
        foreach (var line in lines)
        {
            if (line.Split('=', 2, StringSplitOptions.TrimEntries) is [var name, var value])
            {
                _values[name] = value;
            }
        }
    }

    // master(5): "-o name=value" and "-o { name = value }", of whatever service: an administrator said so. And user= and chroot= of pipe(8)'s.
    private void TakeServices(List<string> lines)
    {
        const int command = 7;
        foreach (var words in lines.Select(Words))
        {
            for (var i = command + 1; i < words.Count; i++)
            {
                if (words[i - 1] == "-o" && words[i].Split('=', 2, StringSplitOptions.TrimEntries) is [MailSpool or MinimumUid or DefaultPrivs, _] and var option)
                {
                    _services.Add((option[0], option[1]));
                }
            }
            string Value(string name) => words.Skip(command + 1).TakeWhile(w => !w.StartsWith("argv=", StringComparison.Ordinal)).LastOrDefault(w => w.StartsWith(name, StringComparison.Ordinal))?[name.Length..] ?? "";
            if (words.Count > command && words[command] == "pipe" && Value("user=") is { Length: > 0 } user && !user.Contains('\t', StringComparison.Ordinal))
            {
                _pipes.Add($"{user}\t{Value("chroot=")}");
            }
        }
    }

    // Words between white space; one that begins with "{" goes on to its "}".
    private static List<string> Words(string line)
    {
        var words = new List<string>();
        for (var at = 0; at < line.Length;)
        {
            if (line[at] is ' ' or '\t')
            {
                at++;
                continue;
            }
            var (start, depth) = (at, 0);
            for (; at < line.Length && (depth > 0 || line[at] is not (' ' or '\t')); at++)
            {
                depth += line[start] != '{' ? 0 : line[at] == '{' ? 1 : line[at] == '}' ? -1 : 0;
            }
            words.Add(line[start] == '{' && line[at - 1] == '}' ? line[(start + 1)..(at - 1)].Trim() : line[start..at]);
        }
        return words;
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
