using Facteur.Commands;
using Facteur.Contracts;
using Facteur.Unix;

namespace Facteur;

/// <summary>The executable beside this one that has all of the commands: it can read the queue of a system that is down.</summary>
internal static class WholeProgram
{
    /// <summary>Becomes "facteur NAME arguments" for a caller who lends this program nothing but rights of his own.</summary>
    /// <returns>Null: the caller is another, or there is no such executable.</returns>
    public static IQueueOperator? Become(CommandContext context)
    {
        var (uid, gid) = (Libc.getuid(), Libc.getgid());
        if (uid != Libc.geteuid() || (uid != 0 && gid != Libc.getegid()) || Libc.setresgid(gid, gid, gid) < 0)
        {
            return null;
        }
        var program = Path.Combine(Path.GetDirectoryName(Environment.ProcessPath) ?? "/", "facteur");
        context.Output.Flush();
        _ = ChildProcess.Become(program, ["facteur", context.Name, .. context.Arguments], [.. context.Environment.Select(v => $"{v.Key}={v.Value}")]);
        return null;
    }
}
