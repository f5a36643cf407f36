using System.Runtime.InteropServices;

namespace Facteur.Unix;

#pragma warning disable CS1591 // Names and meanings are stat(2)'s.
/// <summary>struct stat, x86-64 Linux layout (arm64 differs in the order of mode, nlink and in padding: see <see cref="IsSupported"/>).</summary>
[StructLayout(LayoutKind.Explicit, Size = 144)]
public struct Stat
{
    [FieldOffset(0)] public ulong Device;
    [FieldOffset(8)] public ulong Inode;
    [FieldOffset(16)] public ulong Links;
    [FieldOffset(24)] public uint Mode;
    [FieldOffset(28)] public uint Uid;
    [FieldOffset(32)] public uint Gid;
    [FieldOffset(48)] public long Size;
    [FieldOffset(72)] public Libc.TimeSpec Accessed;
    [FieldOffset(88)] public Libc.TimeSpec Modified;
    [FieldOffset(104)] public Libc.TimeSpec Changed;

    /// <summary>Whether this machine has this layout.</summary>
    public static bool IsSupported => RuntimeInformation.ProcessArchitecture == Architecture.X64;
}
#pragma warning restore CS1591
