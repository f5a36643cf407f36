namespace Facteur.Commands.Tests;

/// <summary>postmulti(1), and postfix(1) where there are several instances.</summary>
public sealed class PostmultiTests : IDisposable
{
    private readonly string _top = Directory.CreateTempSubdirectory("facteur-postmulti-").FullName;
    private readonly List<string> _run = [];

    public PostmultiTests()
    {
        foreach (var name in (string[])["one", "two", "three"])
        {
            Directory.CreateDirectory($"{_top}/{name}");
            File.WriteAllText($"{_top}/{name}/main.cf", $"multi_instance_name = postfix-{name}\nmulti_instance_enable = {(name == "two" ? "no" : "yes")}\n{(name == "one" ? "" : "multi_instance_group = out\n")}");
            File.WriteAllText($"{_top}/{name}/master.cf", "smtp inet n - n - - smtpd\n");
        }
    }

    public void Dispose() => Directory.Delete(_top, recursive: true);

    private void Several() => File.AppendAllText($"{_top}/one/main.cf", $"multi_instance_directories = {_top}/two, {_top}/three\n");

    private (int Status, string Error, string Output) Run(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var status = Postmulti.Run(
            new CommandContext("postmulti", arguments, Stream.Null, output, error, TimeProvider.System, new Dictionary<string, string>()),
            (directory, words) =>
            {
                _run.Add($"{Path.GetFileName(directory)} {string.Join(' ', words)}");
                return words[0] == "fail" && directory.EndsWith("/two", StringComparison.Ordinal) ? 3 : 0;
            }, $"{_top}/one");
        return (status, error.ToString(), output.ToString().Replace(_top, "TOP", StringComparison.Ordinal));
    }

    [Fact]
    public void Instances_are_listed_as_Postfix_lists_them()
    {
        Assert.Equal((0, "", "postfix-one     -               y         TOP/one\n"), Run("-l"));
        Several();
        const string one = "postfix-one     -               y         TOP/one\n", two = "postfix-two     out             n         TOP/two\n", three = "postfix-three   out             y         TOP/three\n";
        Assert.Equal(one + two + three, Run("-l").Output);
        Assert.Equal(three + two + one, Run("-lR").Output);
        Assert.Equal(two + three, Run("-l", "-g", "out").Output);
        Assert.Equal(two, Run("-l", "-i", "postfix-two").Output);
        Assert.Equal(three, Run("-l", "-i", $"{_top}/three").Output);
        Assert.Equal(one, Run("-l", "-i", "-").Output);
        Assert.Equal((0, "", ""), Run("-l", "-i", "none"));
    }

    [Theory]
    [InlineData("start", "one start|two check|three start")]
    [InlineData("stop", "three stop|one stop")]
    [InlineData("reload", "one reload|three reload")]
    [InlineData("status -v", "one status -v|two status -v|three status -v")]
    public void What_is_not_enabled_is_left_alone(string command, string expected)
    {
        Several();
        Assert.Equal(0, Run(["-p", "--", .. command.Split(' ')]).Status);
        Assert.Equal(expected, string.Join('|', _run));
    }

    [Fact]
    public void All_are_done_and_a_failure_counts()
    {
        Several();
        Assert.Equal(1, Run("-p", "fail").Status);
        Assert.Equal(3, _run.Count);
        Assert.Equal((1, "postmulti: fatal: No matching instances\n", ""), Run("-p", "-i", "none", "status"));
    }

    [Fact]
    public void A_command_is_told_of_its_instance()
    {
        Several();
        var file = $"{_top}/out";
        Assert.Equal(1, Run("-x", "sh", "-c", $"echo $MAIL_CONFIG $config_directory $multi_instance_name >> {file}; test $multi_instance_name != postfix-two || exit 7").Status);
        Assert.Equal(string.Concat(((string[])["one", "two", "three"]).Select(n => $"{_top}/{n} {_top}/{n} postfix-{n}\n")), File.ReadAllText(file));
        Assert.Equal((1, "postmulti: fatal: execvp no-such-program: No such file or directory\n", ""), Run("-x", "-i", "-", "no-such-program"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("-p")]
    [InlineData("-l status")]
    [InlineData("-pR status")]
    [InlineData("-z")]
    public void What_makes_no_sense_is_refused(string arguments)
    {
        var (status, error, _) = Run(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(1, status);
        Assert.Contains("postmulti: fatal: Usage: postmulti -l", error, StringComparison.Ordinal);
    }
}
