using System.Globalization;

namespace Facteur.Services.Queue.Qmgr;

/// <summary>Concurrency feedback: a number, alone or over the window or its square root (postconf(5), *_concurrency_*_feedback).</summary>
internal readonly record struct Feedback(double Number, Feedback.Divisor By)
{
    internal enum Divisor : byte
    {
        None,
        Concurrency,
        SquareRoot,
    }

    /// <summary>Parses a value; null when it is none.</summary>
    public static Feedback? Parse(string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var by = slash < 0 ? Divisor.None : text[(slash + 1)..].Trim() switch
        {
            "concurrency" => Divisor.Concurrency,
            "sqrt_concurrency" => Divisor.SquareRoot,
            _ => (Divisor)255,
        };
        var number = slash < 0 ? text : text[..slash];
        return by <= Divisor.SquareRoot && double.TryParse(number.Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && value <= 1
            ? new Feedback(value, by)
            : null;
    }

    /// <summary>The amount at a window.</summary>
    public double At(int window) => By switch
    {
        Divisor.Concurrency => Number / window,
        Divisor.SquareRoot => Number / Math.Sqrt(window),
        _ => Number,
    };
}
