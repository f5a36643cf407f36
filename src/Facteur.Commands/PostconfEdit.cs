using Facteur.Config;
using Facteur.Config.Expansion;
using Facteur.Config.MainCf;
using Facteur.Config.MasterCf;

namespace Facteur.Commands;

/// <summary>postconf's changes. Everything is checked before a file is touched; a text means: nothing was changed, and why.</summary>
internal sealed class PostconfEdit(CommandContext context, PostconfOptions options)
{
    private readonly string _directory = ConfigLoader.FindDirectory(options.Directory, context.Environment);

    /// <summary>main.cf: -e, -X, -#.</summary>
    internal string? Main()
    {
        if (Operands() is { } none)
        {
            return none;
        }
        if (options.Action == 'e')
        {
            var values = new List<KeyValuePair<string, string>>();
            foreach (var operand in options.Operands)
            {
                if (MainCfFile.SplitNameValue(operand, out var name, out var value) is { } wrong)
                {
                    return $"{wrong}: \"{operand}\"";
                }
                if (values.FindIndex(v => v.Key == name) is >= 0 and var earlier)
                {
                    context.Warn($"ignoring earlier request: '{name} = {values[earlier].Value}'");
                    values.RemoveAt(earlier);
                }
                values.Add(new(name, value));
            }
            return Rewrite("main.cf", (_, text) => MainCfEditor.Set(text, values), values.Select(v => v.Key));
        }
        if (options.Operands.Any(string.IsNullOrWhiteSpace))
        {
            return "-X or -# requires non-blank parameter names";
        }
        var names = options.Operands.ToHashSet(StringComparer.Ordinal);
        return Rewrite("main.cf", (_, text) => options.Action == 'X' ? MainCfEditor.Remove(text, names) : MainCfEditor.CommentOut(text, names), names);
    }

    /// <summary>master.cf: -Me, -MX, -M#.</summary>
    internal string? Services()
    {
        if (Operands() is { } none)
        {
            return none;
        }
        var changes = new List<ServiceChange>();
        foreach (var operand in options.Operands)
        {
            var (request, entry) = (operand, "");
            if (options.Action == 'e' && MainCfFile.SplitNameValue(operand, out request, out entry) is { } wrong)
            {
                return $"{wrong}: \"{operand}\"";
            }
            if (request.Split('/', StringSplitOptions.RemoveEmptyEntries) is not [var name, var type])
            {
                return "-Me, -MX or -M# requires service_name/type";
            }
            MasterLine? line = null;
            if (options.Action == 'e')
            {
                line = MasterLine.Parse(entry, 0, out var bad);
                bad = line is null ? $"{bad}: \"{operand}\"" : MasterCfFile.InvalidField(line);
                if (bad is not null)
                {
                    return line is null ? bad : $"{bad} in \"{entry}\"";
                }
                changes.RemoveAll(c => c.Becomes(line!));
            }
            changes.Add(new(name, type, line));
        }
        return Rewrite("master.cf", (path, text) => ChangeServices(path, text, changes), []);
    }

    /// <summary>master.cf's fields: -Fe.</summary>
    internal string? Fields() => Parts("-Fe or -FX requires service_name/type/field_name", (line, field, value) =>
    {
        var index = MasterLine.FieldNames.ToList().IndexOf(field);
        if (field == "command")
        {
            return MasterLine.Parse($"{string.Join(' ', line.Fields.Take(7))} {value}", 0, out _) ?? line;
        }
        return line with { Fields = [.. line.Fields.Select((old, i) => i == index ? value : old)] };
    });

    /// <summary>master.cf's settings: -Pe, -PX.</summary>
    internal string? Settings() => Parts("-Pe or -PX requires service_name/type/parameter", (line, name, value) =>
    {
        var kept = new List<string>();
        var found = false;
        for (var i = 0; i < line.OptionCount; i++)
        {
            if (line.Arguments[i] == "-o" && i + 1 < line.OptionCount && MainCfFile.SplitNameValue(line.Arguments[i + 1], out var key, out _) is null && key == name)
            {
                i++;
                if (options.Action == 'e' && !found)
                {
                    kept.AddRange(["-o", $"{name}={value}"]);
                }
                found = true;
                continue;
            }
            kept.Add(line.Arguments[i]);
        }
        if (options.Action == 'e' && !found)
        {
            kept.AddRange(["-o", $"{name}={value}"]);
        }
        // Written anew also where there was nothing to remove (Postfix).
        return line with { Arguments = [.. kept, .. line.Arguments.Skip(line.OptionCount)] };
    });

    private string These => options.Mode == 'p' ? "-e, -X, or -# accepts" : "-Me, -Fe, -Pe, -X, or -# accept";

    private string? Operands()
    {
        if (options.Operands.Count == 0)
        {
            return options.Action == 'e' ? "-e requires name=value argument" : "missing service argument";
        }
        foreach (var operand in options.Operands)
        {
            if (operand.Contains('\n', StringComparison.Ordinal))
            {
                return $"{These} no multi-line input";
            }
            if (operand.TrimStart() is ['#', ..])
            {
                return $"{These} no comment input";
            }
        }
        return null;
    }

    private string? Parts(string usage, Func<MasterLine, string, string, MasterLine> change)
    {
        if (Operands() is { } none)
        {
            return none;
        }
        var requests = new List<(string Operand, string Name, string Type, string Part, string Value)>();
        foreach (var operand in options.Operands)
        {
            var (request, value) = (operand, "");
            if (options.Action == 'e' && MainCfFile.SplitNameValue(operand, out request, out value) is { } wrong)
            {
                return $"{wrong}: \"{operand}\"";
            }
            if (request.Split('/', StringSplitOptions.RemoveEmptyEntries) is not [var name, var type, var part])
            {
                return usage;
            }
            if (options.Mode == 'P' && part == "*")
            {
                return "-Pe does not accept wild-card parameter name";
            }
            if (options.Mode == 'F' && part == "*")
            {
                return "-Fe does not accept wild-card field name";
            }
            if (options.Mode == 'F' && CheckField(part, value) is { } bad)
            {
                return bad;
            }
            requests.Add((operand, name, type, part, value));
        }
        var matched = new HashSet<string>(StringComparer.Ordinal);
        var failed = Rewrite("master.cf", (path, text) => new MasterCfEditor(path, text).Change(
            entry => requests.Exists(r => Names(r.Name, r.Type, entry)),
            entry =>
            {
                var line = entry.Read();
                if (MasterCfFile.InvalidField(line) is { } invalid)
                {
                    throw new ConfigException($"{invalid} in \"{string.Join(' ', line.Fields.Concat(line.Arguments))}\"");
                }
                // The name that a request speaks of is the one before its own changes.
                foreach (var (operand, _, _, part, value) in requests.Where(r => Names(r.Name, r.Type, entry)))
                {
                    matched.Add(operand);
                    line = change(line, part, value);
                }
                return line;
            },
            commentsFirst: true), []);
        foreach (var (operand, _, _, _, _) in requests.Where(r => failed is null && !matched.Contains(r.Operand)))
        {
            context.Warn($"unmatched service_name/type: \"{operand}\"");
        }
        return failed;
    }

    private string ChangeServices(string path, string text, List<ServiceChange> changes)
    {
        var editor = new MasterCfEditor(path, text);
        if (options.Action == '#')
        {
            return editor.CommentOut(entry => changes.Exists(c => c.Concerns(entry)));
        }
        var found = new HashSet<ServiceChange>();
        // A second entry of the same service goes: the new one is to be the last.
        var edited = editor.Change(
            entry => changes.Exists(c => c.Concerns(entry)),
            entry => changes.Find(c => c.Concerns(entry)) is { } change && found.Add(change) ? change.Entry : null,
            commentsFirst: false);
        foreach (var change in changes.Where(c => c.Entry is not null && !found.Contains(c)))
        {
            edited += MasterFormat.Format(change.Entry!, fold: true) + "\n";
        }
        return edited;
    }

    private static bool Names(string name, string type, WrittenEntry entry) => (name == "*" || name == entry.Name) && (type == "*" || type == entry.Type);

    private static string? CheckField(string field, string value)
    {
        var index = MasterLine.FieldNames.ToList().IndexOf(field);
        if (index < 0)
        {
            return $"invalid service attribute name: \"{field}\"";
        }
        if (index == 7)
        {
            return value.Trim().Length == 0 ? $"invalid command field \"\" in \"{value}\"" : null;
        }
        return MasterCfFile.CheckField(index, value) is null && Braces.Split(value, " \t").Count == 1 ? null : $"invalid {field} field \"{value}\" in \"{value}\"";
    }

    private string? Rewrite(string file, Func<string, string, string> change, IEnumerable<string> names)
    {
        var path = $"{_directory}/{file}";
        return ConfigFile.Rewrite(path, text =>
        {
            foreach (var name in names.Where(name => LogicalLine.Split(text).Count(l => MainCfFile.SplitNameValue(l.Text, out var n, out _) is null && n == name) > 1))
            {
                context.Warn($"{path}: multiple entries for \"{name}\"");
            }
            return change(path, text);
        });
    }

    /// <summary>What becomes of the services that a request names; each part may be "*".</summary>
    private sealed record ServiceChange(string Name, string Type, MasterLine? Entry)
    {
        public bool Concerns(WrittenEntry entry) => Names(Name, Type, entry) || (Entry is { } own && Names(own.Name, own.Type, entry));

        public bool Becomes(MasterLine line) => Entry is { } entry && entry.Name == line.Name && entry.Type == line.Type;
    }
}
