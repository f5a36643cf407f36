using System.Text;
using Facteur.Unix;

namespace Facteur.Root.Master;

/// <summary>One role: its process of the moment, and when the next one may start.</summary>
internal sealed class RoleSlot(string name) : IDisposable
{
    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(0.1);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);

    /// <summary>A process that served and lived as long as this did not fail at its start.</summary>
    private static readonly TimeSpan Healthy = TimeSpan.FromSeconds(1);

    private TimeSpan _wait;
    private long _startedAt;

    public string Name { get; } = name;

    /// <summary>The process, -1 when there is none.</summary>
    public int Pid { get; private set; } = -1;

    /// <summary>What is said to it and by it.</summary>
    public DescriptorSocket? Control { get; private set; }

    /// <summary>It serves.</summary>
    public bool Ready { get; set; }

    /// <summary>It is to end, and is not started again.</summary>
    public bool Ending { get; set; }

    /// <summary>It was told to end, for another to be started in its place.</summary>
    public bool Replaced { get; set; }

    /// <summary>It says that it is of another build than we are, and ends.</summary>
    public bool Foreign { get; set; }

    /// <summary>A timestamp: not to be started before.</summary>
    public long NotBefore { get; private set; }

    /// <summary>Why it says it failed.</summary>
    public string? Failure { get; set; }

    /// <summary>It was started.</summary>
    public void Started(int pid, DescriptorSocket control, TimeProvider time)
    {
        (Pid, Control, Ready, Failure, Replaced, Foreign) = (pid, control, false, null, false, false);
        _startedAt = time.GetTimestamp();
    }

    /// <summary>It ended: the next one starts at once after a long life, else after 0.1 … 5 s.</summary>
    public void Ended(TimeProvider time)
    {
        Pid = -1;
        Control?.Dispose();
        Control = null;
        Failed(time);
        Ready = false;
    }

    /// <summary>It could not be started, or ended.</summary>
    public void Failed(TimeProvider time)
    {
        var now = time.GetTimestamp();
        var healthy = Ready && time.GetElapsedTime(_startedAt, now) >= Healthy;
        var wait = healthy ? TimeSpan.Zero : _wait;
        _wait = healthy || _wait == TimeSpan.Zero ? FirstWait : _wait * 2 > LongestWait ? LongestWait : _wait * 2;
        NotBefore = now + (long)(wait.TotalSeconds * time.TimestampFrequency);
    }

    /// <summary>Says something to it, with a descriptor or -1. It is not waited for: one that does not read would lack what it is given, and is killed, to begin anew.</summary>
    public void Say(char what, string text = "", int descriptor = -1)
    {
        if (Control?.Send(Encoding.UTF8.GetBytes(what + text), descriptor) is Libc.EAGAIN or Libc.ENOBUFS && Pid > 0)
        {
            _ = Libc.kill(Pid, Libc.SIGKILL);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Control?.Dispose();
}
