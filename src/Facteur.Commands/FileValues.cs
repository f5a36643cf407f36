using Facteur.Tables;

namespace Facteur.Commands;

/// <summary>Values of -F: names of files, whose contents count.</summary>
internal static class FileValues
{
    /// <summary>The contents of the files that a value names, with a newline between two; null, and why, when one can't be read.</summary>
    public static byte[]? Read(string value, out string wrong)
    {
        wrong = "";
        using var content = new MemoryStream();
        foreach (var name in value.Split([',', ' ', '\t', '\r', '\n'], StringSplitOptions.RemoveEmptyEntries))
        {
            try
            {
                if (content.Length > 0)
                {
                    content.WriteByte((byte)'\n');
                }
                content.Write(SourceFile.Read(name).Content);
            }
            catch (TableException e)
            {
                wrong = e.Message;
                return null;
            }
        }
        return content.ToArray();
    }
}
