using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>Errors of libc as text.</summary>
public static class Errno
{
    /// <summary>What strerror(3) says.</summary>
    public static string Text(int errno) => Marshal.GetPInvokeErrorMessage(errno);
}
