namespace Facteur.Spool.Tests;

/// <summary>Keeps what the spool reported.</summary>
internal sealed class TestEvents : ISpoolEvents
{
    public List<string> Damages { get; } = [];

    public List<uint> Seals { get; } = [];

    public int Torns { get; private set; }

    public int Failures { get; private set; }

    public List<string> Reserve { get; } = [];

    void ISpoolEvents.Sealed(uint segment, long goodOffset, int errno) => Seals.Add(segment);

    public void Damage(ulong id, string place, string keptAs) => Damages.Add($"{id} {place} {keptAs}");

    public void Torn(uint segment, long from, long to) => Torns++;

    public void OnReserve() => Reserve.Add("on");

    public void OffReserve() => Reserve.Add("off");

    public void SlowCommit(TimeSpan duration)
    {
    }

    public void MaintenanceFailed(string what, int errno) => Failures++;

    public void Opened(long messages, long replayedBytes)
    {
    }
}
