using System.Text;
using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;

namespace Facteur.Commands;

/// <summary>postconf's answers.</summary>
internal sealed class PostconfShow(CommandContext context, PostconfOptions options, PostconfFiles files)
{
    private readonly bool _fold = options.Has('f');

    /// <summary>main.cf's parameters: all, those asked for (in the order asked), those set (-n), or defaults (-d).</summary>
    internal void Main()
    {
        if (options.Operands.Count == 0)
        {
            foreach (var name in Names().Where(name => options.Action != 'n' || files.Main.Entries.ContainsKey(name)))
            {
                Print(name, ValueOf(name)!);
            }
            return;
        }
        foreach (var name in options.Operands)
        {
            var known = IsKnown(name);
            if (!known)
            {
                context.Warn($"{name}: unknown parameter");
            }
            else if ((options.Action != 'n' || files.Main.Entries.ContainsKey(name)) && ValueOf(name) is { } value)
            {
                Print(name, value);
            }
        }
    }

    /// <summary>Services (-M).</summary>
    internal void Services() => Show((line, _) =>
    {
        var text = MasterFormat.Format(line, _fold && !options.Has('j'), Setting(line));
        if (options.Has('j'))
        {
            Print($"{line.Name}/{line.Type}", text);
        }
        else
        {
            context.Output.WriteLine(text);
        }
        return true;
    });

    /// <summary>Fields of services (-F).</summary>
    internal string? Fields()
    {
        foreach (var operand in options.Operands)
        {
            if (Parts(operand) is [_, _, var field] && field != "*" && !MasterLine.FieldNames.Contains(field))
            {
                return $"invalid service attribute name: \"{field}\"";
            }
        }
        Show((line, wanted) =>
        {
            foreach (var (field, i) in MasterLine.FieldNames.Select((field, i) => (field, i)).Where(f => wanted == "*" || wanted == f.field))
            {
                Field(line, field, line.Fields[i]);
            }
            return true;
        });
        return null;
    }

    /// <summary>Settings of services (-P).</summary>
    internal void Settings() => Show((line, wanted) =>
    {
        var locals = Locals(line);
        var found = false;
        foreach (var (name, value) in locals.Where(l => l.Key != "service_name").OrderBy(l => l.Key, StringComparer.Ordinal).Where(l => wanted == "*" || wanted == l.Key))
        {
            Print($"{line.Name}/{line.Type}/{name}", options.Has('x') ? files.Expand(value, locals) : value);
            found = true;
        }
        return found;
    });

    private void Field(MasterLine line, string field, string value)
    {
        var name = $"{line.Name}/{line.Type}/{field}";
        if (field != "command" || options.Has('H'))
        {
            Print(name, value);
        }
        else if (options.Has('j'))
        {
            Print(name, MasterFormat.Command(line, "", fold: false, Setting(line)));
        }
        else
        {
            context.Output.WriteLine(MasterFormat.Command(line, options.Has('h') ? "" : $"{name} = ", _fold, Setting(line)));
        }
    }

    private Func<string, string>? Setting(MasterLine line) => options.Has('x') ? text => files.Expand(text, Locals(line)) : null;

    /// <summary>Shows what each request, or none, wants of each service: a service that two requests want is shown twice, as in Postfix.</summary>
    private void Show(Func<MasterLine, string, bool> show)
    {
        var matched = new HashSet<string>(StringComparer.Ordinal);
        foreach (var line in files.Master!.Lines)
        {
            foreach (var operand in options.Operands.Count == 0 ? ["*"] : options.Operands)
            {
                var words = Parts(operand);
                if (Matches(words, 0, line.Name) && Matches(words, 1, line.Type) && show(line, words.Length > 2 ? words[2] : "*"))
                {
                    matched.Add(operand);
                }
            }
        }
        foreach (var operand in options.Operands.Where(o => !matched.Contains(o)))
        {
            context.Warn($"unmatched request: \"{operand}\"");
        }
    }

    private IEnumerable<string> Names()
    {
        var names = new List<string>();
        if (options.Classes.Contains("builtin"))
        {
            names.AddRange(ParameterRegistry.All.Select(row => row.Name).Where(IsBuiltin));
        }
        if (options.Classes.Contains("service"))
        {
            names.AddRange(files.Names.Services.Keys);
        }
        if (options.Classes.Contains("user") && options.Action != 'd')
        {
            names.AddRange(files.Main.Entries.Keys.Where(files.Names.IsUser).Concat(files.Names.LegacyInMaster));
        }
        return names.Order(StringComparer.Ordinal);
    }

    // Postfix: local_destination_recipient_limit is of the service, where there is one.
    private bool IsBuiltin(string name) => NameUse.IsBuiltin(name) && !files.Names.Services.ContainsKey(name);

    private bool IsKnown(string name) =>
        (options.Classes.Contains("builtin") && IsBuiltin(name))
        || (options.Classes.Contains("service") && files.Names.Services.ContainsKey(name))
        || (options.Classes.Contains("user") && (files.Names.IsUser(name) || files.Names.LegacyInMaster.Contains(name)));

    private string? ValueOf(string name)
    {
        var value = options.Action == 'd' ? files.DefaultOf(name, actual: false)
            : files.Main.Entries.TryGetValue(name, out var entry) ? entry.Value : files.DefaultOf(name, actual: true) ?? (files.Names.LegacyInMaster.Contains(name) ? "" : null);
        return value is null || !options.Has('x') || RawParameters.Contains(name) ? value : files.Expand(value);
    }

    private void Print(string name, string value)
    {
        if (options.Has('j'))
        {
            context.Output.WriteLine($"{{\"{Json(name)}\": \"{Json(value)}\"}}");
            return;
        }
        context.Output.WriteLine(options.Has('H') ? name : Folding.Format(options.Has('h') ? value : $"{name} = {value}", _fold));
    }

    private static string[] Parts(string operand) => operand.Split('/', StringSplitOptions.RemoveEmptyEntries);

    private static bool Matches(string[] words, int at, string text) => at >= words.Length || words[at] == "*" || words[at] == text;

    // Postfix: entries of one name and type share their settings.
    private Dictionary<string, string> Locals(MasterLine line)
    {
        var locals = new Dictionary<string, string>(StringComparer.Ordinal) { ["service_name"] = line.Name };
        foreach (var (name, value) in files.Master!.Lines.Where(l => l.Name == line.Name && l.Type == line.Type).SelectMany(l => l.Settings))
        {
            locals[name] = value;
        }
        return locals;
    }

    private static string Json(string text)
    {
        var output = new StringBuilder(text.Length);
        foreach (var c in text)
        {
            _ = c switch
            {
                '"' or '\\' => output.Append('\\').Append(c),
                '\t' => output.Append("\\t"),
                '\n' => output.Append("\\n"),
                '\r' => output.Append("\\r"),
                '\b' => output.Append("\\b"),
                '\f' => output.Append("\\f"),
                < ' ' => output.Append($"\\u{(int)c:x4}"),
                _ => output.Append(c),
            };
        }
        return output.ToString();
    }
}
