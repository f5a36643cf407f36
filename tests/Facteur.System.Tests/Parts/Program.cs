using System.Diagnostics;
using System.Text;

namespace Facteur.System.Tests.Parts;

/// <summary>What a process said, as Latin-1, one character a byte.</summary>
internal sealed record Outcome(int Exit, string Output, string Error)
{
    /// <summary>The output; fails when the exit status is not 0.</summary>
    public string Fine()
    {
        Assert.True(Exit == 0, $"exit status {Exit}: {Error}{Output}");
        return Output;
    }
}

/// <summary>Runs programs to their end.</summary>
internal static class Program
{
    /// <summary>The executable under test: the test project's reference builds it next to the tests.</summary>
    public static string Facteur { get; } = Path.Combine(AppContext.BaseDirectory, "facteur");

    /// <summary>The programs under test in another place, where everybody may run them, or a test replace them.</summary>
    /// <returns>facteur there.</returns>
    public static string CopyTo(string directory)
    {
        Directory.CreateDirectory(directory);
        foreach (var file in Directory.EnumerateFiles(AppContext.BaseDirectory))
        {
            File.Copy(file, Path.Combine(directory, Path.GetFileName(file)));
        }
        return Path.Combine(directory, "facteur");
    }

    public static Outcome Run(string file, IEnumerable<string> arguments, byte[]? input = null, string? directory = null)
    {
        var start = new ProcessStartInfo(file)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.Latin1,
            StandardErrorEncoding = Encoding.Latin1,
            WorkingDirectory = directory ?? Path.GetTempPath(),
        };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }
        start.Environment.Remove("MAIL_CONFIG");
        // Short runs: code that is compiled twice is compiled for nothing.
        start.Environment["DOTNET_TieredPGO"] = "0";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        try
        {
            process.StandardInput.BaseStream.Write(input ?? []);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading; its exit status says why.
        }
        if (!Task.WhenAll(output, error).Wait(TimeSpan.FromSeconds(120)))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{file} {string.Join(' ', arguments)} did not end");
        }
        process.WaitForExit();
        return new Outcome(process.ExitCode, output.Result, error.Result);
    }

    /// <summary>The path of a program, or null.</summary>
    public static string? Find(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(directory => Path.Combine(directory, name)).FirstOrDefault(File.Exists);

    /// <summary>The path of a program; the test is skipped when it is not installed.</summary>
    public static string Need(string name)
    {
        var path = Find(name);
        Assert.SkipWhen(path is null, $"{name} is not installed");
        return path!;
    }
}
