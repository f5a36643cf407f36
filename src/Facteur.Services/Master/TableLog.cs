using Facteur.Contracts;
using Facteur.Tables;

namespace Facteur.Services.Master;

/// <summary>What tables have to say goes to the log of the service that asks them. What two sets find wrong with the same file is said once.</summary>
internal sealed class TableLog(ServiceLog log, TimeProvider time) : ITableEvents
{
    private const int KeepLimit = 1000;
    private static readonly TimeSpan KeepTime = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _said = new(StringComparer.Ordinal);

    public void Info(string text) => log.Info(text);

    public void Warning(string text)
    {
        if (IsNew(text))
        {
            log.Warning(text);
        }
    }

    public void Error(string text)
    {
        if (IsNew(text))
        {
            log.Error(text);
        }
    }

    private bool IsNew(string text)
    {
        var now = time.GetTimestamp();
        lock (_lock)
        {
            if (_said.TryGetValue(text, out var at) && time.GetElapsedTime(at, now) < KeepTime)
            {
                return false;
            }
            if (_said.Count >= KeepLimit)
            {
                _said.Clear();
            }
            _said[text] = now;
            return true;
        }
    }
}
