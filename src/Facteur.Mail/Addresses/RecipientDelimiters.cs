namespace Facteur.Mail.Addresses;

/// <summary>How a local part is cut into user and extension.</summary>
/// <param name="Characters">recipient_delimiter: each character is one; "" for none.</param>
/// <param name="KeepsListNames">owner_request_special: with "-" among them owner-list and list-request stay whole.</param>
public readonly record struct RecipientDelimiters(string Characters, bool KeepsListNames = true);
