import { list, string } from "./fields.ts";

/** How a component logs in to Microsoft Entra ID, by the names of Dapr. */
export const entraFields = {
  azureTenantId: string({
    description: "The Entra tenant, for a client secret or a certificate.",
    aliases: ["spnTenantId", "tenantId"],
    example: "cd4b2887-304c-47e1-b4d5-65447fdd542b",
  }),
  azureClientId: string({
    description: "The client (application) id, or that of a user-assigned managed identity.",
    aliases: ["spnClientId", "clientId"],
    example: "c7dd251f-811f-4ba2-a905-acd4d3f8f08b",
  }),
  azureClientSecret: string({
    description: "The client's secret.",
    sensitive: true,
    aliases: ["spnClientSecret", "clientSecret"],
  }),
  azureCertificate: string({
    description:
      "The client's certificate and its RSA key: both in PEM, or PKCS#12 (PFX) in base64.",
    sensitive: true,
    aliases: ["spnCertificate"],
  }),
  azureCertificateFile: string({
    description: "A file with the client's certificate and its RSA key, in PEM or PKCS#12 (PFX).",
    aliases: ["spnCertificateFile"],
    example: "/etc/shop/client.pfx",
  }),
  azureCertificatePassword: string({
    description: "The password of the PKCS#12.",
    sensitive: true,
    aliases: ["spnCertificatePassword"],
  }),
  azureEnvironment: string({
    description: "The cloud: AzurePublicCloud, AzureChinaCloud or AzureUSGovernmentCloud.",
    default: "AzurePublicCloud",
    aliases: ["azureCloud"],
  }),
  azureAuthMethods: list({
    description:
      "The ways to log in, tried in this order and separated by commas: clientcredentials (creds), clientcertificate (cert), workloadidentity (wi), managedidentity (mi), commandlineinterface (cli); none forbids all.",
    aliases: ["azureADAuthMethods", "entraIDAuthMethods", "microsoftEntraIDAuthMethods"],
    example: "workloadidentity, managedidentity",
  }),
  azureAuthorityHost: string({
    description:
      "Where Entra ID gives tokens, for a private cloud. Default: that of the cloud. Dapr has no such field.",
    example: "https://login.microsoftonline.com",
  }),
} as const;
