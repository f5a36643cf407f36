using System.Net.Sockets;
using Facteur;
using Facteur.Commands;
using Facteur.Config;
using Facteur.Contracts;
using Facteur.Unix;

// Continuations of sockets run where they complete: a hand-over to the thread pool costs more than what they do. One thread waits for
// the sockets of four cores: a second one that shares them splits what arrives together into twice as many wake-ups.
Default("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
Default("DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT", Math.Max(1, (Environment.ProcessorCount + 2) / 4).ToString(System.Globalization.CultureInfo.InvariantCulture));

// The name it is called by chooses; "facteur NAME args" is the same as "NAME args".
var name = Path.GetFileName(Environment.GetCommandLineArgs()[0]);
IReadOnlyList<string> arguments = args;
if (name is "facteur" or "facteur.dll")
{
    if (args.Length == 0)
    {
        Console.Error.WriteLine($"usage: facteur NAME [arguments]; names: {string.Join(' ', Names.All)}, and spool verify DIR");
        return 64;
    }
    (name, arguments) = (args[0], args[1..]);
}

var environment = new Dictionary<string, string>(StringComparer.Ordinal);
foreach (System.Collections.DictionaryEntry variable in Environment.GetEnvironmentVariables())
{
    environment[(string)variable.Key] = (string?)variable.Value ?? "";
}
// Postfix: what is closed is /dev/null, so that no file of ours gets one of these numbers.
for (var descriptor = 0; descriptor <= 2; descriptor++)
{
    if (Libc.fcntl(descriptor, Libc.F_GETFD, 0) < 0)
    {
        _ = Libc.open("/dev/null", Libc.O_RDWR, 0);
    }
}
var output = new StreamWriter(Inherited(1) ? Console.OpenStandardOutput() : Stream.Null, new System.Text.UTF8Encoding(false), 16 << 10);
var error = new StreamWriter(Inherited(2) ? Console.OpenStandardError() : Stream.Null, new System.Text.UTF8Encoding(false), 1024) { AutoFlush = true };
using var input = Inherited(0) ? Console.OpenStandardInput() : Stream.Null;
_ = Libc.signal(Libc.SIGXFSZ, 1); // SIG_IGN: a file that grows too big is EFBIG, not the end of the process.
try
{
    var status = Names.Run(new CommandContext(name, arguments, input, output, error, TimeProvider.System, environment));
    output.Flush();
    return status;
}
catch (Exception e)
{
    // What the world did is one line; a fault of ours says where it is. Mail that was not taken stays with its program (EX_TEMPFAIL).
    var expected = e is IOException or UnauthorizedAccessException or SocketException or ConfigException or ControlException or IdentityException;
    error.WriteLine($"{name}: fatal: {(expected ? e.Message : e)}");
    return name is "sendmail" or "postdrop" ? 75 : 1;
}

// The runtime was there first: a closed one's number may be a descriptor of its own by now, which closes on exec, as nothing does that came through one.
static bool Inherited(int descriptor) => Libc.fcntl(descriptor, Libc.F_GETFD, 0) == 0;

static void Default(string variable, string value)
{
    if (Environment.GetEnvironmentVariable(variable) is null)
    {
        Environment.SetEnvironmentVariable(variable, value);
    }
}
