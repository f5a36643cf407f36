using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Facteur.Testing.Servers;

/// <summary>A real server, started by a test with a directory, a port and a socket of its own; it can die and come back.</summary>
public sealed class ServerProcess : IDisposable
{
    private readonly Func<ServerProcess, (string Program, string[] Arguments)> _command;
    private Process? _process;

    public ServerProcess(string name, Func<ServerProcess, (string Program, string[] Arguments)> command)
    {
        _command = command;
        Directory = global::System.IO.Directory.CreateTempSubdirectory($"facteur-{name}-").FullName;
        Port = FreePort();
    }

    public string Directory { get; }

    public int Port { get; }

    /// <summary>A program, wherever Debian has it; null when it is not installed.</summary>
    public static string? Find(params string[] paths) =>
        paths.SelectMany(p => p.Contains('*') ? Versions(p) : [p]).FirstOrDefault(File.Exists);

    public static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    /// <summary>Runs a program to its end.</summary>
    public static (int Status, string Output) Run(string program, IEnumerable<string> arguments, string input = "", IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, WorkingDirectory = "/" };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            process.StandardInput.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading: its status says why.
        }
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }

    public void Start()
    {
        var (program, arguments) = _command(this);
        _process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" })!;
        _process.OutputDataReceived += static (_, _) => { };
        _process.ErrorDataReceived += static (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        for (var i = 0; i < 600; i++)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Connect(IPAddress.Loopback, Port);
                return;
            }
            catch (SocketException) when (!_process.HasExited)
            {
                Thread.Sleep(50);
            }
        }
        throw new InvalidOperationException($"{program} does not listen");
    }

    /// <summary>Ends the server: by a signal that it heeds, or at once.</summary>
    public void Kill(string? signal = null)
    {
        if (_process is null)
        {
            return;
        }
        if (signal is not null && !_process.HasExited)
        {
            Run("/bin/kill", [$"-{signal}", $"{_process.Id}"]);
            _process.WaitForExit(10_000);
        }
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }
        _process.Dispose();
        _process = null;
    }

    public void Dispose()
    {
        Kill();
        try
        {
            global::System.IO.Directory.Delete(Directory, recursive: true);
        }
        catch (IOException)
        {
            // A server that still ends may write a last file.
        }
    }

    private static IEnumerable<string> Versions(string pattern)
    {
        var star = pattern.IndexOf('*', StringComparison.Ordinal);
        var root = pattern[..star];
        return global::System.IO.Directory.Exists(root) ? global::System.IO.Directory.GetDirectories(root).OrderDescending(StringComparer.Ordinal).Select(d => d + pattern[(star + 1)..]) : [];
    }
}
