using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>
/// The accounts that main.cf names: what belongs to one of them must be out of reach of the others. Postfix looks at that whenever one of its programs starts (mail_params.c);
/// here it is looked at before anything is started, made or given away.
/// </summary>
public sealed class PostfixAccounts
{
    private PostfixAccounts(UserAccount mail, UserAccount queue, string group, uint gid) => (Mail, Queue, Group, Gid) = (mail, queue, group, gid);

    /// <summary>mail_owner.</summary>
    public UserAccount Mail { get; }

    /// <summary>queue_owner.</summary>
    public UserAccount Queue { get; }

    /// <summary>setgid_group.</summary>
    public string Group { get; }

    /// <summary>Its number.</summary>
    public uint Gid { get; }

    /// <summary>Why a mail system must not start, as Postfix says it, or null.</summary>
    /// <param name="config">Its configuration.</param>
    /// <param name="asRoot">Its master is root, or will be. An instance that is wholly one user's has no other accounts, and its group is of no use to others.</param>
    public static string? Refusal(IConfig config, bool asRoot)
    {
        var owner = config.Get(CommonParameters.MailOwner);
        var own = UserAccount.Find(owner, out var account) == 0 && account is { Uid: 0 };
        // In whose name root's aliases run commands is looked at whoever owns the rest.
        return !asRoot ? null : Problems(config, out _).Where(p => !own || p.Text.StartsWith("parameter default_privs:", StringComparison.Ordinal)).Select(p => At(config, p.Text)).FirstOrDefault();
    }

    /// <summary>The accounts; null, and why, when they can't be used.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="wrong">As Postfix says it.</param>
    public static PostfixAccounts? Of(IConfig config, out string? wrong)
    {
        var problems = Problems(config, out var accounts);
        // An instance that is wholly one user's: that they are there is all that matters.
        wrong = accounts is null || accounts.Mail.Uid != Libc.geteuid() ? problems.Select(p => At(config, p.Text)).FirstOrDefault() : null;
        return wrong is null ? accounts : null;
    }

    /// <summary>All that is wrong, in the order in which Postfix looks, by the parameter that is to be changed.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="accounts">The accounts, when they are there.</param>
    public static IReadOnlyList<(Parameter Parameter, string Text)> Problems(IConfig config, out PostfixAccounts? accounts)
    {
        var problems = new List<(Parameter, string)>();
        var privs = User(config, LocalParameters.DefaultPrivs, problems);
        var mail = User(config, CommonParameters.MailOwner, problems);
        var group = config.Get(CommonParameters.SetgidGroup);
        var gid = GroupAccount.Find(group);
        if (gid is null or 0)
        {
            problems.Add((CommonParameters.SetgidGroup, $"parameter setgid_group: {(gid is null ? "unknown group name:" : "group")} {group}{(gid is null ? "" : " has privileged group ID")}"));
        }
        else if (GroupAccount.NameOf(gid.Value) is { } first && first != group)
        {
            problems.Add((CommonParameters.SetgidGroup, $"parameter setgid_group: group {group} has same group ID as {first}"));
        }
        var owner = config.Get(FacteurParameters.QueueOwner);
        var queue = owner == mail?.Name ? mail : User(config, FacteurParameters.QueueOwner, problems);
        foreach (var (name, other) in new[] { (CommonParameters.MailOwner.Name, mail), (FacteurParameters.QueueOwner.Name, queue?.Uid == mail?.Uid ? null : queue) })
        {
            if (privs is null || other is null)
            {
                continue;
            }
            if (privs.Name == other.Name)
            {
                problems.Add((LocalParameters.DefaultPrivs, $"parameters default_privs and {name} specify the same user {privs.Name}"));
            }
            else if (privs.Uid == other.Uid)
            {
                problems.Add((LocalParameters.DefaultPrivs, $"parameters default_privs and {name}: users {privs.Name} and {other.Name} have the same user ID: {privs.Uid}"));
            }
            else if (privs.Gid == other.Gid)
            {
                problems.Add((LocalParameters.DefaultPrivs, $"parameters default_privs and {name}: users {privs.Name} and {other.Name} have the same group ID: {privs.Gid}"));
            }
        }
        if (mail is not null && mail.Gid == gid)
        {
            problems.Add((CommonParameters.SetgidGroup, $"parameters mail_owner and setgid_group: user {mail.Name} and group {group} have the same group ID: {gid}"));
        }
        if (privs is not null && privs.Gid == gid)
        {
            problems.Add((CommonParameters.SetgidGroup, $"parameters default_privs and setgid_group: user {privs.Name} and group {group} have the same group ID: {gid}"));
        }
        accounts = mail is null || queue is null || gid is null ? null : new PostfixAccounts(mail, queue, group, gid.Value);
        return problems;
    }

    private static string At(IConfig config, string text) => $"file {Path.Combine(config.ConfigDirectory, "main.cf")}: {text}";

    private static UserAccount? User(IConfig config, StringParameter parameter, List<(Parameter, string)> problems)
    {
        var name = config.Get(parameter);
        if (UserAccount.Find(name, out var account) != 0 || account is null)
        {
            problems.Add((parameter, $"parameter {parameter.Name}: unknown user name value: {name}"));
            return null;
        }
        if (account.Uid == 0 || account.Gid == 0)
        {
            problems.Add((parameter, $"parameter {parameter.Name}: user {name} has privileged {(account.Uid == 0 ? "user" : "group")} ID"));
        }
        // Not of default_privs (Postfix): nothing belongs to it.
        else if (parameter != LocalParameters.DefaultPrivs && UserAccount.Find(account.Uid, out var first) == 0 && first is not null && first.Name != name)
        {
            problems.Add((parameter, $"parameter {parameter.Name}: user {name} has same user ID as {first.Name}"));
        }
        return account;
    }
}
