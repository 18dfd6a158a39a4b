import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import vaultType from "../../src/secret-stores/hashicorp.vault/index.ts";
import { brief, component, folder, load } from "../resources/folder.ts";
import { VaultStandIn } from "../servers/vault-stand-in.ts";
import { until } from "../until.ts";
import { openStore } from "./open.ts";

async function start(): Promise<VaultStandIn> {
  const vault = await VaultStandIn.start();
  onTestFinished(() => vault[Symbol.asyncDispose]());
  return vault;
}

const token = { vaultToken: "root-canary" };

test("a secret of KV 2, with and without prefix, as a map and as text", async () => {
  const vault = await start();
  vault.secrets.set("dapr/db", { user: "shop", port: 5432, nested: { a: [1] } });
  vault.secrets.set("team/apps/db", { user: "other" });
  vault.secrets.set("bare", { user: "none", big: 1 });
  const own = { vaultAddr: vault.url, ...token };
  const { read } = openStore(vaultType, own);
  expect(await read("db")).toEqual({ user: "shop", port: "5432", nested: '{"a":[1]}' });
  expect(await read("gone")).toBeUndefined();
  const team = openStore(vaultType, { ...own, vaultKVPrefix: "team" });
  expect(await team.read("apps/db")).toEqual({ user: "other" });
  const bare = openStore(vaultType, { ...own, vaultKVUsePrefix: "false", vaultValueType: "text" });
  expect(await bare.read("bare")).toEqual({ bare: '{"user":"none","big":1}' });
});

test("a secret of KV 1, of another engine and namespace", async () => {
  const vault = await start();
  vault.flat.set("dapr/db", { user: "flat" });
  const { read } = openStore(vaultType, {
    ...{ vaultAddr: `${vault.url}/`, ...token },
    ...{ enginePath: "kv", kvVersion: "1", vaultNamespace: "teams/shop" },
  });
  expect(await read("db")).toEqual({ user: "flat" });
  expect(vault.namespace).toBe("teams/shop");
});

test("AppRole: logs in once, renews, logs in anew where the token has ended, and gives it back", async () => {
  const vault = await start();
  vault.secrets.set("dapr/db", { user: "shop" });
  vault.lifetime = 2;
  const { store, read } = openStore(vaultType, {
    vaultAddr: vault.url,
    ...{ appRoleId: "role-1", appRoleSecretId: "secret-id-canary" },
  });
  await Promise.all([read("db"), read("gone"), read("db")]);
  const logins = (): number => vault.requests.filter((one) => one.includes("login")).length;
  expect(logins()).toBe(1);
  await until(() => vault.requests.some((one) => one.includes("renew-self")), {
    what: "the token to be renewed",
  });
  expect(await read("db")).toEqual({ user: "shop" });
  expect(logins()).toBe(1);
  expect(vault.tokens.size).toBe(2);
  await store[Symbol.asyncDispose]();
  expect([...vault.tokens.keys()]).toEqual(["root-canary"]);
});

test("Kubernetes: logs in with the service account's token", async () => {
  const vault = await start();
  vault.secrets.set("dapr/db", { user: "shop" });
  const path = folder({ token: "service-account-canary\n" });
  const { read } = openStore(vaultType, {
    ...{ vaultAddr: vault.url, kubernetesRole: "shop" },
    kubernetesTokenPath: join(path, "token"),
  });
  expect(await read("db")).toEqual({ user: "shop" });
});

test("the token of a file is read anew", async () => {
  const vault = await start();
  vault.secrets.set("dapr/db", { user: "shop" });
  const path = folder({ token: "root-canary\n" });
  const file = join(path, "token");
  const { read } = openStore(vaultType, { vaultAddr: vault.url, vaultTokenMountPath: file });
  expect(await read("db")).toEqual({ user: "shop" });
  vault.tokens.delete("root-canary");
  await expect(read("db")).rejects.toMatchObject({ reason: "permission_denied" });
  vault.allow("second-canary", 0);
  writeFileSync(file, "second-canary");
  expect(await read("db")).toEqual({ user: "shop" });
});

test("a renewable token that is given is renewed", async () => {
  const vault = await start();
  vault.secrets.set("dapr/db", { user: "shop" });
  vault.allow("short-canary", 2);
  const { read } = openStore(vaultType, { vaultAddr: vault.url, vaultToken: "short-canary" });
  await read("db");
  await until(() => vault.requests.some((one) => one.includes("renew-self")), {
    what: "the token to be renewed",
  });
});

test.each([
  [
    "a bad token",
    { vaultToken: "wrong-canary" },
    "permission_denied",
    "answered 403: permission denied (token ***)",
  ],
  [
    "a bad AppRole",
    { appRoleId: "role-1", appRoleSecretId: "wrong-canary" },
    "unauthenticated",
    "log in by AppRole, answered 400: invalid role or secret ID",
  ],
  [
    "no token file",
    { vaultTokenMountPath: "/nowhere/token" },
    "unavailable",
    "vaultTokenMountPath: the file /nowhere/token cannot be read",
  ],
] as const)("%s is said, and nothing secret", async (_, login, reason, message) => {
  const vault = await start();
  const { read, logger } = openStore(vaultType, { vaultAddr: vault.url, ...login });
  const error: unknown = await read("db").catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ reason, message: expect.stringContaining(message) });
  expect(JSON.stringify([error, String(error), logger.lines])).not.toContain("canary");
});

test("a store that is sealed, cut off or does not answer is away", async () => {
  const vault = await start();
  const own = { vaultAddr: vault.url, ...token };
  vault.outage = 503;
  const sealed = openStore(vaultType, own).read("db");
  await expect(sealed).rejects.toMatchObject({
    reason: "unavailable",
    message: "Vault, asked for secret/data/dapr/db, answered 503: Vault is sealed",
  });
  vault.outage = "hang";
  const hanging = openStore(vaultType, own, { longestRead: 50 }).read("db");
  await expect(hanging).rejects.toMatchObject({ reason: "deadline_exceeded" });
  await vault.stop();
  await expect(openStore(vaultType, own).read("db")).rejects.toMatchObject({
    reason: "unavailable",
  });
});

test.each(["../sys/mounts", "a/../../b", "."])("the name %s leads nowhere else", async (name) => {
  const vault = await start();
  const { read } = openStore(vaultType, { vaultAddr: vault.url, ...token });
  await expect(read(name)).rejects.toMatchObject({ reason: "invalid_argument" });
  expect(vault.requests.filter((one) => !one.includes("lookup-self"))).toEqual([]);
});

test("a name with characters of URLs stays one", async () => {
  const vault = await start();
  vault.secrets.set("dapr/a?b#c%2e d", { x: "1" });
  const { read } = openStore(vaultType, { vaultAddr: vault.url, ...token });
  expect(await read("a?b#c%2e d")).toEqual({ x: "1" });
});

test("mistakes of the metadata are found at their lines", async () => {
  const yaml = (metadata: string): string =>
    component("vault", "secretstores.hashicorp.vault", metadata);
  const found = async (metadata: string): Promise<string[]> => {
    const path = folder({ "a.yaml": yaml(metadata) });
    return brief((await load(path)).problems, path);
  };
  expect(
    await found("- {name: vaultToken, value: canary}\n- {name: vaultTokenMountPath, value: /x}"),
  ).toEqual([
    "a.yaml:9:42 error: vaultTokenMountPath and vaultToken are both set; give one way to log in",
  ]);
  expect(
    await found("- {name: vaultAddr, value: 'vault:8200'}\n- {name: vaultToken, value: canary}"),
  ).toEqual([expect.stringMatching(/^a\.yaml:8:32 error: vaultAddr: the URL .* cannot be used/)]);
  expect(
    await found("- {name: vaultTokn, value: canary}\n- {name: refreshInterval, value: 10ms}"),
  ).toEqual([
    expect.stringMatching(
      /^a\.yaml:8:14 (error|warning): property "vaultTokn" .*did you mean "vaultToken"/,
    ),
    'a.yaml:9:38 error: property "refreshInterval": "10ms" must be "0", or at least "1s"',
  ]);
});
