namespace Facteur.Commands;

/// <summary>
/// Short options as getopt(3) reads them: clustered (-ab), with an attached or following argument (-cDIR, -c DIR), up to "--" or the first operand.
/// </summary>
/// <param name="arguments">The arguments, without the command's name.</param>
/// <param name="options">Letters; "x:" takes an argument, "x::" takes one only when it is attached.</param>
/// <param name="reads">What a word of options is read as; it is given the word and the next one, or null at the end.</param>
public sealed class GetOpt(IReadOnlyList<string> arguments, string options, Func<string, string?, string>? reads = null)
{
    private string _word = "";
    private int _index;
    private int _at;

    /// <summary>The option found by the last <see cref="Next"/>; '?' when it is unknown or its argument is missing.</summary>
    public char Option { get; private set; }

    /// <summary>The option's argument; empty when it has none.</summary>
    public string Argument { get; private set; } = "";

    /// <summary>What is wrong, as getopt(3) says it, when <see cref="Option"/> is '?'.</summary>
    public string? Error { get; private set; }

    /// <summary>What follows the options.</summary>
    public IReadOnlyList<string> Operands => [.. arguments.Skip(_index)];

    /// <summary>Goes to the next option; false at the end.</summary>
    public bool Next()
    {
        Argument = "";
        Error = null;
        if (_at == 0 && !StartWord())
        {
            return false;
        }
        var word = _word;
        var letter = word[_at++];
        var row = letter == ':' ? -1 : options.IndexOf(letter, StringComparison.Ordinal);
        if (row < 0)
        {
            Fail($"invalid option -- '{letter}'");
            EndOfWord(word);
            return true;
        }
        Option = letter;
        var takes = row + 1 < options.Length && options[row + 1] == ':';
        var optional = takes && row + 2 < options.Length && options[row + 2] == ':';
        if (!takes)
        {
            EndOfWord(word);
            return true;
        }
        TakeArgument(word, letter, optional);
        return true;
    }

    private bool StartWord()
    {
        if (_index >= arguments.Count || arguments[_index] is not ['-', _, ..] word)
        {
            return false;
        }
        if (word == "--")
        {
            _index++;
            return false;
        }
        _word = reads?.Invoke(word, _index + 1 < arguments.Count ? arguments[_index + 1] : null) ?? word;
        _at = 1;
        return true;
    }

    private void TakeArgument(string word, char letter, bool optional)
    {
        if (_at < word.Length)
        {
            Argument = word[_at..];
        }
        else if (!optional)
        {
            if (_index + 1 >= arguments.Count)
            {
                Fail($"option requires an argument -- '{letter}'");
            }
            else
            {
                Argument = arguments[++_index];
            }
        }
        _index++;
        _at = 0;
    }

    private void EndOfWord(string word)
    {
        if (_at >= word.Length)
        {
            _index++;
            _at = 0;
        }
    }

    private void Fail(string text)
    {
        Option = '?';
        Error = text;
    }
}
