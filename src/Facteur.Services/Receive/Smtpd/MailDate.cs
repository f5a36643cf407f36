using System.Globalization;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>Dates of message headers (RFC 5322 3.3) with the zone's name, as Postfix writes them; the text of a second is made once.</summary>
internal sealed class MailDate(TimeProvider time)
{
    private (long Second, string Text) _last = (long.MinValue, "");
    private readonly Lock _lock = new();

    public string Text(DateTimeOffset moment)
    {
        var second = moment.ToUnixTimeSeconds();
        lock (_lock)
        {
            if (_last.Second != second)
            {
                _last = (second, Make(moment));
            }
            return _last.Text;
        }
    }

    private string Make(DateTimeOffset moment)
    {
        var zone = time.LocalTimeZone;
        var local = TimeZoneInfo.ConvertTime(moment, zone);
        var offset = local.Offset;
        var date = local.ToString("ddd, d MMM yyyy HH:mm:ss", CultureInfo.InvariantCulture);
        var name = offset == TimeSpan.Zero && zone.BaseUtcOffset == TimeSpan.Zero && !zone.SupportsDaylightSavingTime ? "UTC"
            : zone.IsDaylightSavingTime(local) ? zone.DaylightName : zone.StandardName;
        var comment = name.Length is > 0 and <= 5 && !name.AsSpan().ContainsAnyExceptInRange('A', 'Z') ? $" ({name})" : "";
        return $"{date} {(offset < TimeSpan.Zero ? '-' : '+')}{offset:hhmm}{comment}";
    }
}
