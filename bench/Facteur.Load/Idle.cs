namespace Facteur.Load;

/// <summary>Holds connections open after EHLO.</summary>
internal static class Idle
{
    public static async Task<int> RunAsync(Options options)
    {
        var wires = new List<Wire>();
        for (var i = 0; i < options.Int("connections", 5000); i++)
        {
            wires.Add(await Source.OpenAsync(options.Int("port", 25)));
        }
        Console.WriteLine($"{wires.Count} connected");
        await Console.In.ReadToEndAsync();
        foreach (var wire in wires)
        {
            wire.Dispose();
        }
        return 0;
    }
}
