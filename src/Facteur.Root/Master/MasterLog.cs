using System.Globalization;
using System.Text;
using Facteur.Unix;

namespace Facteur.Root.Master;

/// <summary>Master's few lines: to postlogd, as the roles send theirs, or to syslog. Never waited for.</summary>
internal sealed unsafe class MasterLog(TextWriter error)
{
    /// <summary>What openlog(3) was given: it keeps the pointer.</summary>
    private static readonly byte[] Name = GC.AllocateUninitializedArray<byte>(256, pinned: true);

    private string _host = "localhost";
    private string _tag = "postfix/master";
    private int _socket = -1;
    private bool _open;

    /// <summary>Lines go to the log from now on.</summary>
    /// <param name="socket">postlogd's, or -1 for syslog.</param>
    /// <param name="log">Host and syslog_name of lines.</param>
    public void Open(int socket, (string Host, string Tag) log)
    {
        (_socket, _host, _tag, _open) = (socket, log.Host, $"{log.Tag}/master", true);
        if (socket < 0)
        {
            Name[Encoding.UTF8.GetBytes(_tag.AsSpan(0, Math.Min(_tag.Length, 80)), Name)] = 0;
            fixed (byte* name = Name)
            {
                const int withPid = 1;
                Libc.openlog(name, withPid, Libc.LOG_MAIL);
            }
        }
    }

    public void Info(string text) => Write(6, text);

    public void Warning(string text) => Write(4, $"warning: {text}");

    public void Error(string text) => Write(3, $"error: {text}");

    public void Fatal(string text) => Write(2, $"fatal: {text}");

    private void Write(int priority, string text)
    {
        // What comes from a file or a role stays one line.
        text = string.Concat(text.Select(c => char.IsControl(c) ? '?' : c));
        if (!_open)
        {
            error.WriteLine($"{_tag}: {text}");
            return;
        }
        if (_socket < 0)
        {
            var bytes = Encoding.UTF8.GetBytes(text + "\0");
            fixed (byte* line = bytes)
            fixed (byte* format = "%s\0"u8)
            {
                Libc.syslog(priority, format, line);
            }
            return;
        }
        var now = TimeProvider.System.GetLocalNow();
        var stamp = now.ToString("MMM ", CultureInfo.InvariantCulture) + now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2) + now.ToString(" HH:mm:ss", CultureInfo.InvariantCulture);
        var whole = Encoding.UTF8.GetBytes($"{TimeProvider.System.GetTimestamp():x16}{stamp} {_host} {_tag}[{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}]: {text}\n");
        fixed (byte* line = whole)
        {
            _ = Libc.send(_socket, line, whole.Length, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
        }
    }
}
