using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Facteur.Unix;

namespace Facteur.Tables.Types;

/// <summary>
/// unix:passwd.byname and unix:group.byname: getpwnam(3) and getgrnam(3) on own threads. A name that was found is remembered for a few
/// seconds, for the recipient of one message is asked for several times; one that was not is asked anew, for its account may just have been made.
/// </summary>
internal sealed class UnixTable : ITable
{
    private const int MaxRemembered = 1024, FirstBuffer = 1024, LastBuffer = 1 << 20, ERANGE = 34;
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, (string Value, long At)> _found = new(StringComparer.Ordinal);
    private readonly TableSet _set;
    private readonly Func<string, Lookup> _find;

    private UnixTable(string name, TableSet set, Func<string, Lookup> find)
    {
        Name = name;
        _set = set;
        _find = find;
    }

    public string Name { get; }

    public bool IsPattern => false;

    public bool CanBlock => true;

    public static ITable Open(TableRequest request) => request.Argument switch
    {
        "passwd.byname" => new UnixTable(request.FullName, request.Set, FindUser),
        "group.byname" => new UnixTable(request.FullName, request.Set, FindGroup),
        _ => throw new TableException($"unknown table: {request.FullName}"),
    };

    public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel)
    {
        key = KeyFold.Fold(key, _set.Options);
        // libc would end the name at the NUL and find another one's entry.
        if (key.Length == 0 || key.Contains('\0'))
        {
            return new(Lookup.NotFound);
        }
        return _found.TryGetValue(key, out var known) && _set.Time.GetElapsedTime(known.At) < Fresh
            ? new(Lookup.Found(known.Value)) : AskAsync(key, cancel);
    }

    public void Dispose()
    {
        // Nothing is open.
    }

    private async ValueTask<Lookup> AskAsync(string key, CancellationToken cancel)
    {
        var lookup = await _set.Threads.RunAsync(_find, key, cancel).ConfigureAwait(false);
        if (lookup.Status == LookupStatus.Found)
        {
            if (_found.Count >= MaxRemembered)
            {
                _found.Clear();
            }
            _found[key] = (lookup.Value, _set.Time.GetTimestamp());
        }
        else
        {
            _found.TryRemove(key, out _);
        }
        return lookup;
    }

    private static unsafe Lookup FindUser(string name)
    {
        for (var size = FirstBuffer; ; size *= 4)
        {
            var buffer = new byte[size];
            fixed (byte* start = buffer)
            {
                Libc.Passwd entry;
                Libc.Passwd* result;
                var error = Libc.getpwnam_r(name, &entry, start, size, &result);
                if (error != ERANGE || size >= LastBuffer)
                {
                    return Answer(error, result is not null, result is null ? "" : UserText(entry));
                }
            }
        }
    }

    private static unsafe Lookup FindGroup(string name)
    {
        for (var size = FirstBuffer; ; size *= 4)
        {
            var buffer = new byte[size];
            fixed (byte* start = buffer)
            {
                Libc.Group entry;
                Libc.Group* result;
                var error = Libc.getgrnam_r(name, &entry, start, size, &result);
                if (error != ERANGE || size >= LastBuffer)
                {
                    return Answer(error, result is not null, result is null ? "" : GroupText(entry));
                }
            }
        }
    }

    private static unsafe string UserText(in Libc.Passwd entry) =>
        string.Create(CultureInfo.InvariantCulture,
            $"{Text(entry.Name)}:{Text(entry.Password)}:{entry.Uid}:{entry.Gid}:{Text(entry.Gecos)}:{Text(entry.Directory)}:{Text(entry.Shell)}");

    private static unsafe string GroupText(in Libc.Group entry)
    {
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"{Text(entry.Name)}:{Text(entry.Password)}:{entry.Gid}:");
        for (var member = entry.Members; *member is not null; member++)
        {
            text.Append(member == entry.Members ? "" : ",").Append(Text(*member));
        }
        return text.ToString();
    }

    // getpwnam(3): some systems answer "no such name" with one of these errors.
    private static Lookup Answer(int error, bool found, string value) =>
        found ? Lookup.Found(value)
            : error is 0 or Libc.ENOENT or 3 or 9 or Libc.EPERM ? Lookup.NotFound
            : Lookup.Error(Marshal.GetPInvokeErrorMessage(error));

    private static unsafe string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";
}
