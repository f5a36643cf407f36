using Facteur.Services.Deliver;
using Facteur.Unix;

namespace Facteur.Services.Tests.Deliver.Local;

/// <summary>local's parent as a process, and hands that ask it. Its end is the parent's, and the helpers'.</summary>
internal sealed class ParentProcess : IDisposable
{
    private readonly DescriptorSocket _control;
    private UserHands? _hands;

    public ParentProcess(string mailOwner = "games", int limit = 64, params string[] spools)
        : this(mailOwner, limit, spools, [])
    {
    }

    /// <param name="mailOwner">mail_owner.</param>
    /// <param name="limit">Most helpers.</param>
    /// <param name="spools">Directories of mailboxes.</param>
    /// <param name="pipes">"user[:group] TAB chroot" of pipe services.</param>
    /// <param name="build">The build that its helpers must be of; null for their own.</param>
    public ParentProcess(string mailOwner, int limit, IEnumerable<string> spools, IEnumerable<string> pipes, string? build = null)
    {
        var control = DescriptorSocket.Pair(out _)!.Value;
        _control = control.Ours;
        var requests = DescriptorSocket.Pair(out _)!.Value;
        var nothing = Libc.open("/dev/null", Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        var program = HelperProgram.Beside(AppContext.BaseDirectory);
        string[] arguments =
        [
            "facteur", "local-parent", "--control", "3", "--requests", "4", "--refuse-user", mailOwner, "--virtual-minimum-uid", "100", "--default-privs", "nobody",
            .. spools.SelectMany(s => new[] { "--mail-spool", s }), .. pipes.SelectMany(p => new[] { "--pipe", p }), "--helper", program.Path, .. program.Arguments.Skip(1).Select(a => a == BuildId.Value ? build ?? a : a).SelectMany(a => new[] { "--helper", a }),
            "--helper-limit", limit.ToString(),
        ];
        Assert.Equal(0, ChildProcess.Start(program.Path, arguments, HelperProgram.Environment, [nothing, nothing, 2, control.Theirs, requests.Theirs], out var pid));
        Pid = pid;
        _ = Libc.close(control.Theirs);
        _ = Libc.close(requests.Theirs);
        _ = Libc.close(nothing);
        Requests = requests.Ours;
    }

    public int Pid { get; }

    public DescriptorSocket Requests { get; }

    /// <summary>From the first use on the answers are theirs.</summary>
    public UserHands Hands
    {
        get
        {
            if (_hands is null)
            {
                _hands = UserHands.ByParent();
                _hands.Attach(Requests);
            }
            return _hands;
        }
    }

    /// <summary>Processes whose parent it is.</summary>
    public IReadOnlyList<int> Helpers =>
    [
        .. Directory.GetDirectories("/proc").Select(Path.GetFileName).Where(n => int.TryParse(n, out _)).Select(n => int.Parse(n!)).Where(p => Status(p, "PPid") == Pid),
    ];

    /// <summary>A number of /proc/PID/status, the first after its name; -1 when there is no such process.</summary>
    public static int Status(int pid, string name)
    {
        try
        {
            var line = File.ReadLines($"/proc/{pid}/status").First(l => l.StartsWith(name + ":", StringComparison.Ordinal));
            return int.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1]);
        }
        catch (IOException)
        {
            return -1;
        }
    }

    /// <summary>Waits for a fact of the system.</summary>
    public static void Until(Func<bool> fact)
    {
        for (var i = 0; i < 1000; i++)
        {
            if (fact())
            {
                return;
            }
            Thread.Sleep(10);
        }
        Assert.Fail("it did not become true in 10 seconds");
    }

    /// <summary>Closes the control descriptor: the parent's end.</summary>
    public void End() => _control.Dispose();

    public void Dispose()
    {
        End();
        _hands?.Dispose();
        Requests.Dispose();
        Until(() => ChildProcess.HasEnded(Pid, out _));
    }
}
