namespace Facteur.Unix;

/// <summary>A program that goes on when who started it has gone.</summary>
public static class Background
{
    /// <summary>A session of its own: no terminal's signals.</summary>
    public static void Enter() => _ = Libc.setsid();

    /// <summary>Says "ready" to whoever started it and reads its output to the end, and leaves terminal and pipes.</summary>
    public static void Ready(TextWriter output)
    {
        output.WriteLine("ready");
        output.Flush();
        var none = Libc.open("/dev/null", Libc.O_RDWR, 0);
        for (var fd = 0; fd <= 2 && none >= 0; fd++)
        {
            _ = Libc.dup2(none, fd);
        }
        if (none > 2)
        {
            _ = Libc.close(none);
        }
    }
}
