using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Net.Connections;
using Facteur.Spool.Maildrop;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>postdrop(1): writes the records on standard input as a maildrop file. For those who may write maildrop.</summary>
public static class Postdrop
{
    private const int TemporaryFailure = 75;

    /// <summary>Runs the command.</summary>
    /// <param name="context">Its surroundings.</param>
    /// <returns>The exit status.</returns>
    public static int Run(CommandContext context)
    {
        var options = new GetOpt(context.Arguments, "c:rv");
        string? directory = null;
        while (options.Next())
        {
            if (options.Option == '?')
            {
                context.Error.WriteLine($"{context.Name}: {options.Error}");
                return context.Fatal("usage: postdrop [-c config_dir] [-v]", TemporaryFailure);
            }
            directory = options.Option == 'c' ? options.Argument : directory;
        }
        if (options.Operands.Count > 0)
        {
            return context.Fatal("usage: postdrop [-c config_dir] [-v]", TemporaryFailure);
        }
        var load = ConfigLoader.Load(ConfigLoader.FindDirectory(directory, context.Environment), new LoadOptions { ProcessName = "postdrop", WithMaster = false });
        return load.Errors.Count > 0 ? context.Fatal(load.Errors[0], TemporaryFailure) : Drop(context, load.Config);
    }

    private static int Drop(CommandContext context, IConfig config)
    {
        var queue = config.Get(CommonParameters.QueueDirectory);
        var errno = new MaildropDirectory(queue).Create(context.Time, out var file);
        if (file is null)
        {
            return context.Fatal($"uid={Libc.getuid()}: create file in {queue}/maildrop: {Errno.Text(errno)}", TemporaryFailure);
        }
        using (file)
        {
            var intake = new MaildropIntake(file, null, config.Get(CommonParameters.MessageSizeLimit), context.Time);
            var buffer = new byte[64 * 1024];
            while (!intake.Ended)
            {
                var count = context.Input.Read(buffer);
                if (count == 0)
                {
                    return context.Fatal($"uid={Libc.getuid()}: unexpected EOF in data", TemporaryFailure);
                }
                if (intake.Take(buffer.AsSpan(0, count)) is { } wrong)
                {
                    return context.Fatal($"uid={Libc.getuid()}: {wrong}", TemporaryFailure);
                }
            }
            errno = file.Commit(out _);
            if (errno != 0)
            {
                return context.Fatal($"uid={Libc.getuid()}: write file in {queue}/maildrop: {Errno.Text(errno)}", TemporaryFailure);
            }
        }
        UnixSubmitClient.TryTrigger(Path.Combine(queue, "public", "pickup"), (byte)'W');
        return 0;
    }
}
