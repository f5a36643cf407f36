using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>
/// "postfix logrotate": renames maillog_file, has the running mail system open a new one, and then compresses the old one. Only what nobody writes any more is compressed.
/// </summary>
/// <param name="say">Says a line.</param>
/// <param name="time">The clock.</param>
internal sealed class PostfixLogRotation(Action<string> say, TimeProvider time)
{
    /// <summary>So long a running system may take until its new log file is there.</summary>
    private static readonly TimeSpan OpenLimit = TimeSpan.FromSeconds(10);

    /// <summary>Lines on their way to the old file. Postfix: sleep 1.</summary>
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(1);

    // Postfix: the PATH of everything that the postfix command starts. A program in the working directory is never taken.
    private static readonly string[] Programs = ["/bin", "/usr/bin", "/sbin", "/usr/sbin"];

    /// <summary>Rotates the log of an instance.</summary>
    /// <returns>Whether it was done; else why not was said.</returns>
    public bool Rotate(IConfig config)
    {
        var file = config.Get(LogParameters.MaillogFile);
        foreach (var parameter in (StringParameter[])[LogParameters.MaillogFile, LogParameters.MaillogFileCompressor, LogParameters.MaillogFileRotateSuffix])
        {
            if (config.Get(parameter).Length == 0)
            {
                return Fail($"empty '{parameter.Name}' parameter value - logfile rotation failed");
            }
        }
        if (file.StartsWith("/dev/", StringComparison.Ordinal))
        {
            return Fail($"not rotating '{file}'");
        }
        if (LogParameters.CheckFile(file, config.Get(LogParameters.MaillogFilePrefixes)) is { } elsewhere)
        {
            return Fail(elsewhere);
        }
        var wrong = Run("date", ["+" + config.Get(LogParameters.MaillogFileRotateSuffix)], out var suffix)
            ?? Rename(file, $"{file}.{suffix.Trim()}")
            ?? Reopen(config.Get(CommonParameters.QueueDirectory), file)
            ?? Run(config.Get(LogParameters.MaillogFileCompressor), [$"{file}.{suffix.Trim()}"], out _);
        return wrong is null || Fail($"logfile '{file}' rotation failed: {wrong}");
    }

    private static string? Rename(string from, string to)
    {
        if (!File.Exists(from))
        {
            return $"mv: cannot stat '{from}': No such file or directory";
        }
        // As mv does: a file of this name is replaced.
        return Libc.rename(from, to) == 0 ? null : $"mv: cannot move '{from}' to '{to}': {Errno.Text(Marshal.GetLastPInvokeError())}";
    }

    private string? Reopen(string queue, string file)
    {
        var holder = MasterLock.Holder(queue);
        if (holder == 0)
        {
            return null;
        }
        if (Libc.kill(holder, Libc.SIGHUP) < 0)
        {
            return $"kill {holder.ToString(CultureInfo.InvariantCulture)}: {Errno.Text(Marshal.GetLastPInvokeError())}";
        }
        var started = time.GetTimestamp();
        while (!File.Exists(file))
        {
            if (time.GetElapsedTime(started) > OpenLimit)
            {
                return "the mail system still writes the old file, which is not compressed";
            }
            Thread.Sleep(20);
        }
        Thread.Sleep(Settle);
        return null;
    }

    /// <summary>Runs a program to its end; what it says of a failure, or null.</summary>
    private static string? Run(string name, string[] arguments, out string output)
    {
        output = "";
        var program = name.Contains('/', StringComparison.Ordinal) ? name : Programs.Select(d => $"{d}/{name}").FirstOrDefault(File.Exists);
        if (program is null)
        {
            return $"{name}: not found";
        }
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" })!;
            process.StandardInput.Close();
            var errors = process.StandardError.ReadToEndAsync();
            output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? null : $"{output}{errors.Result}".TrimEnd().ReplaceLineEndings(" ");
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            return $"{name}: {e.Message}";
        }
    }

    private bool Fail(string text)
    {
        say($"fatal: {text}");
        return false;
    }
}
