namespace Facteur.Net.Dns;

/// <summary>The value of a small file, read again when the file changed; looked at no more than once a second.</summary>
internal sealed class WatchedFile<T>(string path, Func<string, T> parse, TimeProvider time)
    where T : class
{
    private const long SizeLimit = 16 * 1024 * 1024;

    private readonly Lock _gate = new();
    private T? _value;
    private DateTime _written;
    private long _next;

    internal T Value
    {
        get
        {
            lock (_gate)
            {
                var now = time.GetTimestamp();
                if (_value is null || now >= _next)
                {
                    _next = now + time.TimestampFrequency;
                    Refresh();
                }
                return _value!;
            }
        }
    }

    private void Refresh()
    {
        try
        {
            var file = new FileInfo(path);
            var written = file.Exists && file.Length <= SizeLimit ? file.LastWriteTimeUtc : DateTime.MinValue;
            if (_value is null || written != _written)
            {
                _value = parse(written == DateTime.MinValue ? "" : File.ReadAllText(path));
                _written = written;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A file that can't be read now keeps its last value.
            _value ??= parse("");
        }
    }
}
