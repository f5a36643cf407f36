using Facteur.Contracts;

namespace Facteur.Services.Receive.Smtpd.Proxy;

/// <summary>A message for the filter, where otherwise cleanup takes it.</summary>
internal interface IProxyMessage : ICleanupMessage
{
    /// <summary>Says a command of the client.</summary>
    /// <param name="command">Without line end.</param>
    /// <returns>The reply for the client, its lines separated by CR LF.</returns>
    ValueTask<string> AskAsync(string command);

    /// <summary>DATA, once.</summary>
    /// <returns>Null when content may come, else the reply for the client.</returns>
    ValueTask<string?> BeginDataAsync();

    /// <summary>The end of the content.</summary>
    /// <returns>The filter's reply.</returns>
    ValueTask<string> EndDataAsync();
}
