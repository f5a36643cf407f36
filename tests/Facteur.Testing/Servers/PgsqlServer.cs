namespace Facteur.Testing.Servers;

/// <summary>A PostgreSQL with a user whose password it asks for.</summary>
public sealed class PgsqlServer : IDisposable
{
    /// <summary>The password of its user "mail".</summary>
    public const string Password = "se'cret";

    private static readonly string? Bin = Path.GetDirectoryName(ServerProcess.Find("/usr/lib/postgresql/*/bin/postgres"));
    private static readonly bool Root = Environment.UserName == "root";
    private readonly ServerProcess? _server;

    public PgsqlServer()
    {
        if (Bin is null || (Root && !File.Exists("/usr/bin/setpriv")))
        {
            return;
        }
        _server = new ServerProcess("pgsql", s => As([$"{Bin}/postgres", "-D", $"{s.Directory}/data", "-k", s.Directory, "-p", $"{s.Port}", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]));
        if (Root)
        {
            Must(ServerProcess.Run("/bin/chown", ["postgres", _server.Directory]));
        }
        File.WriteAllText($"{_server.Directory}/password", Password);
        var (program, arguments) = As([$"{Bin}/initdb", "-D", $"{_server.Directory}/data", "-A", "scram-sha-256", "-U", "mail", "--pwfile", $"{_server.Directory}/password", "-N", "-E", "UTF8", "--locale=C"]);
        Must(ServerProcess.Run(program, arguments));
        Start();
        Must(Psql("""
            CREATE TABLE alias(address TEXT, goto TEXT, number INT, flag BOOLEAN);
            INSERT INTO alias VALUES('user@example.com', 'target@example.org', 7, true), ('o''brien', 'irish', 1, false), ('back\slash', 'yes', 1, null), ('many', 'a@x', 1, null), ('many', 'b@y', 2, null);
            CREATE FUNCTION find(TEXT) RETURNS TEXT AS 'SELECT goto FROM alias WHERE address = $1' LANGUAGE sql;
            """));
    }

    /// <summary>The process and its port.</summary>
    public ServerProcess Server => _server ?? throw new InvalidOperationException("no server");

    public bool IsThere => _server is not null;

    public void Stop() => Server.Kill("INT");

    public void Start()
    {
        Server.Start();
        // It takes connections before it answers: "the database system is starting up".
        for (var i = 0; i < 100 && Psql("SELECT 1").Status != 0; i++)
        {
            Thread.Sleep(50);
        }
    }

    public void Dispose()
    {
        _server?.Kill("QUIT");
        _server?.Dispose();
    }

    /// <summary>Runs statements.</summary>
    public (int Status, string Output) Psql(string text) => ServerProcess.Run(
        $"{Bin}/psql", ["-h", Server.Directory, "-p", $"{Server.Port}", "-U", "mail", "-d", "postgres", "-q"], text, new Dictionary<string, string> { ["PGPASSWORD"] = Password });

    private static void Must((int Status, string Output) done)
    {
        if (done.Status != 0)
        {
            throw new InvalidOperationException(done.Output);
        }
    }

    private static (string, string[]) As(string[] command) =>
        Root ? ("/usr/bin/setpriv", ["--reuid=postgres", "--regid=postgres", "--clear-groups", .. command]) : (command[0], command[1..]);
}
