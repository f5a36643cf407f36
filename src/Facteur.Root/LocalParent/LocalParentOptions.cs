using System.Globalization;
using Facteur.Unix;

namespace Facteur.Root.LocalParent;

/// <summary>What master tells the parent of local deliveries on its command line.</summary>
/// <param name="Control">Descriptor at whose end the parent ends.</param>
/// <param name="Requests">Descriptor of the socket of requests.</param>
/// <param name="RefusedUids">Users that no helper becomes, besides root: mail_owner, queue_owner.</param>
/// <param name="RefusedGids">Groups that no helper gets as numbers, besides root's: those of these users, setgid_group.</param>
/// <param name="DefaultUids">default_privs of main.cf and of services: many users' work is done in their names.</param>
/// <param name="VirtualMinimumUid">Least number of a virtual mailbox's user.</param>
/// <param name="MailSpools">Directories of mailboxes.</param>
/// <param name="Pipes">In whose names pipe(8) runs commands: "user[:group] TAB chroot".</param>
/// <param name="Program">The helper's program and its first arguments.</param>
/// <param name="HelperLimit">Most helpers at once.</param>
internal sealed record LocalParentOptions(
    int Control, int Requests, IReadOnlyList<uint> RefusedUids, IReadOnlyList<uint> RefusedGids, IReadOnlyList<uint> DefaultUids, uint VirtualMinimumUid, IReadOnlyList<string> MailSpools, IReadOnlyList<string> Pipes, IReadOnlyList<string> Program,
    int HelperLimit)
{
    /// <summary>Reads a command line; null when it is none.</summary>
    public static LocalParentOptions? Read(IReadOnlyList<string> arguments)
    {
        int control = -1, requests = -1, limit = 64;
        uint minimum = 0;
        List<string> spools = [], pipes = [], program = [];
        List<uint> uids = [], gids = [], defaults = [];
        for (var i = 0; i + 1 < arguments.Count; i += 2)
        {
            var value = arguments[i + 1];
            var understood = arguments[i] switch
            {
                "--control" => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out control),
                "--requests" => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out requests),
                "--refuse-user" => Refuse(value),
                "--refuse-group" => AddNumber(gids, value),
                "--default-privs" => UserAccount.Find(value, out var user) == 0 && (user is null || Add(defaults, user.Uid)),
                "--virtual-minimum-uid" => uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out minimum),
                "--mail-spool" => Add(spools, value),
                "--pipe" => Add(pipes, value),
                "--helper-limit" => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out limit) && limit is > 0 and <= 64,
                "--helper" => Add(program, value),
                _ => false,
            };
            if (!understood)
            {
                return null;
            }
        }
        // A minimum of 0 would let numbers be root's.
        return arguments.Count % 2 != 0 || control < 0 || requests < 0 || uids.Count == 0 || minimum == 0 || program.Count == 0 || !program[0].StartsWith('/')
            ? null : new LocalParentOptions(control, requests, uids, gids, defaults, minimum, spools, pipes, program, limit);

        bool Refuse(string name)
        {
            if (UserAccount.Find(name, out var user) != 0 || user is null)
            {
                return false;
            }
            uids.Add(user.Uid);
            gids.Add(user.Gid);
            return true;
        }

        static bool AddNumber(List<uint> list, string value)
        {
            var understood = uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number);
            list.Add(number);
            return understood;
        }

        static bool Add<T>(List<T> list, T value)
        {
            list.Add(value);
            return true;
        }
    }
}
