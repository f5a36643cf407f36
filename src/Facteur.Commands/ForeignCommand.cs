using System.Diagnostics;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>A program of others', with our standard input, output and error.</summary>
internal static class ForeignCommand
{
    /// <summary>Runs it to its end.</summary>
    /// <param name="context">The command that needs it.</param>
    /// <param name="words">The program and its arguments.</param>
    /// <param name="complaint">Before the reason, when it can't be started.</param>
    /// <param name="environment">Further variables.</param>
    /// <returns>Its exit status, or that of a fatal error.</returns>
    public static int Run(CommandContext context, IReadOnlyList<string> words, string complaint, params ReadOnlySpan<(string Name, string Value)> environment)
    {
        var start = new ProcessStartInfo(words[0]);
        foreach (var word in words.Skip(1))
        {
            start.ArgumentList.Add(word);
        }
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }
        context.Output.Flush();
        try
        {
            using var process = Process.Start(start);
            process!.WaitForExit();
            return process.ExitCode;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return context.Fatal($"{complaint}: {Errno.Text(e.NativeErrorCode)}");
        }
    }
}
