using Facteur.Unix;

namespace Facteur.Commands.Tests;

/// <summary>postmulti -e. The words are those of Postfix 3.7, which was asked the same.</summary>
public sealed class PostmultiEditTests : IDisposable
{
    private readonly string _top = Directory.CreateTempSubdirectory("facteur-postmulti-").FullName;
    private readonly List<string> _run = [];

    public PostmultiEditTests()
    {
        Directory.CreateDirectory($"{_top}/etc/postfix");
        File.WriteAllText($"{_top}/etc/postfix/main.cf", $"""
            # Of its administrator.
            queue_directory = {_top}/spool/postfix
            data_directory = {_top}/lib/postfix
            meta_directory = {_top}/etc/postfix
            mail_owner = {Environment.UserName}
            alternate_config_directories = /x/alt {_top}/etc/postfix-old

            """);
        File.WriteAllText($"{_top}/etc/postfix/master.cf", "smtp inet n - n - - smtpd\n");
    }

    public void Dispose() => Directory.Delete(_top, recursive: true);

    /// <summary>What it says, and its status where that is not 0.</summary>
    private string Run(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var status = Postmulti.Run(
            new CommandContext("postmulti", [.. arguments.Select(a => a.Replace("TOP", _top, StringComparison.Ordinal))], Stream.Null, output, error, TimeProvider.System, new Dictionary<string, string>()),
            (directory, words) =>
            {
                _run.Add($"{Path.GetFileName(directory)} {string.Join(' ', words)}");
                return 0;
            }, $"{_top}/etc/postfix");
        return $"{output}{error}".Replace(_top, "TOP", StringComparison.Ordinal).Replace("postmulti: ", "", StringComparison.Ordinal) + (status == 0 ? "" : status == 1 ? "1" : $"status {status}");
    }

    private void Fine(string arguments) => Assert.Equal("", Run(arguments.Split(' ')));

    private string[] Listed() => [.. Run("-l").Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(l => string.Join(' ', l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Replace("TOP/etc/", "", StringComparison.Ordinal))];

    private string Primary(string name) => File.ReadAllLines($"{_top}/etc/postfix/main.cf").Single(l => l.StartsWith(name + " =", StringComparison.Ordinal)).Replace(_top, "TOP", StringComparison.Ordinal);

    private string[] Set(string instance) =>
        [.. File.ReadAllLines($"{_top}/etc/{instance}/main.cf").Where(l => l.Length > 0 && !l.StartsWith('#')).Select(l => l.Replace(_top, "TOP", StringComparison.Ordinal))];

    [Theory]
    [InlineData("-e bogus", "Invalid '-e' edit action 'bogus'. Specify 'create', 'destroy', 'import', 'deport', 'enable', 'disable', 'assign' or 'init'")]
    [InlineData("-e init -I x", "Cannot assign instance name or group with '-e init'")]
    [InlineData("-I postfix-a -l", "Cannot assign instance name or group without '-e assign'")]
    [InlineData("-e create -I a", "New instance name must start with 'postfix-'")]
    [InlineData("-e create -I postfix-a/b", "Illegal '/' character in new instance name: 'postfix-a/b'")]
    [InlineData("-e create -I postfix-a;b", "Unsafe characters in new instance name: 'postfix-a;b'")]
    [InlineData("-e create -I postfix-a -G g;h", "Unsafe characters in '-G g;h'")]
    [InlineData("-e create", "Missing config_directory parameter value")]
    [InlineData("-e create config_directory=TOP/etc/n", "Missing queue_directory parameter value")]
    [InlineData("-e create config_directory=TOP/etc/n queue_directory=TOP/q", "Missing data_directory parameter value")]
    [InlineData("-e create config_directory=TOP/etc/n queue_directory=TOP/q data_directory=TOP/d foo=bar", "Parameter 'foo' not valid with action create")]
    [InlineData("-e create config_directory=TOP/etc/n queue_directory=rel data_directory=TOP/d", "Parameter setting 'queue_directory' is not an absolute path")]
    [InlineData("-e create config_directory=TOP/etc/n queue_directory=/ data_directory=TOP/d", "Parameter setting 'queue_directory' is the root directory")]
    [InlineData("-e create config_directory=TOP/etc/n,m queue_directory=TOP/q data_directory=TOP/d", "Unsafe characters in 'config_directory=TOP/etc/n,m'")]
    [InlineData("-e create config_directory=TOP/etc/n queue_directory=TOP/spool/postfix/ data_directory=TOP/d",
        "instance TOP/etc/n, queue_directory=TOP/spool/postfix conflicts with instance TOP/etc/postfix, queue_directory=TOP/spool/postfix")]
    [InlineData("-e create config_directory=TOP/etc/postfix", "new config_directory=TOP/etc/postfix is already in use by instance TOP/etc/postfix, config_directory=TOP/etc/postfix")]
    [InlineData("-e create config_directory=TOP/etc/n queue_directory", "Malformed parameter setting 'queue_directory'")]
    [InlineData("-e create =x", "Malformed parameter setting '=x'")]
    [InlineData("-e create -i nosuch -I postfix-e", "No matching secondary instances")]
    [InlineData("-e create -g nosuch -I postfix-e", "No matching secondary instances")]
    [InlineData("-e import config_directory=TOP/etc/n queue_directory=TOP/q", "Parameter 'queue_directory' not valid with action import")]
    [InlineData("-e import -I postfix-zz", "open TOP/etc/postfix-zz/main.cf: No such file or directory")]
    [InlineData("-e enable", "Select an instance via '-i name'")]
    [InlineData("-e enable -i nosuch", "No instance named nosuch")]
    [InlineData("-e assign -i -", "Specify new instance name or group with '-e assign'")]
    [InlineData("-e disable -i - queue_directory=/x", "Parameter overrides not valid with '-e disable'")]
    [InlineData("-e destroy -i -", "Cannot remove the primary instance")]
    [InlineData("-e deport -i -", "Cannot remove the primary instance")]
    [InlineData("-e init x=y", "Parameter overrides not valid with '-e init'")]
    [InlineData("-l -e init", "Specify exactly one of '-e', '-l', '-p', '-x'")]
    public void What_makes_no_sense_is_refused(string arguments, string expected)
    {
        Fine("-e init");
        var before = File.ReadAllText($"{_top}/etc/postfix/main.cf");
        Assert.Equal($"fatal: {expected}\n1", Run(arguments.Split(' ')));
        Assert.Equal(before, File.ReadAllText($"{_top}/etc/postfix/main.cf"));
        Assert.Equal([$"{_top}/etc"], Directory.GetDirectories(_top));
        Assert.Equal([$"{_top}/etc/postfix"], Directory.GetDirectories($"{_top}/etc"));
    }

    [Fact]
    public void Before_all_comes_init()
    {
        Assert.Equal("fatal: multi_instance_wrapper is empty, run 'postmulti -e init' first.\n1", Run("-e", "create", "-I", "postfix-a"));
        Fine("-e init");
        Assert.Equal("multi_instance_wrapper = ${command_directory}/postmulti -p --", Primary("multi_instance_wrapper"));
        Assert.Equal("multi_instance_enable = yes", Primary("multi_instance_enable"));
        Assert.StartsWith("# Of its administrator.\n", File.ReadAllText($"{_top}/etc/postfix/main.cf"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_new_instance_listens_nowhere_and_belongs_to_the_others()
    {
        Fine("-e init");
        Fine("-e create -I postfix-a -G grp");
        Assert.Equal(["postfix-a grp n postfix-a"], Listed());
        Assert.Equal("multi_instance_directories = TOP/etc/postfix-a", Primary("multi_instance_directories"));
        Assert.Equal(["postfix-a set-permissions"], _run);
        string[] expected =
        [
            "authorized_submit_users =", "data_directory = TOP/lib/postfix-a", $"mail_owner = {Environment.UserName}", "master_service_disable = inet", "meta_directory = TOP/etc/postfix",
            "multi_instance_group = grp", "multi_instance_name = postfix-a", "queue_directory = TOP/spool/postfix-a",
        ];
        Assert.Equal(expected, Set("postfix-a").Select(l => l.TrimEnd()).Intersect(expected).Order(StringComparer.Ordinal));
        // What the primary instance does not set is as shipped.
        Assert.Contains("#setgid_group = postdrop", File.ReadAllLines($"{_top}/etc/postfix-a/main.cf"));
        Assert.True(Directory.Exists($"{_top}/spool/postfix-a") && !Directory.Exists($"{_top}/etc/postfix-a/.tmp"));
        Assert.Equal(0, UnixFile.Status($"{_top}/lib/postfix-a", followLinks: false, out var status));
        Assert.Equal(0x1C0u, status.Mode & 0xFFF);
        Assert.Contains("smtpd", File.ReadAllText($"{_top}/etc/postfix-a/master.cf"), StringComparison.Ordinal);
        Assert.Equal("fatal: new config_directory=TOP/etc/postfix-a is already in use by instance TOP/etc/postfix-a, config_directory=TOP/etc/postfix-a\n1", Run("-e", "create", "-I", "postfix-a"));
    }

    [Theory]
    [InlineData("main.cf", "master.cf")]
    [InlineData("master.cf", "main.cf")]
    public void Half_an_instance_is_not_written_over(string there, string missing)
    {
        Fine("-e init");
        Directory.CreateDirectory($"{_top}/etc/postfix-h");
        File.WriteAllText($"{_top}/etc/postfix-h/{there}", "# mine\n");
        Assert.Equal($"fatal: open TOP/etc/postfix-h/{missing}: No such file or directory\n1", Run("-e", "create", "-I", "postfix-h"));
        Assert.Equal("# mine\n", File.ReadAllText($"{_top}/etc/postfix-h/{there}"));
        Assert.Empty(Listed());
    }

    [Fact]
    public void Prototypes_come_before_what_is_built_in()
    {
        File.WriteAllText($"{_top}/etc/postfix/main.cf.proto", "# mine\nsendmail_path =\n");
        File.WriteAllText($"{_top}/etc/postfix/master.cf.proto", "9 inet n - n - - smtpd\n");
        Fine("-e init");
        Fine("-e create -I postfix-a");
        Assert.StartsWith("# mine\n#sendmail_path =\n", File.ReadAllText($"{_top}/etc/postfix-a/main.cf"), StringComparison.Ordinal);
        Assert.Equal("9 inet n - n - - smtpd\n", File.ReadAllText($"{_top}/etc/postfix-a/master.cf"));
    }

    [Fact]
    public void The_place_in_the_list_can_be_chosen()
    {
        Fine("-e init");
        Fine("-e create -I postfix-a -G grp");
        Fine("-e create -i postfix-a config_directory=TOP/etc/postfix-n queue_directory=TOP/spool/qn data_directory=TOP/lib/dn");
        Fine("-e create -g grp -I postfix-c");
        Fine("-e create -a -I postfix-d");
        Fine("-e create -I postfix-z");
        Assert.Equal(["postfix-d - n postfix-d", "- - n postfix-n", "postfix-c - n postfix-c", "postfix-a grp n postfix-a", "postfix-z - n postfix-z"], Listed());
    }

    [Fact]
    public void Instances_get_names_and_groups_and_are_enabled()
    {
        Fine("-e init");
        Fine("-e create -I postfix-a -G grp");
        Fine("-e create -I postfix-c");
        Fine("-e enable -i postfix-a");
        Fine("-e assign -i postfix-a -I - -G -");
        Assert.Equal("- - y postfix-a", Listed()[0]);
        Fine($"-e assign -i {_top}/etc/postfix-a -I postfix-b -G g2");
        Assert.Equal("postfix-b g2 y postfix-a", Listed()[0]);
        Assert.Equal(
            "fatal: instance TOP/etc/postfix-a, multi_instance_name=postfix-c conflicts with instance TOP/etc/postfix-c, multi_instance_name=postfix-c\n1",
            Run("-e", "assign", "-i", "postfix-b", "-I", "postfix-c"));
        foreach (var action in (string[])["destroy", "deport"])
        {
            Assert.Equal("fatal: Cannot remove enabled instances\n1", Run("-e", action, "-i", "postfix-b"));
        }
        Fine("-e disable -i postfix-b");
        Assert.Equal("postfix-b g2 n postfix-a", Listed()[0]);
    }

    [Fact]
    public void An_instance_leaves_the_others_and_comes_back()
    {
        Fine("-e init");
        Fine("-e create -I postfix-a");
        Fine("-e create -I postfix-c");
        Fine("-e deport -i postfix-a");
        Assert.Equal(["postfix-c - n postfix-c"], Listed());
        Assert.Equal("alternate_config_directories = /x/alt TOP/etc/postfix-old TOP/etc/postfix-a", Primary("alternate_config_directories"));
        _run.Clear();
        Fine("-e import -I postfix-a");
        Assert.Equal(["postfix-c - n postfix-c", "postfix-a - n postfix-a"], Listed());
        Assert.Equal("alternate_config_directories = /x/alt TOP/etc/postfix-old", Primary("alternate_config_directories"));
        Assert.Equal(["postfix-a set-permissions"], _run);
    }

    [Fact]
    public void What_is_destroyed_leaves_only_what_is_not_known_to_be_its_own()
    {
        Fine("-e init");
        foreach (var name in (string[])["a", "c"])
        {
            Fine($"-e create -I postfix-{name}");
            foreach (var directory in (string[])["pid", "public", "deferred"])
            {
                Directory.CreateDirectory($"{_top}/spool/postfix-{name}/{directory}");
            }
            File.WriteAllText($"{_top}/spool/postfix-{name}/pid/master.pid", "");
            File.WriteAllText($"{_top}/spool/postfix-{name}/public/showq", "");
        }
        File.WriteAllText($"{_top}/spool/postfix-a/deferred/mail", "x");
        File.WriteAllText($"{_top}/etc/postfix-a/access", "x");
        var left = Run("-e", "destroy", "-i", "postfix-a");
        Assert.Equal(
            string.Concat(((string[])["spool/postfix-a/deferred", "spool/postfix-a", "etc/postfix-a"]).Select(d => $"warning: TOP/{d}: Directory not empty: please verify contents and remove by hand\n")), left);
        Assert.True(File.Exists($"{_top}/spool/postfix-a/deferred/mail") && File.Exists($"{_top}/etc/postfix-a/access") && !File.Exists($"{_top}/etc/postfix-a/main.cf"));
        Fine("-e destroy -i postfix-c");
        Assert.Equal([$"{_top}/etc/postfix", $"{_top}/etc/postfix-a"], Directory.GetDirectories($"{_top}/etc").Order(StringComparer.Ordinal));
        Assert.Equal([$"{_top}/spool/postfix-a"], Directory.GetDirectories($"{_top}/spool"));
        Assert.Empty(Directory.GetDirectories($"{_top}/lib"));
        Assert.Empty(Listed());
    }
}
