using Facteur.Contracts;
using Facteur.Services.Queue.Qmgr;

namespace Facteur.Services.Tests.Queue.Qmgr;

public sealed class DestinationTests
{
    private static readonly Feedback Once = new(1, Feedback.Divisor.None);
    private const DeliveryFlags Both = DeliveryFlags.KeepConnection | DeliveryFlags.UseConnection;

    /// <summary>"b" a delivery begins and "e" one ends with a job waiting, "r" the last one ends, "." a second goes by; then the flags of the last that began.</summary>
    [Theory]
    [InlineData("b", DeliveryFlags.None)]
    [InlineData("bbbb", DeliveryFlags.None)]
    [InlineData("beb", Both)]
    [InlineData("be.b", Both)]
    [InlineData("be..b", DeliveryFlags.None)]
    [InlineData("brb", DeliveryFlags.None)]
    [InlineData("bebrb", Both)]
    [InlineData("bebr.b", Both)]
    [InlineData("bebr..b", DeliveryFlags.UseConnection)]
    [InlineData("bebr..brb", DeliveryFlags.None)]
    [InlineData("bbeb...b", Both)]
    [InlineData("bbeb..ee...b", DeliveryFlags.UseConnection)]
    [InlineData("bebee...b", DeliveryFlags.UseConnection)]
    public void Connections_are_kept_where_deliveries_follow_one_another(string story, DeliveryFlags expected)
    {
        var destination = new Destination(new Transport("smtp", new TransportSettings(5, 20, 50, Once, Once, 1, 0, 0, 0)), "d.example");
        var now = 1_000_000_000_000L;
        foreach (var step in story)
        {
            switch (step)
            {
                case 'b':
                    destination.Busy++;
                    destination.Begin(now);
                    break;
                case 'e':
                    destination.Busy--;
                    destination.Jobs.Enqueue(null!);
                    destination.End(now);
                    destination.Jobs.Clear();
                    break;
                case 'r':
                    destination.Busy = 0;
                    destination.End(now);
                    break;
                default:
                    now += 1_000_000;
                    break;
            }
        }
        Assert.Equal(expected, destination.Connections);
    }

    [Theory]
    [InlineData("x@a.example", "x@[192.0.2.1]", 1)]
    [InlineData("x@b_c.example", "x@bc.example", -1)]
    [InlineData("x@B.example", "y@b.EXAMPLE", -1)]
    [InlineData("B@b.example", "a@b.example", -1)]
    [InlineData("x", "x@b.example", 1)]
    [InlineData("x@b.example", "x@b.example", 0)]
    public void Addresses_are_ordered_as_Postfix_orders_them(string one, string other, int sign)
    {
        Assert.Equal(sign, Math.Sign(ActiveMessage.CompareAddresses(one, other)));
        Assert.Equal(-sign, Math.Sign(ActiveMessage.CompareAddresses(other, one)));
    }
}
