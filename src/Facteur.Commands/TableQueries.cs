using System.Text;
using Facteur.Tables;
using Facteur.Tables.Text;

namespace Facteur.Commands;

/// <summary>-q and -s: what tables answer.</summary>
internal sealed class TableQueries(CommandContext context, TableCommandOptions options, TableSet set)
{
    private readonly Encoding _encoding = options.Tables.Utf8 ? Encoding.UTF8 : Encoding.Latin1;

    /// <summary>-s.</summary>
    public int List(string name)
    {
        if (set.OpenOrThrow(name) is not IListableTable table)
        {
            return context.Fatal($"table {name}: sequence {(name.StartsWith("fail:", StringComparison.Ordinal) ? "error: Application error" : "operation is not supported")}");
        }
        foreach (var (key, value) in table.Entries())
        {
            if (key.Length == 0)
            {
                context.Warn($"table {name}: empty lookup key value is not allowed");
            }
            else if (value.Length == 0)
            {
                WarnOfEmpty(name, key);
            }
            if (Content(name, key, value) is { } content)
            {
                WritePair(key, content);
            }
        }
        return 0;
    }

    /// <summary>-q key: the first table's answer.</summary>
    public int Ask(IReadOnlyList<string> names, string argument)
    {
        var bytes = ArgumentBytes.Of(argument);
        if (IsNoText(names, bytes))
        {
            names.ToList().ForEach(n => set.OpenOrThrow(n));
            return 1;
        }
        var key = _encoding.GetString(bytes);
        foreach (var name in names)
        {
            if (Find(set.OpenOrThrow(name), key) is { } value)
            {
                if (options.Json)
                {
                    WritePair(key, value);
                }
                else
                {
                    Write($"{value}\n");
                }
                return 0;
            }
        }
        return 1;
    }

    /// <summary>-q -: keys from standard input, a line each, or out of a message.</summary>
    public int AskInput(IReadOnlyList<string> names)
    {
        List<ITable>? tables = null;
        var keys = options.Body || options.Headers
            ? MessageKeys.Read(InputLines.Read(context.Input), options.Headers, options.Body, options.Mime)
            : InputLines.ReadTexts(context.Input);
        var found = false;
        foreach (var line in keys)
        {
            if (IsNoText(names, line))
            {
                continue;
            }
            var key = _encoding.GetString(line);
            // Postfix: nobody asks, nothing is opened.
            tables ??= [.. names.Select(set.OpenOrThrow)];
            if (tables.Select(t => Find(t, key)).FirstOrDefault(v => v is not null) is { } value)
            {
                found = true;
                WritePair(key, value);
            }
        }
        return found ? 0 : 1;
    }

    /// <summary>Whether a key can be in no table for what its bytes are; that is told.</summary>
    private bool IsNoText(IReadOnlyList<string> names, byte[] key)
    {
        var wrong = options.Tables.Utf8 && !System.Text.Unicode.Utf8.IsValid(key);
        for (var i = 0; wrong && i < names.Count; i++)
        {
            context.Warn($"{names[i]}: non-UTF-8 key \"{Printable.Of(key)}\": malformed UTF-8 or invalid codepoint");
        }
        return wrong;
    }

    private void WritePair(string key, string value)
    {
        if (!options.Json)
        {
            Write($"{key}{(options.Aliases ? ":\t" : "\t")}{value}\n");
            return;
        }
        var text = new StringBuilder("{");
        QueueJson.Quote(text, Shown(key));
        QueueJson.Quote(text.Append(": "), Shown(value));
        context.Output.Write(text.Append("}\n").ToString());
    }

    private string? Find(ITable table, string key)
    {
        var lookup = table.LookupAsync(key, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        switch (lookup.Status)
        {
            case LookupStatus.NotFound:
                return null;
            case LookupStatus.Error:
                if (lookup.Value.EndsWith(": malformed UTF-8 or invalid codepoint", StringComparison.Ordinal))
                {
                    context.Warn(lookup.Value);
                    throw new TableException($"table {table.Name}: query error");
                }
                throw new TableException($"table {table.Name}: query error: {lookup.Value}");
            default:
                if (lookup.Value.Length == 0)
                {
                    WarnOfEmpty(table.Name, key);
                }
                return Content(table.Name, key, lookup.Value);
        }
    }

    private void WarnOfEmpty(string table, string key)
    {
        context.Warn($"table {table}: key {key}: empty string result is not allowed");
        context.Warn($"table {table} should return NO RESULT in case of NOT FOUND");
    }

    /// <summary>A value, or with -F the content that it encodes; of a table without index, which nothing has encoded, that of the files that it names. Null when they can't be read.</summary>
    private string? Content(string table, string key, string value)
    {
        if (!options.FileValues)
        {
            return value;
        }
        if (!TableTypes.IsIndexed(table[..table.IndexOf(':', StringComparison.Ordinal)]))
        {
            return FileValues.Read(value, out var wrong) is { } content ? _encoding.GetString(content) : Unread(wrong);
        }
        var bytes = new byte[value.Length];
        return Convert.TryFromBase64String(value, bytes, out var count)
            ? _encoding.GetString(bytes, 0, count)
            : Undecoded();

        // Postfix: a lookup ends with it, a listing leaves the entry out.
        string? Undecoded()
        {
            context.Warn($"table {table}: key {key}: malformed BASE64 value: {(value.Length > 30 ? value[..30] : value)}");
            return options.List ? null : throw new TableException($"table {table}: query error");
        }

        string? Unread(string wrong)
        {
            context.Warn($"{table}: key {key}: {wrong}: skipping this entry");
            return null;
        }
    }

    // Bytes read as Latin-1 leave as the bytes they were.
    private void Write(string text)
    {
        if (options.Tables.Utf8 || Ascii.IsValid(text) || text.AsSpan().ContainsAnyExceptInRange('\0', '\xFF') || context.Output is not StreamWriter writer)
        {
            context.Output.Write(Shown(text));
            return;
        }
        writer.Flush();
        writer.BaseStream.Write(Encoding.Latin1.GetBytes(text));
    }

    // In JSON, and where there is only text, when they are UTF-8.
    private string Shown(string text)
    {
        if (options.Tables.Utf8 || Ascii.IsValid(text))
        {
            return text;
        }
        var bytes = Encoding.Latin1.GetBytes(text);
        return System.Text.Unicode.Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : text;
    }
}
