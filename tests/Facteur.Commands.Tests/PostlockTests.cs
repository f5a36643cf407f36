namespace Facteur.Commands.Tests;

public sealed class PostlockTests
{
    private static TableCommandRun Run(TableDirectory directory, params string[] arguments) => TableCommandRun.Of(Postlock.Run, "postlock", directory.Path, "", arguments);

    [Fact]
    public void The_command_runs_while_the_mailbox_is_locked_and_its_status_is_ours()
    {
        using var directory = new TableDirectory();
        var box = directory.Write("box", "");
        Assert.Equal(7, Run(directory, box, "/bin/sh", "-c", $"test -e {box}.lock && exit 7").Status);
        Assert.False(File.Exists(box + ".lock"));
        // What -c names is the command's instance, too.
        using var other = new TableDirectory();
        Assert.Equal(0, Run(directory, "-c", other.Path, box, "/bin/sh", "-c", $"test \"$MAIL_CONFIG\" = {other.Path}").Status);
        Assert.Equal(3, Run(directory, "-l", "flock", box, "sh", "-c", $"test -e {box}.lock || exit 3").Status);
        Assert.Equal(1, Run(directory, box, "/bin/sh", "-c", "kill -9 $$").Status);
    }

    [Fact]
    public void One_that_is_locked_is_tried_and_left()
    {
        using var directory = new TableDirectory("deliver_lock_attempts = 2\ndeliver_lock_delay = 0\n");
        var box = directory.Write("box", "");
        directory.Write("box.lock", "");
        var run = Run(directory, box, "/bin/touch", box + ".ran");
        Assert.Equal(new TableCommandRun(75, "", $"postlock: fatal: unable to lock {box} for exclusive access after 2 attempts\n"), run);
        Assert.False(File.Exists(box + ".ran"));
    }

    [Theory]
    [InlineData("-l|wish|x|true", "unknown lock style: wish; expected fcntl, flock or dotlock")]
    [InlineData("/nonexistent/box|true", "open file /nonexistent/box: No such file or directory")]
    [InlineData("x", "usage: postlock [-c config_dir] [-l lock_style] [-v] folder command...")]
    public void Mistakes_are_told_with_status_75(string arguments, string error)
    {
        using var directory = new TableDirectory();
        Assert.Equal(new TableCommandRun(75, "", $"postlock: fatal: {error}\n"), Run(directory, arguments.Split('|')));
    }

    [Theory]
    [InlineData("no-such-program", "execvp no-such-program: No such file or directory")]
    [InlineData("/no/such/program", "execvp /no/such/program: No such file or directory")]
    [InlineData("/etc", "execvp /etc: Permission denied")]
    public void A_program_that_can_t_be_run_is_told_with_status_1(string program, string error)
    {
        using var directory = new TableDirectory();
        Assert.Equal(new TableCommandRun(1, "", $"postlock: fatal: {error}\n"), Run(directory, directory.Write("box", ""), program));
    }

    [Fact]
    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    public void A_mailbox_that_is_not_there_is_made_and_none_through_a_link()
    {
        using var directory = new TableDirectory();
        var box = Path.Combine(directory.Path, "new");
        Assert.Equal(5, Run(directory, box, "/bin/sh", "-c", "exit 5").Status);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(box));
        File.CreateSymbolicLink(box + ".link", box + ".target");
        Assert.Equal(new TableCommandRun(75, "", $"postlock: fatal: open file {box}.link: Too many levels of symbolic links\n"), Run(directory, box + ".link", "/bin/true"));
        Assert.False(File.Exists(box + ".target"));
    }
}
