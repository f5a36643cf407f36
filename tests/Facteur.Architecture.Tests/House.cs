using System.Xml.Linq;
using Mono.Cecil;

namespace Facteur.Architecture.Tests;

/// <summary>The source tree and the assemblies built from it.</summary>
internal static class House
{
    public static readonly string[] Libraries = ["Mail", "Unix", "Config", "Contracts", "Spool", "Net", "Tables", "Services", "Commands", "Root"];

    public static string Root { get; } = FindRoot();

    public static AssemblyDefinition Read(string library) => AssemblyDefinition.ReadAssembly(Path.Combine(AppContext.BaseDirectory, $"Facteur.{library}.dll"));

    /// <summary>Libraries that a project names, without "Facteur.".</summary>
    public static IEnumerable<string> References(string library) =>
        XDocument.Load(Path.Combine(Root, "src", $"Facteur.{library}", $"Facteur.{library}.csproj")).Descendants("ProjectReference")
            .Select(r => Path.GetFileNameWithoutExtension((string)r.Attribute("Include")!)["Facteur.".Length..]);

    /// <summary>All types, nested ones too, with the types their members and code name.</summary>
    public static IEnumerable<(TypeDefinition Type, TypeReference Used)> Uses(AssemblyDefinition assembly) =>
        from type in assembly.MainModule.GetTypes()
        from used in Used(type)
        select (type, used);

    /// <summary>The outermost type: compilers put closures and state machines into nested ones.</summary>
    public static TypeReference Outermost(TypeReference type)
    {
        type = type.GetElementType();
        while (type.DeclaringType is { } outer)
        {
            type = outer;
        }
        return type;
    }

    private static IEnumerable<TypeReference> Used(TypeDefinition type)
    {
        var direct = type.Interfaces.Select(i => i.InterfaceType)
            .Concat(type.BaseType is null ? [] : [type.BaseType])
            .Concat(type.Fields.Select(f => f.FieldType))
            .Concat(type.Methods.SelectMany(OfMethod));
        return direct.SelectMany(Flatten).Distinct();
    }

    private static IEnumerable<TypeReference> OfMethod(MethodDefinition method)
    {
        var signature = method.Parameters.Select(p => p.ParameterType).Append(method.ReturnType);
        return !method.HasBody ? signature : signature
            .Concat(method.Body.Variables.Select(v => v.VariableType))
            .Concat(method.Body.Instructions.Select(i => i.Operand switch
            {
                MethodReference called => called.DeclaringType,
                FieldReference field => field.DeclaringType,
                TypeReference named => named,
                _ => null,
            }).OfType<TypeReference>());
    }

    private static IEnumerable<TypeReference> Flatten(TypeReference type) =>
        type is GenericInstanceType generic ? generic.GenericArguments.SelectMany(Flatten).Append(generic.ElementType)
        : type is TypeSpecification specification ? Flatten(specification.ElementType) : [type];

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "Facteur.slnx")))
        {
            directory = directory.Parent ?? throw new InvalidOperationException("Facteur.slnx is in no directory above the tests");
        }
        return directory.FullName;
    }
}
