using System.Text;
using Facteur.Config;
using Facteur.Tables;

namespace Facteur.Commands;

/// <summary>postconf(1): shows and changes main.cf and master.cf.</summary>
public static class Postconf
{
    /// <summary>Runs it; the result is the exit status.</summary>
    public static int Run(CommandContext context)
    {
        // Postfix's postconf does not know yet whether UTF-8 is welcome.
        context = context with { LettersAre = Encoding.UTF8 };
        var options = new PostconfOptions();
        if (options.Read(context.Arguments, context.Error, context.Name) is { } wrong)
        {
            return context.Fatal(wrong);
        }
        try
        {
            if (options.Mode == 'T')
            {
                return PostconfTls.Show(context, options.TlsMode);
            }
            return Run(context, options) is { } failed ? context.Fatal(failed) : 0;
        }
        catch (ConfigException e)
        {
            return context.Fatal(e.Message);
        }
    }

    private static string? Run(CommandContext context, PostconfOptions options) => options.Mode switch
    {
        'l' => List(context, ["flock", "fcntl", "dotlock"]),
        'm' => List(context, [.. TableTypes.Names]),
        'a' => List(context, ["dovecot"]),
        'A' => List(context, ["cyrus"]),
        'b' or 't' => PostconfTemplates.Show(context, options),
        _ when options.Action is 'e' or 'X' or '#' => Edit(new PostconfEdit(context, options), options.Mode),
        _ => Show(context, options),
    };

    private static string? List(CommandContext context, string[] names)
    {
        foreach (var name in names)
        {
            context.Output.WriteLine(name);
        }
        return null;
    }

    private static string? Edit(PostconfEdit edit, char mode) => mode switch
    {
        'M' => edit.Services(),
        'F' => edit.Fields(),
        'P' => edit.Settings(),
        _ => edit.Main(),
    };

    private static string? Show(CommandContext context, PostconfOptions options)
    {
        var files = PostconfFiles.Read(context, options);
        context = files.IsBytes ? context with { LettersAre = Encoding.Latin1 } : context;
        if (options.Action != 'd')
        {
            PostconfWarnings.Before(context, files);
        }
        if (TooDeep(options) is { } wrong)
        {
            return wrong;
        }
        // Bytes that are not UTF-8 were read as Latin-1.
        using var bytes = files.IsBytes && context.Output is StreamWriter stream ? new StreamWriter(stream.BaseStream, Encoding.Latin1, leaveOpen: true) : null;
        context.Output.Flush();
        var show = new PostconfShow(bytes is null ? context : context with { Output = bytes }, options, files);
        string? failed = null;
        switch (options.Mode)
        {
            case 'M':
                show.Services();
                break;
            case 'F':
                failed = show.Fields();
                break;
            case 'P':
                show.Settings();
                break;
            default:
                show.Main();
                break;
        }
        bytes?.Flush();
        if (!options.Has('q') && options.Action != 'd')
        {
            PostconfWarnings.After(context, files, options.Mode == 'p');
        }
        return failed;
    }

    private static string? TooDeep(PostconfOptions options)
    {
        var (parts, form) = options.Mode switch
        {
            'M' => (2, "[/type]"),
            'F' => (3, "[/type[/field]]"),
            'P' => (3, "[/type[/parameter]]"),
            _ => (0, ""),
        };
        bool Wrong(string operand) => operand.Split('/', StringSplitOptions.RemoveEmptyEntries).Length is var count && (count == 0 || count > parts);
        return parts > 0 && options.Operands.Any(Wrong) ? $"-{options.Mode} option requires service_name{form}" : null;
    }
}
