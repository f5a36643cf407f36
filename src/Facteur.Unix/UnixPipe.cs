namespace Facteur.Unix;

/// <summary>A pipe of this process; both ends are closed when a program is started, unless they are given to it.</summary>
public static class UnixPipe
{
    /// <summary>Makes a pipe.</summary>
    /// <param name="read">The end to read.</param>
    /// <param name="write">The end to write.</param>
    /// <returns>0 or the errno.</returns>
    public static unsafe int Create(out UnixFile? read, out UnixFile? write)
    {
        var pair = stackalloc int[2];
        var errno = UnixFile.Result(Libc.pipe2(pair, Libc.O_CLOEXEC));
        (read, write) = errno == 0 ? (UnixFile.Own(pair[0]), UnixFile.Own(pair[1])) : (null, null);
        return errno;
    }
}
