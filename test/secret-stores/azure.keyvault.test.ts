import { expect, onTestFinished, test } from "vitest";
import keyVault from "../../src/secret-stores/azure.keyvault/index.ts";
import { brief, component, folder, load } from "../resources/folder.ts";
import { EntraServer } from "../servers/entra.ts";
import { KeyVaultServer } from "../servers/key-vault.ts";
import { openStore } from "./open.ts";

const application = { clientId: "client", secret: "client-secret-canary" };

async function start() {
  const entra = await EntraServer.start(application);
  onTestFinished(() => entra[Symbol.asyncDispose]());
  const vault = await KeyVaultServer.start((token) =>
    entra.knows(token, "https://vault.azure.net/.default"),
  );
  onTestFinished(() => vault[Symbol.asyncDispose]());
  const own = {
    ...{ vaultName: "shop", vaultUri: vault.url, azureAuthorityHost: entra.url },
    ...{ azureTenantId: entra.tenant, azureClientId: "client" },
    azureClientSecret: application.secret,
  };
  return { entra, vault, own };
}

test("a secret, and none, with one token for all", async () => {
  const { entra, vault, own } = await start();
  vault.secrets.set("db", "hunter");
  const { read } = openStore(keyVault, own);
  expect(await read("db")).toEqual({ db: "hunter" });
  expect(await read("gone")).toBeUndefined();
  expect(entra.requests).toBe(1);
});

test("refusals in Key Vault's words, without the token", async () => {
  const { entra, own } = await start();
  const { read } = openStore(keyVault, own);
  const forbidden: unknown = await read("forbidden").catch((thrown: unknown) => thrown);
  expect(forbidden).toMatchObject({
    reason: "permission_denied",
    message:
      'Key Vault, asked for the secret "forbidden", answered 403: Forbidden: The user does not have secrets get permission',
  });
  await expect(read("a/b")).rejects.toMatchObject({ reason: "invalid_argument" });
  await expect(read("..")).rejects.toMatchObject({ reason: "invalid_argument" });
  const [given] = entra.given.splice(0);
  const refused: unknown = await read("db").catch((thrown: unknown) => thrown);
  expect(String(refused)).toContain("answered 401: Unauthorized: AKV10022");
  expect(String(refused)).not.toContain(given?.token);
  // The next asks for another token.
  expect(await read("db")).toBeUndefined();
});

test("a log-in that fails names what was tried, and no secret", async () => {
  const { own } = await start();
  const { read } = openStore(keyVault, { ...own, azureClientSecret: "wrong-canary" });
  const error: unknown = await read("db").catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ reason: "unauthenticated" });
  expect(String(error)).toContain("client secret");
  expect(String(error)).not.toContain("canary");
});

test.each([
  ["shop", "https://shop.vault.azure.net"],
  ["https://shop.vault.azure.cn", "https://shop.vault.azure.cn"],
  ["shop.vault.usgovcloudapi.net", "https://shop.vault.usgovcloudapi.net"],
])("vaultName %s is understood", async (vaultName) => {
  const path = folder({
    "a.yaml": component(
      "v",
      "secretstores.azure.keyvault",
      `- {name: vaultName, value: "${vaultName}"}`,
    ),
  });
  expect((await load(path)).problems).toEqual([]);
});

test("mistakes of the metadata are found at their lines", async () => {
  const metadata = '- {name: vaultName, value: "shop.evil.example/x?"}';
  const path = folder({ "a.yaml": component("v", "secretstores.azure.keyvault", metadata) });
  expect(brief((await load(path)).problems, path)).toEqual([
    expect.stringMatching(/^a\.yaml:8:\d+ error: vaultName must have letters/),
  ]);
});
