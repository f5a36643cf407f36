using System.Security.Cryptography;

namespace Facteur.Commands;

/// <summary>postconf -T: what the TLS library is and can do.</summary>
internal static class PostconfTls
{
    /// <summary>Answers a mode; the result is the exit status.</summary>
    internal static int Show(CommandContext context, string mode)
    {
        switch (mode)
        {
            // The library is chosen when the program runs: there is no other version that it was compiled with.
            case "compile-version" or "run-version":
                return Version() is { } version ? Print(context, version) : context.Fatal("the TLS library (OpenSSL) is not installed");
            case "public-key-algorithms":
                return Print(context, "dsa", "ecdsa", "rsa");
            default:
                context.Warn($"unknown 'postconf -T' mode: {mode}");
                return 1;
        }
    }

    private static int Print(CommandContext context, params ReadOnlySpan<string> lines)
    {
        foreach (var line in lines)
        {
            context.Output.WriteLine(line);
        }
        return 0;
    }

    // MNN00PP0: major, minor and patch numbers.
    private static string? Version()
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }
        try
        {
            var number = SafeEvpPKeyHandle.OpenSslVersion;
            return $"OpenSSL {number >> 28}.{(number >> 20) & 0xFF}.{(number >> 4) & 0xFF}";
        }
        catch (Exception e) when (e is PlatformNotSupportedException or DllNotFoundException or TypeInitializationException)
        {
            return null;
        }
    }
}
