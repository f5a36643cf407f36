using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Unix;

namespace Facteur.Commands.Check;

/// <summary>Certificates and keys of TLS settings: whether they can be read, fit each other, and are valid now.</summary>
internal sealed class CertificateCheck(ConfigLoad load, SettingPlaces places, Findings findings, TimeProvider time)
{
    private const uint OthersRead = 0x4; // 0004

    private static readonly string[] Prefixes = ["smtpd_tls_", "smtp_tls_", "lmtp_tls_", "tlsproxy_tls_", "tlsproxy_client_"];

    private readonly HashSet<string> _seen = new(StringComparer.Ordinal);

    public void Run()
    {
        Files(null, load.Config);
        foreach (var entry in load.Entries.Where(e => e.Overrides.Any(o => o.Key.Contains("tls", StringComparison.Ordinal))))
        {
            try
            {
                Files(entry, load.Config.With(entry.Overrides));
            }
            catch (ConfigException)
            {
                // The loader has said it.
            }
        }
    }

    private void Files(MasterEntry? entry, IConfig config)
    {
        foreach (var prefix in Prefixes)
        {
            Chains(entry, config, prefix + "chain_files");
            foreach (var kind in (string[])["", "ec", "d"])
            {
                Pair(entry, config, $"{prefix}{kind}cert_file", $"{prefix}{kind}key_file");
            }
            foreach (var name in (string[])[prefix + "CAfile", prefix + "CApath"])
            {
                if (config.Find(name) is ['/', ..] path && !File.Exists(path) && !Directory.Exists(path) && _seen.Add(path))
                {
                    findings.Add(FindingLevel.Error, places.Of(entry, name), $"{name}: open {path}: No such file or directory");
                }
            }
        }
    }

    private void Pair(MasterEntry? entry, IConfig config, string certificateName, string keyName)
    {
        // "none": no certificate, on purpose.
        if (config.Find(certificateName) is not { Length: > 0 } certificatePath || certificatePath == "none" || !_seen.Add($"{certificatePath}\n{config.Find(keyName)}"))
        {
            return;
        }
        var keyPath = config.Find(keyName) is { Length: > 0 } path ? path : certificatePath;
        var keyPlace = places.Of(entry, keyName) is { Line: > 0 } own ? own : places.Of(entry, certificateName);
        var certificate = Read(places.Of(entry, certificateName), certificateName, certificatePath);
        var key = keyPath == certificatePath ? certificate : Read(keyPlace, keyName, keyPath);
        if (key is not null)
        {
            Readers(keyPlace, keyName, keyPath);
        }
        if (certificate is not null && key is not null)
        {
            Match(places.Of(entry, certificateName), certificateName, certificatePath, certificate, key, keyPath);
        }
    }

    // Each file, or all together, in the order key, its certificate, those above it; then the next key (postconf(5), smtpd_tls_chain_files).
    private void Chains(MasterEntry? entry, IConfig config, string name)
    {
        var (place, key, keyPath) = (places.Of(entry, name), "", "");
        var chains = config.Find(name) ?? "";
        // Said once of what others take over: tlsproxy_tls_chain_files has smtpd's by default.
        if (!_seen.Add($"chain {chains}"))
        {
            return;
        }
        foreach (var path in chains.Split([' ', '\t', ','], StringSplitOptions.RemoveEmptyEntries))
        {
            if (Read(place, name, path) is not { } text)
            {
                continue;
            }
            foreach (var (label, pem) in Blocks(text))
            {
                if (label.EndsWith("PRIVATE KEY", StringComparison.Ordinal))
                {
                    (key, keyPath) = (pem, path);
                    Readers(place, name, path);
                }
                else if (label == "CERTIFICATE" && key.Length > 0)
                {
                    Match(place, name, path, pem, key, keyPath);
                    key = "";
                }
                else if (label == "CERTIFICATE" && keyPath.Length == 0)
                {
                    findings.Add(FindingLevel.Error, place, $"{name}: {path}: a certificate comes before its key");
                    keyPath = path;
                }
            }
        }
        if (key.Length > 0)
        {
            findings.Add(FindingLevel.Error, place, $"{name}: {keyPath}: no certificate follows the key");
        }
    }

    private void Match((string File, int Line) place, string name, string path, string certificatePem, string keyPem, string keyPath)
    {
        try
        {
            if (!Blocks(certificatePem).Any(b => b.Label == "CERTIFICATE"))
            {
                findings.Add(FindingLevel.Error, place, $"{name}: {path} holds no certificate");
                return;
            }
            using var certificate = X509Certificate2.CreateFromPem(certificatePem);
            Dates(place, name, path, certificate);
            if (!Blocks(keyPem).Any(b => b.Label.EndsWith("PRIVATE KEY", StringComparison.Ordinal)))
            {
                findings.Add(FindingLevel.Error, place, $"{name}: {keyPath} holds no private key");
            }
            else if (Blocks(keyPem).Any(b => b.Label == "ENCRYPTED PRIVATE KEY"))
            {
                findings.Add(FindingLevel.Error, place, $"{name}: the key in {keyPath} has a passphrase: nobody is there to type it");
            }
            else if (Fits(certificate, keyPem) == false)
            {
                findings.Add(FindingLevel.Error, place, $"{name}: the key in {keyPath} is not that of the certificate in {path}");
            }
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            findings.Add(FindingLevel.Error, place, $"{name}: {path}: {e.Message}");
        }
    }

    private void Dates((string File, int Line) place, string name, string path, X509Certificate2 certificate)
    {
        var now = time.GetUtcNow().UtcDateTime;
        var (from, to) = (certificate.NotBefore.ToUniversalTime(), certificate.NotAfter.ToUniversalTime());
        static string Day(DateTime day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        if (now > to)
        {
            findings.Add(FindingLevel.Error, place, $"{name}: the certificate in {path} expired on {Day(to)}");
        }
        else if (now < from)
        {
            findings.Add(FindingLevel.Error, place, $"{name}: the certificate in {path} is not valid before {Day(from)}");
        }
        else if (now.AddDays(14) > to)
        {
            findings.Add(FindingLevel.Warning, place, $"{name}: the certificate in {path} expires on {Day(to)}");
        }
    }

    /// <returns>Null for kinds of keys that can't be compared.</returns>
    private static bool? Fits(X509Certificate2 certificate, string keyPem)
    {
        const string Rsa = "1.2.840.113549.1.1.1", EllipticCurve = "1.2.840.10045.2.1";
        AsymmetricAlgorithm? key = certificate.PublicKey.Oid.Value switch { Rsa => RSA.Create(), EllipticCurve => ECDsa.Create(), _ => null };
        if (key is null)
        {
            return null;
        }
        using (key)
        {
            var pem = Blocks(keyPem).First(b => b.Label.EndsWith("PRIVATE KEY", StringComparison.Ordinal)).Pem;
            try
            {
                key.ImportFromPem(pem);
                return key.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(certificate.PublicKey.ExportSubjectPublicKeyInfo());
            }
            catch (Exception e) when (e is CryptographicException or ArgumentException)
            {
                // A key of another kind.
                return false;
            }
        }
    }

    private string? Read((string File, int Line) place, string name, string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            findings.Add(FindingLevel.Error, place, $"{name}: open {path}: {ConfigText.Reason(e)}");
            return null;
        }
    }

    private void Readers((string File, int Line) place, string name, string path)
    {
        if (UnixFile.Status(path, followLinks: true, out var status) == 0 && (status.Mode & OthersRead) != 0)
        {
            findings.Add(FindingLevel.Warning, place, $"{name}: every user can read the private key in {path}");
        }
    }

    private static List<(string Label, string Pem)> Blocks(string text)
    {
        var blocks = new List<(string, string)>();
        for (var rest = text.AsSpan(); PemEncoding.TryFind(rest, out var found); rest = rest[found.Location.End..])
        {
            blocks.Add((rest[found.Label].ToString(), rest[found.Location].ToString()));
        }
        return blocks;
    }
}
