import { BindingError, messageOf } from "../../errors.ts";
import { parseAddress } from "../../http-client/address.ts";
import { needsEntraDriver, openEntra } from "../../identity/azure/entra.ts";
import { entraDrivers } from "../../identity/azure/links.ts";
import { cloudOf } from "../../identity/azure/settings.ts";
import { entraFields } from "../../metadata/entra-fields.ts";
import { string, type Values } from "../../metadata/fields.ts";
import { defineSecretStore, singleValue } from "../../secret-store.ts";
import { encodePath, member, restFailure, RestClient } from "../rest.ts";

const fields = {
  vaultName: string({
    description:
      "The vault's name; its whole host, as `shop.vault.azure.net`, is understood too. Dapr has the cloud of such a host in place of `azureEnvironment`; so has this.",
    required: true,
    example: "shop",
  }),
  vaultUri: string({
    description:
      "The vault's base URL, for a private cloud or an emulator. Default: by `vaultName` and the cloud. Dapr has no such field.",
    example: "https://shop.vault.internal",
  }),
  ...entraFields,
} as const;

type Metadata = Values<typeof fields>;

/** Of the REST API; the newest that every cloud has. */
const version = "7.4";

/** Secrets of Azure Key Vault, each in its newest version. */
export default defineSecretStore({
  name: "azure.keyvault",
  status: "beta",
  summary: "Reads secrets from Azure Key Vault.",
  provedBy: ["a stand-in for Key Vault and Entra ID, written for the tests"],
  isRemote: true,
  drivers: entraDrivers,
  needsDriver: (_, metadata) => needsEntraDriver(metadata),
  metadata: fields,

  check(metadata) {
    try {
      parseAddress(placeOf(metadata).url);
      return [];
    } catch (error) {
      return [messageOf(error)];
    }
  },

  async open({ metadata, memory, driver, hide, env }) {
    const { url, scope, settings } = placeOf(metadata);
    const client = await RestClient.open(url, memory);
    const environment = env as NodeJS.ProcessEnv;
    const entra = openEntra({ settings, driver, hide, environment });
    return {
      async read(name, { signal }) {
        const path = `/secrets/${encodePath(name)}?api-version=${version}`;
        const token = await entra.token(scope, signal);
        const headers = { authorization: `Bearer ${token}` };
        const answer = await client.ask({ path, headers, signal });
        if (answer.status === 404) return undefined;
        if (answer.status === 401) entra.refused(token);
        if (answer.status !== 200) {
          const words = [
            member(answer.json, "error", "code"),
            member(answer.json, "error", "message"),
          ];
          const said = words.filter((word) => typeof word === "string").join(": ");
          throw restFailure(
            `Key Vault, asked for the secret ${JSON.stringify(name)},`,
            answer,
            said,
          );
        }
        const value = member(answer.json, "value");
        return typeof value === "string" ? singleValue(name, value) : undefined;
      },
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    };
  },
});

const suffixes = {
  ".vault.azure.net": "AzurePublicCloud",
  ".vault.azure.cn": "AzureChinaCloud",
  ".vault.usgovcloudapi.net": "AzureUSGovernmentCloud",
} as const;

/** Where the vault is, and what its tokens are for. */
function placeOf(metadata: Metadata): {
  url: string;
  scope: string;
  settings: Omit<Metadata, "vaultName" | "vaultUri">;
} {
  const written = metadata.vaultName.replace(/^https:\/\//i, "").replace(/\/+$/, "");
  const known = Object.entries(suffixes).find(([suffix]) => written.endsWith(suffix));
  const settings = known ? { ...metadata, azureEnvironment: known[1] } : metadata;
  const name = known ? written.slice(0, -known[0].length) : written;
  // It becomes part of a host.
  if (!/^[a-z\d](?:[a-z\d-]*[a-z\d])?$/i.test(name)) {
    const text = "vaultName must have letters, digits and hyphens alone, or be the vault's host";
    throw new BindingError("invalid_argument", text);
  }
  const { keyVaultSuffix } = cloudOf(settings);
  const url = metadata.vaultUri || `https://${name}.${keyVaultSuffix}`;
  return { url, scope: `https://${keyVaultSuffix}/.default`, settings };
}
