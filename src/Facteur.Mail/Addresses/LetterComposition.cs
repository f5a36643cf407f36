namespace Facteur.Mail.Addresses;

/// <summary>
/// Letters as they are composed (Unicode normalization form C, as UTS 46 asks for it in names): small letters of all scripts that names are written in, and Hangul.
/// The runtime has no such tables here (globalization is invariant), and takes every text as normal.
/// </summary>
internal static class LetterComposition
{
    private const int HangulBase = 0xac00, Leads = 19, Vowels = 21, Trails = 28, LeadBase = 0x1100, VowelBase = 0x1161, TrailBase = 0x11a7;

    // A mark, its combining class, and what letters become with it: letter, letter with the mark, and so on.
    private static readonly (char Mark, byte Class, string Pairs)[] Marks =
    [
        ('\u0300', 230, "aàeèiìnǹoòuùwẁyỳâầêềôồüǜăằēḕōṑơờưừαὰεὲηὴιὶοὸυὺωὼϊῒϋῢеѐиѝἀἂἁἃἐἒἑἓἠἢἡἣἰἲἱἳὀὂὁὃὐὒὑὓὠὢὡὣ"),
        ('\u0301', 230, "aácćeégǵiíkḱlĺmḿnńoópṕrŕsśuúwẃyýzźâấåǻæǽçḉêếïḯôốõṍøǿüǘăắēḗōṓũṹơớưứαάεέηήιίοόυύωώϊΐϋΰгѓкќἀἄἁἅἐἔἑἕἠἤἡἥἰἴἱἵὀὄὁὅὐὔὑὕὠὤὡὥ"),
        ('\u0302', 230, "aâcĉeêgĝhĥiîjĵoôsŝuûwŵyŷzẑạậẹệọộ"),
        ('\u0303', 230, "aãeẽiĩnñoõuũvṽyỹâẫêễôỗăẵơỡưữ"),
        ('\u0304', 230, "aāeēgḡiīoōuūyȳäǟæǣõȭöȫüǖǫǭȧǡȯȱαᾱιῑυῡиӣуӯḷḹṛṝ"),
        ('\u0306', 230, "aăeĕgğiĭoŏuŭȩḝαᾰιῐυῠаӑеӗжӂийуўạặ"),
        ('\u0307', 230, "aȧbḃcċdḋeėfḟgġhḣmṁnṅoȯpṗrṙsṡtṫwẇxẋyẏzżśṥšṧſẛṣṩ"),
        ('\u0308', 230, "aäeëhḧiïoötẗuüwẅxẍyÿõṏūṻιϊυϋаӓеёжӝзӟиӥоӧуӱчӵыӹэӭіїәӛөӫ"),
        ('\u0309', 230, "aảeẻiỉoỏuủyỷâẩêểôổăẳơởưử"),
        ('\u030a', 230, "aåuůwẘyẙ"),
        ('\u030b', 230, "oőuűуӳ"),
        ('\u030c', 230, "aǎcčdďeěgǧhȟiǐjǰkǩlľnňoǒrřsštťuǔzžüǚʒǯ"),
        ('\u030f', 230, "aȁeȅiȉoȍrȑuȕѵѷ"),
        ('\u0311', 230, "aȃeȇiȋoȏrȓuȗ"),
        ('\u0313', 230, "αἀεἐηἠιἰοὀρῤυὐωὠ"),
        ('\u0314', 230, "αἁεἑηἡιἱοὁρῥυὑωὡ"),
        ('\u031b', 216, "oơuư"),
        ('\u0323', 220, "aạbḅdḍeẹhḥiịkḳlḷmṃnṇoọrṛsṣtṭuụvṿwẉyỵzẓơợưự"),
        ('\u0324', 220, "uṳ"),
        ('\u0325', 220, "aḁ"),
        ('\u0326', 220, "sștț"),
        ('\u0327', 202, "cçdḑeȩgģhḩkķlļnņrŗsştţ"),
        ('\u0328', 202, "aąeęiįoǫuų"),
        ('\u032d', 220, "dḓeḙlḽnṋtṱuṷ"),
        ('\u032e', 220, "hḫ"),
        ('\u0330', 220, "eḛiḭuṵ"),
        ('\u0331', 220, "bḇdḏhẖkḵlḻnṉrṟtṯzẕ"),
        ('\u0342', 230, "αᾶηῆιῖυῦωῶϊῗϋῧἀἆἁἇἠἦἡἧἰἶἱἷὐὖὑὗὠὦὡὧ"),
        ('\u0345', 240, "άᾴήῄαᾳηῃωῳώῴἀᾀἁᾁἂᾂἃᾃἄᾄἅᾅἆᾆἇᾇἠᾐἡᾑἢᾒἣᾓἤᾔἥᾕἦᾖἧᾗὠᾠὡᾡὢᾢὣᾣὤᾤὥᾥὦᾦὧᾧὰᾲὴῂὼῲᾶᾷῆῇῶῷ"),
        ('\u0653', 230, "اآ"),
        ('\u0654', 230, "اأوؤيئہۂےۓەۀ"),
        ('\u0655', 220, "اإ"),
        ('\u093c', 7, "नऩरऱळऴ"),
        ('\u09be', 0, "\u09c7\u09cb"),
        ('\u09d7', 0, "\u09c7\u09cc"),
        ('\u0b3e', 0, "\u0b47\u0b4b"),
        ('\u0b56', 0, "\u0b47\u0b48"),
        ('\u0b57', 0, "\u0b47\u0b4c"),
        ('\u0bbe', 0, "\u0bc6\u0bca\u0bc7\u0bcb"),
        ('\u0bd7', 0, "ஒஔ\u0bc6\u0bcc"),
        ('\u0c56', 91, "\u0c46\u0c48"),
        ('\u0cc2', 0, "\u0cc6\u0cca"),
        ('\u0cd5', 0, "\u0cbf\u0cc0\u0cc6\u0cc7\u0cca\u0ccb"),
        ('\u0cd6', 0, "\u0cc6\u0cc8"),
        ('\u0d3e', 0, "\u0d46\u0d4a\u0d47\u0d4b"),
        ('\u0d57', 0, "\u0d46\u0d4c"),
        ('\u0dca', 9, "\u0dd9\u0dda\u0ddc\u0ddd"),
        ('\u0dcf', 0, "\u0dd9\u0ddc"),
        ('\u0ddf', 0, "\u0dd9\u0dde"),
        ('\u102e', 0, "ဥဦ"),
        ('\u1b35', 0, "ᬅᬆᬇᬈᬉᬊᬋᬌᬍᬎᬑᬒ\u1b3a\u1b3b\u1b3c\u1b3d\u1b3e\u1b40\u1b3f\u1b41\u1b42\u1b43"),
        ('\u3099', 8, "うゔかがきぎくぐけげこごさざしじすずせぜそぞただちぢつづてでとどはばひびふぶへべほぼウヴカガキギクグケゲコゴサザシジスズセゼソゾタダチヂツヅテデトドハバヒビフブヘベホボワヷヰヸヱヹヲヺ"),
        ('\u309a', 8, "はぱひぴふぷへぺほぽハパヒピフプヘペホポ"),
    ];

    private static readonly Dictionary<(char Letter, char Mark), char> Composed = [];
    private static readonly Dictionary<char, (char Letter, char Mark)> Parts = [];
    private static readonly Dictionary<char, byte> Classes = [];

    static LetterComposition()
    {
        foreach (var (mark, order, pairs) in Marks)
        {
            Classes[mark] = order;
            for (var i = 0; i < pairs.Length; i += 2)
            {
                Composed[(pairs[i], mark)] = pairs[i + 1];
                Parts[pairs[i + 1]] = (pairs[i], mark);
            }
        }
    }

    /// <summary>The text with its letters composed; itself when it has no marks.</summary>
    internal static string Compose(string text)
    {
        if (!HasMarks(text))
        {
            return text;
        }
        var parts = new List<char>(text.Length + 8);
        foreach (var c in text)
        {
            Take(c, parts);
        }
        Order(parts);
        return Join(parts);
    }

    private static bool HasMarks(string text)
    {
        foreach (var c in text)
        {
            if (Classes.ContainsKey(c) || c is >= (char)LeadBase and < (char)0x1200)
            {
                return true;
            }
        }
        return false;
    }

    // A composed letter has at most four parts.
    private static void Take(char c, List<char> parts)
    {
        Span<char> marks = stackalloc char[8];
        var count = 0;
        while (count < marks.Length && Parts.TryGetValue(c, out var two))
        {
            marks[count++] = two.Mark;
            c = two.Letter;
        }
        parts.Add(c);
        while (count > 0)
        {
            parts.Add(marks[--count]);
        }
    }

    // Marks of different classes behind one letter stand in the order of their classes.
    private static void Order(List<char> parts)
    {
        for (var i = 1; i < parts.Count; i++)
        {
            for (var k = i; k > 0 && Class(parts[k]) is > 0 and var order && Class(parts[k - 1]) > order; k--)
            {
                (parts[k], parts[k - 1]) = (parts[k - 1], parts[k]);
            }
        }
    }

    private static string Join(List<char> parts)
    {
        var text = new System.Text.StringBuilder(parts.Count);
        var letter = -1;
        var last = 0;
        foreach (var c in parts)
        {
            var order = Class(c);
            // A mark joins its letter unless one of its own class, or a letter, is between them.
            if (letter >= 0 && (last < order || (last == 0 && letter == text.Length - 1)) && Pair(text[letter], c) is { } whole)
            {
                text[letter] = whole;
                continue;
            }
            if (order == 0)
            {
                letter = text.Length;
            }
            last = order;
            text.Append(c);
        }
        return text.ToString();
    }

    private static char? Pair(char letter, char next)
    {
        if (letter is >= (char)LeadBase and < (char)(LeadBase + Leads) && next is >= (char)VowelBase and < (char)(VowelBase + Vowels))
        {
            return (char)(HangulBase + (((letter - LeadBase) * Vowels) + next - VowelBase) * Trails);
        }
        if (letter is >= (char)HangulBase and < (char)(HangulBase + (Leads * Vowels * Trails)) && (letter - HangulBase) % Trails == 0
            && next is > (char)TrailBase and < (char)(TrailBase + Trails))
        {
            return (char)(letter + next - TrailBase);
        }
        return Composed.TryGetValue((letter, next), out var whole) ? whole : null;
    }

    private static byte Class(char c) => Classes.GetValueOrDefault(c);
}
