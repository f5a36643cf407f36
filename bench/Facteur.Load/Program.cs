using Facteur.Load;

Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
var options = new Options(args.Skip(1));
return args is [var mode, ..]
    ? mode switch
    {
        "source" => await Source.RunAsync(options),
        "sink" => await Sink.RunAsync(options),
        "idle" => await Idle.RunAsync(options),
        "cleanup" => await CleanupCost.RunAsync(options),
        "tables" => await TableCost.RunAsync(options),
        "fill" => Fill.Run(options),
        _ => Usage(),
    }
    : Usage();

static int Usage()
{
    Console.Error.WriteLine("usage: Facteur.Load source --port N [--sessions N] [--messages N] [--size BYTES] [--new-session] [--rate N] [--to ADDRESS] [--users N] [--wait]");
    Console.Error.WriteLine("       Facteur.Load sink --port N --out FILE      counts and checks what arrives until SIGTERM");
    Console.Error.WriteLine("       Facteur.Load idle --port N --connections N holds connections after EHLO until its input ends");
    Console.Error.WriteLine("       Facteur.Load fill --journal DIR [--messages N] [--due N] [--size BYTES] writes a spool of deferred messages");
    Console.Error.WriteLine("       Facteur.Load cleanup [--messages N]        what rewriting and checks of one message cost");
    Console.Error.WriteLine("       Facteur.Load tables [--text FILE]           what lookups cost: in rules, and in the index of a text");
    return 64;
}
