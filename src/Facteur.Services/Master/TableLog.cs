using Facteur.Contracts;
using Facteur.Tables;

namespace Facteur.Services.Master;

/// <summary>What tables have to say goes to the log of the service that asks them.</summary>
internal sealed class TableLog(ServiceLog log) : ITableEvents
{
    public void Info(string text) => log.Info(text);

    public void Warning(string text) => log.Warning(text);

    public void Error(string text) => log.Error(text);
}
