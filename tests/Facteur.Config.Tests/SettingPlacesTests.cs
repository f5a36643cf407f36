namespace Facteur.Config.Tests;

/// <summary>Where settings stand.</summary>
public sealed class SettingPlacesTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-places-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("relayhost", "", "main.cf:1")]
    [InlineData("smtpd_recipient_restrictions", "", "main.cf:2")]
    [InlineData("smtpd_recipient_restrictions", "permit", "main.cf:5")]
    [InlineData("smtpd_recipient_restrictions", "reject", "main.cf:2")]
    [InlineData("myorigin", "", "main.cf")]
    [InlineData("soft_bounce", "", "master.cf:3")]
    [InlineData("smtpd_client_restrictions", "", "master.cf:4")]
    [InlineData("smtpd_client_restrictions", "hash:/x", "master.cf:5")]
    public void A_word_is_found_within_its_setting(string name, string word, string place)
    {
        File.WriteAllText($"{_directory}/main.cf", "relayhost = x\nsmtpd_recipient_restrictions =\n# permit\n  check_x,\n  permit\nsoft_bounce = permit reject\n");
        File.WriteAllText($"{_directory}/master.cf", "smtp inet n - n - - smtpd\n10025 inet n - n - - smtpd\n  -o soft_bounce=yes\n  -o { smtpd_client_restrictions = permit_mynetworks,\n    check_client_access hash:/x }\n");
        var places = new SettingPlaces(_directory);
        var load = ConfigLoader.Load(_directory);
        Assert.Equal($"{_directory}/{place}", SettingPlaces.Text(places.Of(load.Entries[1], name, word)));
    }

    [Fact]
    public void Files_that_are_not_there_have_no_lines() => Assert.Equal(0, new SettingPlaces("/no/such/directory").Of(null, "relayhost").Line);
}
