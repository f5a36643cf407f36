using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>
/// libc, once: declarations and nothing else. Each call returns what libc returns; errno is <see cref="Marshal.GetLastPInvokeError"/>.
/// Delegates never cross (W^X). Linux on 64 bits.
/// </summary>
public static unsafe partial class Libc
{
    private const string C = "libc";

#pragma warning disable CS1591, SA1300 // Names and meanings are libc's: see the manual, section 2 and 3.
    public const int O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0x40, O_EXCL = 0x80, O_TRUNC = 0x200, O_APPEND = 0x400, O_NONBLOCK = 0x800;
    public const int O_DIRECTORY = 0x10000, O_NOFOLLOW = 0x20000, O_CLOEXEC = 0x80000, O_PATH = 0x200000;
    public const int LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8;
    public const int F_GETFD = 1, F_GETFL = 3, F_SETFL = 4, F_SETLK = 6, F_SETLKW = 7, F_OFD_SETLK = 37, F_OFD_SETLKW = 38;
    public const short F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2;
    public const uint SYNC_FILE_RANGE_WRITE = 2;
    public const int AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, AT_EMPTY_PATH = 0x1000, AT_REMOVEDIR = 0x200;
    public const int EPERM = 1, ENOENT = 2, EINTR = 4, EIO = 5, EAGAIN = 11, ENOMEM = 12, EACCES = 13, EEXIST = 17, ENOTDIR = 20, EISDIR = 21,
        EINVAL = 22, ENFILE = 23, EMFILE = 24, EFBIG = 27, ENOSPC = 28, EROFS = 30, EPIPE = 32, ENAMETOOLONG = 36, ELOOP = 40, EDQUOT = 122;
    public const uint S_IFMT = 0xF000, S_IFREG = 0x8000, S_IFDIR = 0x4000, S_IFLNK = 0xA000;
    public const long NFS_SUPER_MAGIC = 0x6969, EXT4_SUPER_MAGIC = 0xEF53, XFS_SUPER_MAGIC = 0x58465342, BTRFS_SUPER_MAGIC = 0x9123683E;
    public const int SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGKILL = 9, SIGPIPE = 13, SIGTERM = 15, SIGXFSZ = 25;
    public const int LOG_MAIL = 2 << 3;
    public const int MADV_DONTNEED = 4;
    public const int PR_SET_DUMPABLE = 4, PR_SET_NO_NEW_PRIVS = 38, PR_GET_NO_NEW_PRIVS = 39;
    public const ulong ST_NOSUID = 2;
    public const uint S_ISUID = 0x800, S_ISGID = 0x400;
    public const int F_DUPFD_CLOEXEC = 1030, F_SETFD = 2, FD_CLOEXEC = 1;
    public const int AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10, SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_SEQPACKET = 5, SOCK_NONBLOCK = 0x800, SOCK_CLOEXEC = 0x80000;
    public const int SOL_SOCKET = 1, SO_REUSEADDR = 2, SO_ERROR = 4, SO_SNDBUF = 7, SO_RCVBUF = 8, SO_LINGER = 13, SO_SNDBUFFORCE = 32, SO_RCVBUFFORCE = 33, IPPROTO_IPV6 = 41, IPV6_V6ONLY = 26;
    public const int MSG_PEEK = 2, MSG_CTRUNC = 8, MSG_TRUNC = 0x20, MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000, MSG_CMSG_CLOEXEC = 0x40000000, SCM_RIGHTS = 1, SHUT_RDWR = 2;
    public const int EINPROGRESS = 115, ESRCH = 3, EBADF = 9, ECHILD = 10, EADDRINUSE = 98, ESHUTDOWN = 108, ETIMEDOUT = 110, EMLINK = 31, ESTALE = 116, EPROTO = 71, ECONNRESET = 104, ENOBUFS = 105, ENOTCONN = 107;
    public const int WNOHANG = 1, SIGCHLD = 17, SIGUSR1 = 10;
    public const short POLLIN = 1, POLLOUT = 4, POLLERR = 8, POLLHUP = 16;
    public const int EFD_NONBLOCK = 0x800, EFD_CLOEXEC = 0x80000, MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2, F_ADD_SEALS = 1033;

    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int open(string path, int flags, uint mode);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int openat(int dir, string path, int flags, uint mode);
    [LibraryImport(C, SetLastError = true)] public static partial int close(int fd);
    [LibraryImport(C, SetLastError = true)] public static partial nint read(int fd, byte* buffer, nint count);
    [LibraryImport(C, SetLastError = true)] public static partial nint write(int fd, byte* buffer, nint count);
    [LibraryImport(C, SetLastError = true)] public static partial nint pread(int fd, byte* buffer, nint count, long offset);
    [LibraryImport(C, SetLastError = true)] public static partial nint pwrite(int fd, byte* buffer, nint count, long offset);
    [LibraryImport(C, SetLastError = true)] public static partial long lseek(int fd, long offset, int whence);
    [LibraryImport(C, SetLastError = true)] public static partial nint getdents64(int fd, byte* buffer, nint count);
    [LibraryImport(C, SetLastError = true)] public static partial int fsync(int fd);
    [LibraryImport(C, SetLastError = true)] public static partial int fdatasync(int fd);
    [LibraryImport(C, SetLastError = true)] public static partial int syncfs(int fd);
    [LibraryImport(C, SetLastError = true)] public static partial int sync_file_range(int fd, long offset, long count, uint flags);
    [LibraryImport(C, SetLastError = true)] public static partial int ftruncate(int fd, long length);
    [LibraryImport(C, SetLastError = true)] public static partial int posix_fallocate(int fd, long offset, long length);
    [LibraryImport(C, SetLastError = true)] public static partial int fchmod(int fd, uint mode);
    [LibraryImport(C, SetLastError = true)] public static partial int fchown(int fd, uint uid, uint gid);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int chmod(string path, uint mode);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int chown(string path, uint uid, uint gid);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int mkdir(string path, uint mode);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int rmdir(string path);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int link(string from, string to);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int rename(string from, string to);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int unlink(string path);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int mkfifo(string path, uint mode);
    [LibraryImport(C, SetLastError = true)] public static partial int fstat(int fd, Stat* stat);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int stat(string path, Stat* stat);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int lstat(string path, Stat* stat);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int fstatat(int dir, string path, Stat* stat, int flags);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int unlinkat(int dir, string path, int flags);
    [LibraryImport(C, SetLastError = true)] public static partial int fstatvfs(int fd, StatVfs* stat);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int statvfs(string path, StatVfs* stat);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int statfs(string path, StatFs* stat);
    [LibraryImport(C, SetLastError = true)] public static partial int fstatfs(int fd, StatFs* stat);
    [LibraryImport(C, SetLastError = true)] public static partial int flock(int fd, int operation);
    [LibraryImport(C, SetLastError = true)] public static partial int fcntl(int fd, int command, Flock* argument);
    [LibraryImport(C, SetLastError = true)] public static partial int fcntl(int fd, int command, int argument);
    [LibraryImport(C, SetLastError = true)] public static partial int dup2(int from, int to);
    [LibraryImport(C, SetLastError = true)] public static partial int dup3(int from, int to, int flags);
    [LibraryImport(C, SetLastError = true)] public static partial uint umask(uint mask);
    [LibraryImport(C, SetLastError = true)] public static partial int getpid();
    [LibraryImport(C, SetLastError = true)] public static partial uint getuid();
    [LibraryImport(C, SetLastError = true)] public static partial uint geteuid();
    [LibraryImport(C, SetLastError = true)] public static partial uint getgid();
    [LibraryImport(C, SetLastError = true)] public static partial uint getegid();
    [LibraryImport(C, SetLastError = true)] public static partial int kill(int pid, int signal);
    [LibraryImport(C, SetLastError = true)] public static partial nint signal(int signal, nint handler);
    [LibraryImport(C, SetLastError = true)] public static partial int setsid();
    [LibraryImport(C, StringMarshalling = StringMarshalling.Utf8)] public static partial int getpwnam_r(string name, Passwd* pwd, byte* buffer, nint length, Passwd** result);
    [LibraryImport(C)] public static partial int getpwuid_r(uint uid, Passwd* pwd, byte* buffer, nint length, Passwd** result);
    [LibraryImport(C, StringMarshalling = StringMarshalling.Utf8)] public static partial int getgrnam_r(string name, Group* grp, byte* buffer, nint length, Group** result);
    [LibraryImport(C, SetLastError = true)] public static partial nint syscall(nint number, nint a, nint b, nint c, nint d);
    [LibraryImport(C, SetLastError = true)] public static partial int madvise(nint start, nuint length, int advice);
    [LibraryImport(C, SetLastError = true)] public static partial int prctl(int option, nuint a, nuint b, nuint c, nuint d);
    [LibraryImport(C, SetLastError = true)] public static partial int setfsuid(uint uid);
    [LibraryImport(C, SetLastError = true)] public static partial int setfsgid(uint gid);
    [LibraryImport(C)] public static partial int getgrgid_r(uint gid, Group* grp, byte* buffer, nint length, Group** result);
    [LibraryImport(C)] public static partial int regcomp(nint regex, byte* pattern, int flags);
    [LibraryImport(C)] public static partial int regexec(nint regex, byte* text, nuint count, RegMatch* matches, int flags);
    [LibraryImport(C)] public static partial nuint regerror(int code, nint regex, byte* buffer, nuint size);
    [LibraryImport(C)] public static partial void regfree(nint regex);
    [LibraryImport(C, StringMarshalling = StringMarshalling.Utf8)] public static partial nint newlocale(int mask, string name, nint basis);
    [LibraryImport(C)] public static partial nint uselocale(nint locale);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial nint opendir(string path);
    [LibraryImport(C, SetLastError = true)] public static partial nint readdir(nint directory);
    [LibraryImport(C, SetLastError = true)] public static partial int closedir(nint directory);

    [LibraryImport(C, SetLastError = true)] public static partial int socket(int family, int type, int protocol);
    [LibraryImport(C, SetLastError = true)] public static partial int socketpair(int family, int type, int protocol, int* pair);
    [LibraryImport(C, SetLastError = true)] public static partial int bind(int fd, byte* address, int length);
    [LibraryImport(C, SetLastError = true)] public static partial int listen(int fd, int backlog);
    [LibraryImport(C, SetLastError = true)] public static partial int setsockopt(int fd, int level, int option, int* value, int length);
    [LibraryImport(C, SetLastError = true)] public static partial int shutdown(int fd, int how);
    [LibraryImport(C, SetLastError = true)] public static partial nint send(int fd, byte* buffer, nint count, int flags);
    [LibraryImport(C, SetLastError = true)] public static partial nint sendto(int fd, byte* buffer, nint count, int flags, byte* address, int length);
    [LibraryImport(C, SetLastError = true)] public static partial nint recv(int fd, byte* buffer, nint count, int flags);
    [LibraryImport(C, SetLastError = true)] public static partial nint sendmsg(int fd, MsgHdr* message, int flags);
    [LibraryImport(C, SetLastError = true)] public static partial nint recvmsg(int fd, MsgHdr* message, int flags);
    [LibraryImport(C, SetLastError = true)] public static partial int poll(PollFd* fds, ulong count, int timeout);
    [LibraryImport(C, SetLastError = true)] public static partial int eventfd(uint initial, int flags);
    [LibraryImport(C, SetLastError = true)] public static partial int pipe2(int* pair, int flags);
    [LibraryImport(C, SetLastError = true)] public static partial int waitpid(int pid, int* status, int options);
    [LibraryImport(C)] public static partial int posix_spawn(int* pid, byte* path, void* actions, void* attributes, byte** arguments, byte** environment);
    [LibraryImport(C)] public static partial int posix_spawn_file_actions_init(void* actions);
    [LibraryImport(C)] public static partial int posix_spawn_file_actions_adddup2(void* actions, int from, int to);
    [LibraryImport(C)] public static partial int posix_spawn_file_actions_addclosefrom_np(void* actions, int from);
    [LibraryImport(C, StringMarshalling = StringMarshalling.Utf8)] public static partial int posix_spawn_file_actions_addchdir_np(void* actions, string path);
    [LibraryImport(C)] public static partial int posix_spawn_file_actions_destroy(void* actions);
    [LibraryImport(C)] public static partial int posix_spawnattr_init(void* attributes);
    [LibraryImport(C)] public static partial int posix_spawnattr_setflags(void* attributes, short flags);
    [LibraryImport(C, SetLastError = true)] public static partial int prlimit(int pid, int resource, ulong* limit, ulong* old);
    [LibraryImport(C)] public static partial int posix_spawnattr_setsigdefault(void* attributes, ulong* set);
    [LibraryImport(C)] public static partial int posix_spawnattr_setsigmask(void* attributes, ulong* set);
    [LibraryImport(C)] public static partial int posix_spawnattr_destroy(void* attributes);
    [LibraryImport(C, SetLastError = true)] public static partial int execve(byte* path, byte** arguments, byte** environment);
    [LibraryImport(C, SetLastError = true)] public static partial int setgroups(nuint count, uint* groups);
    [LibraryImport(C, SetLastError = true)] public static partial int getgroups(int count, uint* groups);
    [LibraryImport(C, StringMarshalling = StringMarshalling.Utf8)] public static partial int getgrouplist(string user, uint gid, uint* groups, int* count);
    [LibraryImport(C, SetLastError = true)] public static partial int setresgid(uint real, uint effective, uint saved);
    [LibraryImport(C, SetLastError = true)] public static partial int setresuid(uint real, uint effective, uint saved);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int memfd_create(string name, uint flags);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int chdir(string path);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int chroot(string path);
    [LibraryImport(C, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] public static partial int lchown(string path, uint uid, uint gid);
    [LibraryImport(C)] public static partial void _exit(int status);
    [LibraryImport(C)] public static partial void openlog(byte* name, int options, int facility);
    [LibraryImport(C)] public static partial void syslog(int priority, byte* format, byte* text);

    [StructLayout(LayoutKind.Sequential)] public struct PollFd { public int Fd; public short Events, Returned; }
    [StructLayout(LayoutKind.Sequential)] public struct IoVec { public byte* Base; public nuint Length; }
    [StructLayout(LayoutKind.Sequential)] public struct MsgHdr { public void* Name; public uint NameLength; public IoVec* Parts; public nuint PartCount; public void* Control; public nuint ControlLength; public int Flags; }
    [StructLayout(LayoutKind.Sequential)] public struct Flock { public short Type, Whence; public long Start, Length; public int Pid; }
    [StructLayout(LayoutKind.Sequential)] public struct Passwd { public byte* Name, Password; public uint Uid, Gid; public byte* Gecos, Directory, Shell; }
    [StructLayout(LayoutKind.Sequential)] public struct Group { public byte* Name, Password; public uint Gid; public byte** Members; }
    [StructLayout(LayoutKind.Sequential)] public struct TimeSpec { public long Seconds, Nanoseconds; }
    [StructLayout(LayoutKind.Sequential)] public struct RegMatch { public int Start, End; }
    [StructLayout(LayoutKind.Sequential)]
    public struct StatVfs
    {
        public ulong BlockSize, FragmentSize, Blocks, FreeBlocks, AvailableBlocks, Files, FreeFiles, AvailableFiles, FileSystemId, Flags, NameMax;
        public fixed int Spare[6];
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct StatFs
    {
        public long Type, BlockSize;
        public ulong Blocks, FreeBlocks, AvailableBlocks, Files, FreeFiles;
        public fixed int FileSystemId[2];
        public long NameLength, FragmentSize, Flags;
        public fixed long Spare[4];
    }
#pragma warning restore CS1591, SA1300
}
