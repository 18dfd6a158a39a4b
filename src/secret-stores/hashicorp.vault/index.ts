import { parseAddress } from "../../http-client/address.ts";
import { messageOf } from "../../errors.ts";
import type { Values } from "../../metadata/fields.ts";
import { defineSecretStore, singleValue } from "../../secret-store.ts";
import { encodePath, member, restFailure, RestClient, textOfJson } from "../rest.ts";
import { vaultFields } from "./fields.ts";
import { said, VaultSession } from "./session.ts";
import { vaultTls } from "./tls.ts";

/** Secrets of a KV engine of HashiCorp Vault, by its HTTP API. */
export default defineSecretStore({
  name: "hashicorp.vault",
  status: "stable",
  summary: "Reads secrets from the key-value engine of HashiCorp Vault.",
  provedBy: ["Vault 1.14.1 (its core)", "a stand-in for Vault, written for the tests"],
  isRemote: true,
  metadata: vaultFields,
  example: {
    vaultAddr: "https://127.0.0.1:8200",
    vaultTokenMountPath: "/var/run/vault/token",
  },

  check: (metadata) => [...checkLogin(metadata), ...checkPaths(metadata)],

  async open({ metadata, memory, hide, logger }) {
    const { vaultAddr, enginePath, kvVersion, vaultKVPrefix, vaultKVUsePrefix } = metadata;
    const client = await RestClient.open(vaultAddr, memory, await vaultTls(metadata));
    const session = new VaultSession(client, metadata, { hide, logger });
    const engine = encodePath(enginePath || "secret");
    const prefix = vaultKVUsePrefix ? encodePath(vaultKVPrefix || "dapr") : "";
    const isVersioned = kvVersion === "2";
    return {
      async read(name, { signal }) {
        const parts = [engine, isVersioned ? "data" : "", prefix, encodePath(name)];
        const path = parts.filter((part) => part !== "").join("/");
        const answer = await session.get(path, signal);
        if (answer.status === 404) return undefined;
        if (answer.status !== 200)
          throw restFailure(`Vault, asked for ${path},`, answer, said(answer));
        const data = isVersioned
          ? member(answer.json, "data", "data")
          : member(answer.json, "data");
        if (typeof data !== "object" || data === null) return undefined;
        if (metadata.vaultValueType === "text") return singleValue(name, textOfJson(data));
        return new Map(Object.entries(data).map(([key, value]) => [key, textOfJson(value)]));
      },
      async [Symbol.asyncDispose]() {
        await session[Symbol.asyncDispose]();
        await client[Symbol.asyncDispose]();
      },
    };
  },
});

type Metadata = Values<typeof vaultFields>;

function checkLogin(metadata: Metadata): string[] {
  const ways = (
    ["vaultToken", "vaultTokenMountPath", "appRoleId", "kubernetesRole"] as const
  ).filter((name) => Boolean(metadata[name]));
  if (ways.length === 0)
    return [
      "token mount path and token not set: give vaultToken, vaultTokenMountPath, appRoleId or kubernetesRole",
    ];
  const [first, second] = ways;
  if (second !== undefined) return [`${second} and ${first} are both set; give one way to log in`];
  const { appRoleId, appRoleSecretId, appRoleSecretIdPath } = metadata;
  if (appRoleSecretId && appRoleSecretIdPath)
    return ["appRoleSecretIdPath and appRoleSecretId are both set; give one"];
  if (appRoleSecretId && !appRoleId)
    return ["appRoleSecretId goes with appRoleId, which is not set"];
  if (appRoleSecretIdPath && !appRoleId)
    return ["appRoleSecretIdPath goes with appRoleId, which is not set"];
  return [];
}

function checkPaths(metadata: Metadata): string[] {
  return [
    ...problem("vaultAddr", () => parseAddress(metadata.vaultAddr)),
    ...(
      ["enginePath", "vaultKVPrefix", "appRoleMountPath", "kubernetesMountPath"] as const
    ).flatMap((name) => problem(name, () => encodePath(metadata[name]))),
  ];
}

function problem(name: string, work: () => unknown): string[] {
  try {
    work();
    return [];
  } catch (error) {
    return [`${name}: ${messageOf(error)}`];
  }
}
