using System.Runtime.InteropServices;

namespace Facteur.Spool;

/// <summary>An errno as text.</summary>
internal static class Errno
{
    public static string Text(int errno) => Marshal.GetPInvokeErrorMessage(errno);
}
