using CsCheck;
using Facteur.Mail.Dsn;

namespace Facteur.Mail.Tests.Dsn;

public sealed class BounceTemplateFileTests
{
    private static readonly string[] Parts = ["failure_template", " = ", "<<", "E", "\n", "Subject: ", "x", ":", "#", "\0", "é"];

    [Fact]
    public void Headers_text_and_defaults()
    {
        Assert.Null(BounceTemplateFile.TryParse("# c\n\ndelay_template = <<X\nsubject: Late\n\n$myhostname\n\n # kept\nX\nsuccess_template=<<EOF\nno header here\nEOF\n", out var templates));
        Assert.Equal(2, templates.Count);
        Assert.Equal(BounceTemplate.BuiltIn(BounceTemplateKind.Delay) with { Subject = "Late", Text = "$myhostname\n\n # kept\n" }, templates[0]);
        Assert.Equal(BounceTemplate.BuiltIn(BounceTemplateKind.Success) with { Text = "no header here\n" }, templates[1]);
    }

    [Theory]
    [InlineData("\nfailure_template\n", "line 2: expected \"template_name = <<EOF\"")]
    [InlineData("other_template = <<E\nE\n", "line 1: unknown template \"other_template\"")]
    [InlineData("failure_template = <<E\ntext\n", "line 1: template \"failure_template\" is not ended by a line \"E\"")]
    [InlineData("failure_template = <<E\nSubject:\n\nx\nE\n", "line 2: expected \"header: text\" in ASCII")]
    [InlineData("failure_template = <<E\nSubject: x\nBcc: y\n\nx\nE\n", "line 3: unknown header \"Bcc: y\"")]
    [InlineData("failure_template = <<E\nSubject: x\nE\n", "line 2: the template has no text")]
    [InlineData("failure_template = <<E\nCharset: us-ascii\n\nné\nE\n", "line 2: the template's text is not ASCII")]
    public void Errors_name_the_line(string text, string error) => Assert.StartsWith(error, BounceTemplateFile.TryParse(text, out _), StringComparison.Ordinal);

    [Fact]
    public void Any_text_is_templates_or_an_error() =>
        Gen.Int[0, Parts.Length - 1].Array[0, 40].Sample(indices =>
        {
            var error = BounceTemplateFile.TryParse(string.Concat(indices.Select(i => Parts[i])), out var templates);
            Assert.True(error is null || error.StartsWith("line ", StringComparison.Ordinal));
            Assert.All(templates, t => Assert.EndsWith("\n", t.Text, StringComparison.Ordinal));
        });
}
