using System.Globalization;

namespace Facteur.Mail.Headers;

/// <summary>Writes dates as mail headers have them (RFC 5322 3.3), with the zone's name as a comment.</summary>
public static class MailDate
{
    /// <summary>Such as "Sun, 22 Nov 2026 13:26:24 +0000 (UTC)".</summary>
    /// <param name="time">The instant.</param>
    /// <param name="zone">The zone to write it in.</param>
    public static string Format(DateTimeOffset time, TimeZoneInfo zone)
    {
        var local = TimeZoneInfo.ConvertTime(time, zone);
        var offset = local.Offset;
        var name = zone.BaseUtcOffset == TimeSpan.Zero && !zone.SupportsDaylightSavingTime ? "UTC"
            : zone.IsDaylightSavingTime(local) ? zone.DaylightName : zone.StandardName;
        var comment = name.Length is > 0 and <= 6 && name.All(char.IsAsciiLetterOrDigit) ? $" ({name})" : "";
        return string.Create(CultureInfo.InvariantCulture,
            $"{local:ddd, d MMM yyyy HH:mm:ss} {(offset < TimeSpan.Zero ? '-' : '+')}{Math.Abs(offset.Hours):00}{Math.Abs(offset.Minutes):00}{comment}");
    }
}
