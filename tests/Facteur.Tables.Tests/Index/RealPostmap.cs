using System.Diagnostics;

namespace Facteur.Tables.Tests.Index;

/// <summary>Postfix's own postmap, where it is installed.</summary>
internal static class RealPostmap
{
    private const string Program = "/usr/sbin/postmap";

    /// <summary>Skips a test where Postfix or its plug-in for a type is not there.</summary>
    public static void Need(string type)
    {
        if (!File.Exists(Program) || (type == "lmdb" && !File.Exists("/usr/lib/postfix/postfix-lmdb.so")))
        {
            Assert.Skip($"needs Postfix with {type}");
        }
    }

    /// <summary>Its output, without the last line end.</summary>
    public static string Run(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Program, arguments) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output.TrimEnd('\n');
    }
}
