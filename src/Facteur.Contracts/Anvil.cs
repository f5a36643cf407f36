namespace Facteur.Contracts;

/// <summary>The arrow smtpd → anvil: what a client did lately. Counts are over anvil_rate_time_unit; calls never wait.</summary>
public interface IAnvil
{
    /// <summary>A connection begins.</summary>
    /// <param name="client">Service and client, "smtp:192.0.2.1"; clients of one prefix share a name.</param>
    /// <returns>Connections open now and connections made in the time unit, this one included.</returns>
    AnvilConnections Connect(string client);

    /// <summary>A connection ended.</summary>
    void Disconnect(string client);

    /// <summary>A message begins.</summary>
    /// <returns>Messages in the time unit, this one included.</returns>
    int Mail(string client);

    /// <summary>A recipient was named.</summary>
    /// <returns>Recipients in the time unit, this one included.</returns>
    int Recipient(string client);
}

/// <summary>The connections of one client.</summary>
/// <param name="Count">Open now.</param>
/// <param name="Rate">Made in the time unit.</param>
public readonly record struct AnvilConnections(int Count, int Rate);
