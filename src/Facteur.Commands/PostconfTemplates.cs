using Facteur.Config;
using Facteur.Config.Expansion;
using Facteur.Config.MainCf;
using Facteur.Config.Parameters;
using Facteur.Mail.Dsn;

namespace Facteur.Commands;

/// <summary>postconf -t and -b: the templates of delivery reports, as written and expanded. An operand names a file in place of bounce_template_file; an empty one, the built-in templates.</summary>
internal static class PostconfTemplates
{
    /// <summary>Prints all four; says what is wrong, or null.</summary>
    internal static string? Show(CommandContext context, PostconfOptions options)
    {
        if (options.Operands.Count > 1)
        {
            return "options -b and -t require at most one template file";
        }
        var directory = ConfigLoader.FindDirectory(options.Directory, context.Environment);
        var main = MainCfFile.Parse($"{directory}/main.cf", ConfigText.Read($"{directory}/main.cf").Text);
        var config = ConfigLoader.FromMain(directory, main.With(options.Overrides), new LoadOptions { ProcessName = context.Name });
        var path = options.Operands.Count == 1 ? options.Operands[0] : config.Get(BounceParameters.BounceTemplateFile);
        var templates = new List<BounceTemplate>();
        if (path.Length > 0 && BounceTemplateFile.TryParse(ConfigText.Read(path).Text, out templates) is { } wrong)
        {
            return $"{path}, {wrong}";
        }
        for (var kind = BounceTemplateKind.Failure; kind <= BounceTemplateKind.Verify; kind++)
        {
            var template = templates.LastOrDefault(t => t.Kind == kind) ?? BounceTemplate.BuiltIn(kind);
            context.Output.Write($"{(kind == BounceTemplateKind.Failure ? "" : "\n")}{(options.Mode == 't' ? Written(template) : Expanded(template, config))}EOF\n");
        }
        return null;
    }

    private static string Expanded(BounceTemplate template, IConfig config) =>
        $"expanded_{template.Name[..^"_template".Length]}_text = <<EOF\n{TemplateText.Expand(template.Text, config)}";

    private static string Written(BounceTemplate template)
    {
        var postmaster = template.PostmasterSubject.Length == 0 ? "" : $"Postmaster-Subject: {template.PostmasterSubject}\n";
        return $"{template.Name} = <<EOF\nCharset: {template.Charset}\nFrom: {template.From}\nSubject: {template.Subject}\n{postmaster}\n{template.Text}";
    }
}
