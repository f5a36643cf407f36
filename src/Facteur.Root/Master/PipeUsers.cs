using System.Text;

namespace Facteur.Root.Master;

/// <summary>
/// In whose names pipe(8) may run commands: the words user= and chroot= of master.cf's pipe services, and nothing else of that file. They are
/// names here; whoever acts on one looks it up.
/// </summary>
internal static class PipeUsers
{
    private const int CommandField = 7;

    /// <summary>Reads them: a line "user[:group] TAB chroot" each, for local's parent.</summary>
    /// <exception cref="MasterException">The file can't be read.</exception>
    public static string Read(string directory) => Of(MasterNames.ReadLines(Path.Combine(directory, "master.cf"), Encoding.UTF8));

    internal static string Of(IEnumerable<string> lines)
    {
        var users = new StringBuilder();
        var service = "";
        // master(5): a line that begins with space goes on, one that begins with "#" is nothing.
        foreach (var line in lines.Append("end"))
        {
            if (line.AsSpan().TrimStart() is [] or ['#', ..])
            {
                continue;
            }
            if (line[0] is ' ' or '\t')
            {
                service += line;
                continue;
            }
            Add(Words(service), users);
            service = line;
        }
        return users.ToString();
    }

    private static void Add(List<string> words, StringBuilder users)
    {
        if (words.Count <= CommandField || words[CommandField] != "pipe")
        {
            return;
        }
        var attributes = words.Skip(CommandField + 1).TakeWhile(w => !w.StartsWith("argv=", StringComparison.Ordinal)).ToList();
        string Value(string name) => attributes.FindLast(w => w.StartsWith(name, StringComparison.Ordinal))?[name.Length..] ?? "";
        var user = Value("user=");
        if (user.Length > 0 && !user.Contains('\t'))
        {
            users.Append(user).Append('\t').Append(Value("chroot=")).Append('\n');
        }
    }

    // Words between white space; one that begins with "{" goes on to its "}".
    private static List<string> Words(string line)
    {
        var words = new List<string>();
        for (var at = 0; at < line.Length;)
        {
            if (line[at] is ' ' or '\t' or '\r')
            {
                at++;
                continue;
            }
            var (start, depth) = (at, 0);
            for (; at < line.Length && (depth > 0 || line[at] is not (' ' or '\t' or '\r')); at++)
            {
                depth += line[start] != '{' ? 0 : line[at] == '{' ? 1 : line[at] == '}' ? -1 : 0;
            }
            words.Add(line[start] == '{' && line[at - 1] == '}' ? line[(start + 1)..(at - 1)].Trim() : line[start..at]);
        }
        return words;
    }
}
