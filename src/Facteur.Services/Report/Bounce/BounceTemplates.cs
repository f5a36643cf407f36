using Facteur.Config;
using Facteur.Config.Expansion;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Dsn;

namespace Facteur.Services.Report.Bounce;

/// <summary>The four templates with their texts expanded: built in, or from bounce_template_file.</summary>
internal sealed class BounceTemplates
{
    private const int FileLimit = 1024 * 1024;
    private readonly BounceTemplate[] _templates = new BounceTemplate[4];

    public BounceTemplates(IConfig config, BounceLog log)
    {
        for (var kind = BounceTemplateKind.Failure; kind <= BounceTemplateKind.Verify; kind++)
        {
            _templates[(int)kind] = BounceTemplate.BuiltIn(kind);
        }
        // Postfix: a bad template file does not stop reports; the built-in texts are used and the log says why.
        if (config.Get(BounceParameters.BounceTemplateFile) is { Length: > 0 } path && Load(path) is { } wrong)
        {
            log.TemplateUnusable(wrong);
        }
        for (var i = 0; i < _templates.Length; i++)
        {
            // Postfix: with SMTPUTF8 an address behind the text may be UTF-8.
            var charset = _templates[i].Charset;
            charset = config.Get(CommonParameters.Smtputf8Enable) && charset.Equals("us-ascii", StringComparison.OrdinalIgnoreCase) ? "utf-8" : charset;
            _templates[i] = _templates[i] with { Charset = charset, Text = TemplateText.Expand(_templates[i].Text, config) };
        }
    }

    public BounceTemplate For(ReportKind kind) => _templates[(int)(kind switch
    {
        ReportKind.Failure or ReportKind.Damage => BounceTemplateKind.Failure,
        ReportKind.Delay => BounceTemplateKind.Delay,
        ReportKind.Success => BounceTemplateKind.Success,
        _ => BounceTemplateKind.Verify,
    })];

    private string? Load(string path)
    {
        string text;
        try
        {
            if (new FileInfo(path).Length > FileLimit)
            {
                return $"bounce_template_file {path}: expected at most {FileLimit} bytes";
            }
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return $"bounce_template_file {path}: {e.Message}";
        }
        if (BounceTemplateFile.TryParse(text, out var templates) is { } wrong)
        {
            return $"bounce_template_file {path}, {wrong}";
        }
        foreach (var template in templates)
        {
            _templates[(int)template.Kind] = template;
        }
        return null;
    }
}
