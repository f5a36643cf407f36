using Facteur.Contracts;

namespace Facteur.Services.Report.Bounce;

/// <summary>The three entries of master.cf that bounce(8) has: each makes its own reports, with its own -o.</summary>
/// <param name="bounce">Failures, and notices of damaged mail.</param>
/// <param name="defer">Warnings of delays, and that they are over.</param>
/// <param name="trace">What was asked for: deliveries and probes.</param>
public sealed class BounceServices(IBounce bounce, IBounce defer, IBounce trace) : IBounce
{
    /// <inheritdoc/>
    public ValueTask<ReportResult> ReportAsync(ReportRequest request, CancellationToken cancel) => (request.Kind switch
    {
        ReportKind.Delay => defer,
        ReportKind.Success or ReportKind.Verify => trace,
        _ => bounce,
    }).ReportAsync(request, cancel);
}
