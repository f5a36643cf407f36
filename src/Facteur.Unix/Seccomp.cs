using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>
/// seccomp(2): system calls that answer EPERM from here on, in every thread. What a broken process would try: to run programs, to look into
/// other processes, to change the kernel's view of files.
/// </summary>
public static unsafe class Seccomp
{
    private const int SetModeFilter = 1;
    private const int AllThreads = 1;
    private const uint ENOSYS = 38;

    /// <summary>struct seccomp_data: the lower half of args[0].</summary>
    private const uint FirstArgument = 16;

    /// <summary>CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.</summary>
    private const uint NewNameSpaces = 0x7E020000;

    /// <summary>Kernel, mounts, name spaces, other processes, io_uring (which goes round filters).</summary>
    private static readonly (int X64, int Arm64)[] Dangerous =
    [
        (101, 117), (310, 270), (311, 271), (438, 438), (321, 280), (425, 425), (426, 426), (427, 427), (165, 40), (166, 39), (155, 41), (161, 51), (308, 268), (272, 97),
        (175, 105), (313, 273), (176, 106), (246, 104), (320, 294), (169, 142), (304, 265), (323, 282), (298, 241), (248, 217), (249, 218), (250, 219), (167, 224), (168, 225),
        (163, 89), (159, 171), (305, 266), (227, 112), (164, 170), (428, 428), (429, 429), (430, 430), (431, 431), (432, 432), (442, 442), (312, 272), (135, 92),
    ];

    private static readonly (int X64, int Arm64)[] Programs = [(59, 221), (322, 281)];

    /// <summary>Refuses what no process of ours needs.</summary>
    /// <returns>0, or the errno.</returns>
    public static int DenyDangerous() => Deny(Dangerous, nameSpaces: true);

    /// <summary>Refuses to run programs.</summary>
    /// <returns>0, or the errno.</returns>
    public static int DenyPrograms() => Deny(Programs);

    private static int Deny((int X64, int Arm64)[] calls, bool nameSpaces = false)
    {
        var arm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;
        if (!arm && RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return Libc.EINVAL;
        }
        const ushort load = 0x20, equal = 0x15, atLeast = 0x35, anyBit = 0x45, answer = 0x06;
        const uint kill = 0x80000000, refuse = 0x00050000 | Libc.EPERM, absent = 0x00050000 | ENOSYS, allow = 0x7fff0000;
        var filter = new List<Instruction>
        {
            // Another architecture's numbers would mean other calls.
            new(load, 0, 0, 4), new(equal, 1, 0, arm ? 0xC00000B7u : 0xC000003Eu), new(answer, 0, 0, kill), new(load, 0, 0, 0),
        };
        if (!arm)
        {
            // x32's calls are x64's with a bit more.
            filter.Add(new Instruction(atLeast, 0, 1, 0x40000000));
            filter.Add(new Instruction(answer, 0, 0, refuse));
        }
        foreach (var (x64, arm64) in calls)
        {
            filter.Add(new Instruction(equal, 0, 1, (uint)(arm ? arm64 : x64)));
            filter.Add(new Instruction(answer, 0, 0, refuse));
        }
        if (nameSpaces)
        {
            // clone makes threads and processes, and name spaces with them: there a process has every capability. clone3 has its flags in memory,
            // where no filter sees them: it is not there, and libc takes clone.
            filter.Add(new Instruction(equal, 0, 1, 435));
            filter.Add(new Instruction(answer, 0, 0, absent));
            filter.Add(new Instruction(equal, 0, 4, arm ? 220u : 56u));
            filter.Add(new Instruction(load, 0, 0, FirstArgument));
            filter.Add(new Instruction(anyBit, 0, 1, NewNameSpaces));
            filter.Add(new Instruction(answer, 0, 0, refuse));
            filter.Add(new Instruction(answer, 0, 0, allow));
        }
        filter.Add(new Instruction(answer, 0, 0, allow));
        fixed (Instruction* instructions = filter.ToArray())
        {
            var program = new Program { Length = (ushort)filter.Count, Filter = instructions };
            var seccomp = arm ? 277 : 317;
            return Libc.syscall(seccomp, SetModeFilter, AllThreads, (nint)(&program), 0) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }
    }

    private readonly struct Instruction(ushort code, byte isTrue, byte isFalse, uint value)
    {
        public readonly ushort Code = code;
        public readonly byte True = isTrue;
        public readonly byte False = isFalse;
        public readonly uint Value = value;
    }

    private struct Program
    {
        public ushort Length;
        public Instruction* Filter;
    }
}
