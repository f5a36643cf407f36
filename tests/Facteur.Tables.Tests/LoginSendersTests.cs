using Facteur.Testing;

namespace Facteur.Tables.Tests;

/// <summary>local_login_sender_maps; the answers are those of Postfix 3.7's postdrop.</summary>
public sealed class LoginSendersTests
{
    [Theory]
    [InlineData("A@B.test", true)]
    [InlineData("c@b.test", false)]
    [InlineData("", true)]
    [InlineData("u@dom.test", true)]
    [InlineData("u+x@DOM.test", true)]
    [InlineData("dom.test", false)]
    [InlineData("bare", true)]
    [InlineData("ext+1@x.test", true)]
    [InlineData("ext@y.test", false)]
    [InlineData("root", false)]
    public void A_user_may_say_the_senders_of_the_table(string sender, bool may)
    {
        using var senders = Senders(("local_login_sender_maps", "inline:{ {root = a@b.test, <>, @dom.test, bare, ext@x.test }, {all = *} }"), ("recipient_delimiter", "+"));
        Assert.Equal(may ? null : $"not authorized to use sender='{sender}'", senders.Refuses("root", sender));
        Assert.Null(senders.Refuses("all", sender));
        Assert.NotNull(senders.Refuses("nobody", sender));
    }

    [Fact]
    public void The_null_sender_has_the_name_it_is_given()
    {
        using var senders = Senders(("local_login_sender_maps", "static:none"), ("empty_address_local_login_sender_maps_lookup_key", "none"));
        Assert.Null(senders.Refuses("root", ""));
        Assert.NotNull(senders.Refuses("root", "none"));
    }

    [Fact]
    public void Without_a_word_everybody_may_say_everything_and_nothing_is_opened() => Assert.Null(LoginSenders.Of(new TestConfig(), TimeProvider.System));

    [Fact]
    public void A_table_that_can_not_be_read_refuses_and_says_why()
    {
        using var senders = Senders(("local_login_sender_maps", "texthash:/nowhere/at/all"));
        Assert.Contains("/nowhere/at/all", senders.Refuses("root", "a@b"), StringComparison.Ordinal);
    }

    private static LoginSenders Senders(params (string, string)[] config) => LoginSenders.Of(new TestConfig(config), TimeProvider.System)!;
}
