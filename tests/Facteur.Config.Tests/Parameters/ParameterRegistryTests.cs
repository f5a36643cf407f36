using Facteur.Config.Parameters;

namespace Facteur.Config.Tests.Parameters;

public sealed class ParameterRegistryTests
{
    // The product's own name; what the recorded build had no library for.
    private static readonly string[] OwnDefaults = ["mail_name", "smtputf8_enable"];

    private static readonly IReadOnlyList<Parameter> Table = [.. ParameterTable.Read()];

    [Fact]
    public void There_are_983_names_and_none_twice()
    {
        Assert.Equal(983, Table.Count);
        Assert.Equal(983, Table.Select(row => row.Name).Distinct().Count());
        Assert.Equal(983, ParameterRegistry.All.Count);
    }

    [Fact]
    public void Own_parameters_are_known_and_are_not_among_those_of_Postfix()
    {
        Assert.All(FacteurParameters.All, own => Assert.Same(own, ParameterRegistry.Find(own.Name)));
        Assert.Empty(FacteurParameters.All.Select(own => own.Name).Intersect(Table.Select(row => row.Name)));
        Assert.Empty(FacteurParameters.All.Intersect(ParameterRegistry.All));
    }

    [Fact]
    public void A_name_in_several_classes_of_rows_is_the_same_row_in_each()
    {
        foreach (var rows in ParameterRegistry.Typed.GroupBy(row => row.Name))
        {
            Assert.True(rows.Select(row => (row.GetType(), row.Default, row.Class)).Distinct().Count() == 1, $"{rows.Key} differs");
        }
    }

    [Fact]
    public void Typed_rows_have_the_names_types_and_defaults_of_the_table()
    {
        var table = Table.ToDictionary(row => row.Name);
        foreach (var row in ParameterRegistry.Typed)
        {
            Assert.True(table.TryGetValue(row.Name, out var known), $"{row.Name} is no parameter");
            Assert.True(row.GetType() == known.GetType(), $"{row.Name} is a {known.GetType().Name}");
            if (!OwnDefaults.Contains(row.Name))
            {
                Assert.True(row.Default == known.Default, $"{row.Name}: \"{row.Default}\" instead of \"{known.Default}\"");
            }
            if (row is TimeParameter time)
            {
                Assert.True(time.Unit == ((TimeParameter)known).Unit, $"{row.Name}: unit {time.Unit}");
            }
        }
    }

    [Theory]
    [InlineData("0")]
    [InlineData("1")]
    [InlineData("3.6")]
    [InlineData("3.11")]
    public void Each_default_is_valid_at_each_level(string level)
    {
        var config = ConfigLoader.FromMain("/nowhere", Facteur.Config.MainCf.MainCfFile.Parse("main.cf", $"compatibility_level = {level}\n"));
        foreach (var row in ParameterRegistry.All)
        {
            Assert.Null(row.Check(config.Find(row.Name)!));
        }
    }

    [Theory]
    [InlineData("smtp_destination_concurrency_limit", true)]
    [InlineData("relay_transport_rate_delay", true)]
    [InlineData("local_destination_concurrency_limit", false)]
    [InlineData("smtpd_recipient_limit", false)]
    [InlineData("default_recipient_limit", false)]
    [InlineData("smtp_helo_name", false)]
    public void Rows_of_stock_transports(string name, bool stock) => Assert.Equal(stock, TransportParameters.IsStock(name));

    [Fact]
    public void There_are_112_rows_of_stock_transports_less_locals_own_two() =>
        Assert.Equal(110, Table.Count(row => TransportParameters.IsStock(row.Name)));

    [Theory]
    [InlineData("delay_warning_time", 'h')]
    [InlineData("maximal_queue_lifetime", 'd')]
    [InlineData("smtpd_timeout", 's')]
    [InlineData("postscreen_dnsbl_max_ttl", 'h')]
    [InlineData("smtp_destination_rate_delay", 's')]
    public void A_time_has_the_unit_of_its_default(string name, char unit) =>
        Assert.Equal(unit, Assert.IsType<TimeParameter>(Table.Single(row => row.Name == name)).Unit);
}
