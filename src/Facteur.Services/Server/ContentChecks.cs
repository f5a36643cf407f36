using System.Text;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Mail.Headers;
using Facteur.Mail.Mime;
using Facteur.Tables;

namespace Facteur.Services.Server;

/// <summary>What becomes of a line or a header.</summary>
/// <param name="Text">Its bytes, as they were or replaced.</param>
/// <param name="Dropped">It goes away.</param>
/// <param name="Before">A line or header that goes before it, or empty.</param>
internal readonly record struct CheckedLine(ReadOnlyMemory<byte> Text, bool Dropped = false, ReadOnlyMemory<byte> Before = default);

/// <summary>Who checks: says what was done in its own words, and knows the actions that touch more than a line.</summary>
internal interface ICheckHost
{
    /// <summary>An action was carried out.</summary>
    /// <param name="action">Its name in the log.</param>
    /// <param name="kind">"header" or "body".</param>
    /// <param name="line">What it was carried out on.</param>
    /// <param name="text">Its text, or "".</param>
    void Did(string action, string kind, ReadOnlySpan<byte> line, string text);

    /// <summary>Carries out another action, or says that it can't.</summary>
    void Act(in CheckAction action, string kind, ReadOnlySpan<byte> line, string parameter);

    /// <summary>A rule is wrong.</summary>
    void Warn(string text);

    /// <summary>A table can't answer: the message can't go on now.</summary>
    void Failed(string parameter, string reason);
}

/// <summary>The tables of header_checks(5): those of cleanup(8), of smtp(8) or of lmtp(8), opened for bytes.</summary>
internal sealed class ContentChecks
{
    private const string HeaderKind = "header", BodyKind = "body";

    // Postfix: these are MIME headers wherever they stand; other Content- headers are not.
    private static readonly byte[][] MimeHeaders =
    [
        "MIME-Version"u8.ToArray(), "Content-Type"u8.ToArray(), "Content-Transfer-Encoding"u8.ToArray(), "Content-Disposition"u8.ToArray(),
        "Content-Description"u8.ToArray(), "Content-ID"u8.ToArray(),
    ];

    private readonly Maps _header, _mime, _nested, _body;

    private ContentChecks(Maps header, Maps mime, Maps nested, Maps body) => (_header, _mime, _nested, _body) = (header, mime, nested, body);

    /// <summary>Opens the tables; null when there are none.</summary>
    public static ContentChecks? Open(IConfig config, ITableSet tables, StringParameter header, StringParameter mime, StringParameter nested, StringParameter body)
    {
        var checks = new ContentChecks(Maps(header), Maps(mime), Maps(nested), Maps(body));
        return checks._header.IsEmpty && checks._mime.IsEmpty && checks._nested.IsEmpty && checks._body.IsEmpty ? null : checks;

        Maps Maps(StringParameter parameter) => Tables.Maps.Open(tables, parameter.Name, config.Get(parameter));
    }

    /// <summary>Lines of bodies are looked at.</summary>
    public bool HasBody => !_body.IsEmpty;

    /// <summary>Checks a header.</summary>
    public ValueTask<CheckedLine> HeaderAsync(HeaderPlace place, ReadOnlyMemory<byte> header, ICheckHost host, CancellationToken cancel) =>
        RunAsync(MapsOf(place, header.Span), HeaderKind, header, host, cancel);

    /// <summary>Checks a line of a body.</summary>
    public ValueTask<CheckedLine> BodyAsync(ReadOnlyMemory<byte> line, ICheckHost host, CancellationToken cancel) =>
        RunAsync(_body, BodyKind, line, host, cancel);

    private static ValueTask<CheckedLine> RunAsync(Maps maps, string kind, ReadOnlyMemory<byte> line, ICheckHost host, CancellationToken cancel)
    {
        // Postfix: empty lines never match.
        if (maps.IsEmpty || line.IsEmpty)
        {
            return new(new CheckedLine(line));
        }
        var lookup = maps.FindAsync(line, cancel);
        return lookup.IsCompletedSuccessfully ? new(Act(lookup.Result, maps.Parameter, kind, line, host)) : SlowAsync(lookup, maps.Parameter, kind, line, host);
    }

    private static async ValueTask<CheckedLine> SlowAsync(ValueTask<Lookup> lookup, string parameter, string kind, ReadOnlyMemory<byte> line, ICheckHost host) =>
        Act(await lookup.ConfigureAwait(false), parameter, kind, line, host);

    private static CheckedLine Act(in Lookup lookup, string parameter, string kind, ReadOnlyMemory<byte> line, ICheckHost host)
    {
        var same = new CheckedLine(line);
        if (lookup.Status != LookupStatus.Found)
        {
            if (lookup.Status == LookupStatus.Error)
            {
                host.Failed(parameter, lookup.Value);
            }
            return same;
        }
        var action = CheckAction.Parse(lookup.Value);
        switch (action.Verb)
        {
            case CheckVerb.Dunno:
                return same;
            case CheckVerb.Warn:
                host.Did("warning", kind, line.Span, action.Words);
                return same;
            case CheckVerb.Info:
                host.Did("info", kind, line.Span, action.Words);
                return same;
            case CheckVerb.Ignore:
                return same with { Dropped = true };
            case CheckVerb.Strip:
                host.Did("strip", kind, line.Span, action.Words);
                return same with { Dropped = true };
            case CheckVerb.Prepend when Usable(action, "PREPEND", parameter, kind, host):
                host.Did("prepend", kind, line.Span, action.Words);
                return same with { Before = kind == HeaderKind ? CheckText.Header(action.Text) : action.Bytes };
            case CheckVerb.Replace when Usable(action, "REPLACE", parameter, kind, host):
                host.Did("replace", kind, line.Span, action.Words);
                return same with { Text = kind == HeaderKind ? CheckText.Header(action.Text) : action.Bytes };
            case CheckVerb.Prepend or CheckVerb.Replace:
                return same;
            default:
                host.Act(action, kind, line.Span, parameter);
                return same;
        }
    }

    private static bool Usable(in CheckAction action, string name, string parameter, string kind, ICheckHost host)
    {
        if (action.Text.Length == 0)
        {
            host.Warn($"{name} action without text in {parameter} map");
            return false;
        }
        if (kind == HeaderKind && !CheckText.IsHeader(action.Text))
        {
            host.Warn($"bad {name} header text \"{action.Words}\" in {parameter} map -- need \"headername: headervalue\"");
            return false;
        }
        return true;
    }

    private Maps MapsOf(HeaderPlace place, ReadOnlySpan<byte> header)
    {
        var name = header[..HeaderField.NameLength(header)];
        if (place == HeaderPlace.Part || IsMime(name))
        {
            return _mime;
        }
        return place == HeaderPlace.Nested ? _nested : _header;
    }

    private static bool IsMime(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty || (name[0] | 0x20) is not ('c' or 'm'))
        {
            return false;
        }
        foreach (var known in MimeHeaders)
        {
            if (Ascii.EqualsIgnoreCase(known, name))
            {
                return true;
            }
        }
        return false;
    }
}
