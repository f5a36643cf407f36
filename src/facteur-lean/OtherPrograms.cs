using Facteur.Commands;
using Facteur.Unix;

namespace Facteur;

/// <summary>The executables beside this one, for what it can't do itself.</summary>
internal static class OtherPrograms
{
    private const int Unavailable = 69;

    /// <summary>Becomes a context's command: postqueue from the set-gid program, all others from facteur.</summary>
    /// <returns>The exit status when there is no such program.</returns>
    public static int Become(CommandContext context)
    {
        var own = Path.GetDirectoryName(Environment.ProcessPath) ?? "/";
        var environment = context.Environment.Select(v => $"{v.Key}={v.Value}").ToList();
        string[] whole = ["facteur", context.Name, .. context.Arguments];
        var errno = context.Name == "postqueue" ? ChildProcess.Become(Path.Combine(own, "postqueue"), ["postqueue", .. context.Arguments], environment) : Libc.ENOENT;
        errno = errno == Libc.ENOENT ? ChildProcess.Become(Path.Combine(own, "facteur"), whole, environment) : errno;
        return context.Fatal($"cannot run {context.Name} from {own}: {Errno.Text(errno)}", Unavailable);
    }
}
