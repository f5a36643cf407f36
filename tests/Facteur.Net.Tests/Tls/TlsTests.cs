using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Facteur.Net.Connections;
using Facteur.Net.Tls;
using Facteur.Testing;

namespace Facteur.Net.Tests.Tls;

public sealed class TlsTests
{
    [Theory]
    [InlineData(SslProtocols.Tls13, TlsCipherSuite.TLS_AES_256_GCM_SHA384, "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256)]
    [InlineData(SslProtocols.Tls12, TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", 128)]
    public async Task A_handshake_tells_its_facts_and_carries_bytes(SslProtocols protocol, TlsCipherSuite suite, string name, string cipher, int bits)
    {
        var (near, far) = DuplexPair.Create();
        var server = Certificates.Server().HandshakeAsync(far, null, CancellationToken.None).AsTask();
        var client = await new TlsClient(protocol, [suite], [], TimeProvider.System).HandshakeAsync(near, null, CancellationToken.None);
        var accepted = await server;
        Assert.Equal(new TlsFacts(name, cipher, bits, bits, PeerTrust.Untrusted, "CN=mx.example"), client.Facts);
        Assert.Equal(PeerTrust.Anonymous, accepted.Facts!.Trust);
        await client.Connection!.Output.WriteAsync("EHLO x\r\n"u8.ToArray());
        Assert.Equal("EHLO x\r\n"u8.ToArray(), System.Buffers.BuffersExtensions.ToArray((await accepted.Connection!.Input.ReadAsync()).Buffer));
        await client.Connection.DisposeAsync();
        await accepted.Connection.DisposeAsync();
    }

    [Fact]
    public async Task A_certificate_of_a_known_authority_is_trusted_and_its_name_verified()
    {
        var (near, far) = DuplexPair.Create();
        var server = Certificates.Server().HandshakeAsync(far, null, CancellationToken.None).AsTask();
        var authorities = new X509Certificate2Collection(X509Certificate2.CreateFromPem(Certificates.Pem.Certificate));
        var client = await new TlsClient(SslProtocols.Tls13, TlsCiphers.Select([]), authorities, TimeProvider.System).HandshakeAsync(near, "mx.example", CancellationToken.None);
        Assert.Equal(PeerTrust.Verified, client.Facts!.Trust);
        await (await server).Connection!.DisposeAsync();
        await client.Connection!.DisposeAsync();
    }

    [Fact]
    public async Task A_handshake_that_fails_is_a_value()
    {
        var (near, far) = DuplexPair.Create();
        await far.Output.WriteAsync("220 this is no TLS\r\n"u8.ToArray());
        var client = new TlsClient(SslProtocols.Tls13, TlsCiphers.Select([]), [], TimeProvider.System).HandshakeAsync(near, null, CancellationToken.None).AsTask();
        await far.DisposeAsync();
        var result = await client;
        Assert.Null(result.Connection);
        Assert.NotEqual("", result.Error);
    }

    [Theory]
    [InlineData(">=TLSv1.2", SslProtocols.Tls12 | SslProtocols.Tls13)]
    [InlineData(">=TLSv1.2, <=TLSv1.2", SslProtocols.Tls12)]
    [InlineData("TLSv1.3", SslProtocols.Tls13)]
    [InlineData("!SSLv2, !SSLv3, !TLSv1, !TLSv1.1, !TLSv1.2", SslProtocols.Tls13)]
    [InlineData("TLSv9", null)]
    [InlineData("=TLSv1.2", null)]
    public void Protocol_lists(string list, SslProtocols? protocols) => Assert.Equal(protocols, TlsProtocols.Parse(list));

    [Theory]
    [InlineData(TlsCipherSuite.TLS_RSA_WITH_AES_256_CBC_SHA, "AES256-SHA")]
    [InlineData(TlsCipherSuite.TLS_DHE_RSA_WITH_AES_128_CBC_SHA256, "DHE-RSA-AES128-SHA256")]
    [InlineData(TlsCipherSuite.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305")]
    [InlineData(TlsCipherSuite.TLS_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256")]
    public void OpenSSL_names(TlsCipherSuite suite, string name) => Assert.Equal(name, TlsCiphers.OpenSslName(suite));

    [Fact]
    public void Excluded_classes_are_not_offered()
    {
        var suites = TlsCiphers.Select(["kRSA", "SHA1", "AES128+DHE", "aNULL"]);
        Assert.DoesNotContain(TlsCipherSuite.TLS_RSA_WITH_AES_256_GCM_SHA384, suites);
        Assert.DoesNotContain(TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, suites);
        Assert.DoesNotContain(TlsCipherSuite.TLS_DHE_RSA_WITH_AES_128_GCM_SHA256, suites);
        Assert.Contains(TlsCipherSuite.TLS_DHE_RSA_WITH_AES_256_GCM_SHA384, suites);
    }
}
