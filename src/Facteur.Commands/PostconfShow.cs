using System.Text;
using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;

namespace Facteur.Commands;

/// <summary>postconf's answers.</summary>
internal sealed class PostconfShow(CommandContext context, PostconfOptions options, PostconfFiles files)
{
    private readonly bool _fold = options.Has('f');
    private readonly HashSet<string> _matched = new(StringComparer.Ordinal);

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
    internal void Services()
    {
        foreach (var line in files.Master!.Lines.Where(line => Wanted(line.Name, line.Type, null)))
        {
            context.Output.WriteLine(MasterFormat.Format(line, _fold, options.Has('x') ? text => files.Expand(text, Locals(line)) : null));
        }
        WarnUnmatched();
    }

    /// <summary>Fields of services (-F).</summary>
    internal string? Fields()
    {
        foreach (var operand in options.Operands)
        {
            if (operand.Split('/', 3) is [_, _, var field] && field != "*" && !MasterLine.FieldNames.Contains(field))
            {
                return $"invalid service attribute name: \"{field}\"";
            }
        }
        foreach (var line in files.Master!.Lines)
        {
            for (var i = 0; i < MasterLine.FieldNames.Count; i++)
            {
                var field = MasterLine.FieldNames[i];
                if (!Wanted(line.Name, line.Type, field))
                {
                    continue;
                }
                var name = $"{line.Name}/{line.Type}/{field}";
                if (field == "command" && !options.Has('H'))
                {
                    context.Output.WriteLine(MasterFormat.Command(line, options.Has('h') ? "" : $"{name} = ", _fold));
                }
                else
                {
                    Print(name, line.Fields[i]);
                }
            }
        }
        WarnUnmatched();
        return null;
    }

    /// <summary>Settings of services (-P).</summary>
    internal void Settings()
    {
        foreach (var line in files.Master!.Lines)
        {
            foreach (var (name, value) in Locals(line).Where(l => l.Key != "service_name").OrderBy(l => l.Key, StringComparer.Ordinal))
            {
                if (Wanted(line.Name, line.Type, name))
                {
                    Print($"{line.Name}/{line.Type}/{name}", options.Has('x') ? files.Expand(value, Locals(line)) : value);
                }
            }
        }
        WarnUnmatched();
    }

    private IEnumerable<string> Names()
    {
        var names = new List<string>();
        if (options.Classes.Contains("builtin"))
        {
            names.AddRange(ParameterRegistry.All.Select(row => row.Name).Where(NameUse.IsBuiltin));
        }
        if (options.Classes.Contains("service"))
        {
            names.AddRange(files.Names.Services.Keys.Where(name => !NameUse.IsBuiltin(name)));
        }
        if (options.Classes.Contains("user") && options.Action != 'd')
        {
            names.AddRange(files.Main.Entries.Keys.Where(files.Names.IsUser));
        }
        return names.Order(StringComparer.Ordinal);
    }

    private bool IsKnown(string name) =>
        (options.Classes.Contains("builtin") && NameUse.IsBuiltin(name))
        || (options.Classes.Contains("service") && files.Names.Services.ContainsKey(name))
        || (options.Classes.Contains("user") && files.Names.IsUser(name));

    private string? ValueOf(string name)
    {
        var value = options.Action == 'd' ? files.DefaultOf(name, actual: false)
            : files.Main.Entries.TryGetValue(name, out var entry) ? entry.Value : files.DefaultOf(name, actual: true);
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

    private bool Wanted(string name, string type, string? part)
    {
        if (options.Operands.Count == 0)
        {
            return true;
        }
        var wanted = false;
        foreach (var operand in options.Operands)
        {
            var words = operand.Split('/', part is null ? 2 : 3);
            if (Matches(words, 0, name) && Matches(words, 1, type) && (part is null || Matches(words, 2, part)))
            {
                _matched.Add(operand);
                wanted = true;
            }
        }
        return wanted;
    }

    private void WarnUnmatched()
    {
        foreach (var operand in options.Operands.Where(o => !_matched.Contains(o)))
        {
            context.Warn($"unmatched request: \"{operand}\"");
        }
    }

    private static bool Matches(string[] words, int at, string text) => at >= words.Length || words[at] == "*" || words[at] == text;

    private static Dictionary<string, string> Locals(MasterLine line)
    {
        var locals = new Dictionary<string, string>(StringComparer.Ordinal) { ["service_name"] = line.Name };
        foreach (var (name, value) in line.Settings)
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
