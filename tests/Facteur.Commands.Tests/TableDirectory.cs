namespace Facteur.Commands.Tests;

/// <summary>A temporary directory with a main.cf.</summary>
internal sealed class TableDirectory : IDisposable
{
    public TableDirectory(string main = "")
    {
        Path = Directory.CreateTempSubdirectory("facteur-tables-").FullName;
        Write("main.cf", "compatibility_level = 3.11\nmyhostname = mx.dest.example\nmydomain = dest.example\ninet_interfaces = 127.0.0.1\n" + main);
    }

    public string Path { get; }

    public string Write(string name, string text)
    {
        var path = System.IO.Path.Combine(Path, name);
        File.WriteAllText(path, text);
        return path;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
