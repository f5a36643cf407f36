using Facteur.System.Tests.Parts;
using Facteur.Unix;

namespace Facteur.System.Tests;

/// <summary>local(8) in a running system: commands of several users.</summary>
public sealed class LocalTests
{
    [Fact]
    public void Users_are_served_side_by_side_and_each_at_most_twice_at_once()
    {
        if (Libc.geteuid() != 0)
        {
            Assert.Skip("needs root: commands of several users");
        }
        var directory = Directory.CreateTempSubdirectory("facteur-local-").FullName;
        try
        {
            Assert.Equal(0, Libc.chmod(directory, 0x1FF));
            using var mail = Instance.Started($"mydestination = local.test\nlocal_recipient_maps =\nmailbox_command = echo $USER + >>{directory}/all; sleep 0.7; echo $USER - >>{directory}/all; exit 0\nprepend_delivered_header =");
            File.WriteAllText($"{directory}/all", "");
            Assert.Equal(0, Libc.chmod($"{directory}/all", 0x1B6));
            for (var i = 0; i < 6; i++)
            {
                Client.Send(mail.Smtp, "s@box.test", "daemon@local.test", $"Subject: {i}\n\nx\n");
            }
            Client.Send(mail.Smtp, "s@box.test", "bin@local.test", "Subject: other\n\nx\n");
            string[] lines = [];
            Poll.Until(() => (lines = File.ReadAllLines($"{directory}/all")).Length == 14, () => mail.Log);
            var (running, most) = (0, 0);
            foreach (var line in lines.Where(l => l.StartsWith("daemon", StringComparison.Ordinal)))
            {
                most = Math.Max(most, running += line.EndsWith('+') ? 1 : -1);
            }
            Assert.Equal(2, most);
            Assert.True(Array.IndexOf(lines, "bin +") < Array.LastIndexOf(lines, "daemon +"), string.Join('\n', lines));
            Poll.Until(() => mail.Run("postqueue", "-p").Fine() == "Mail queue is empty\n", () => mail.Log);
            mail.Verify();
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
