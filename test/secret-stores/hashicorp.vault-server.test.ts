import { describe, expect, test } from "vitest";
import vaultType from "../../src/secret-stores/hashicorp.vault/index.ts";
import { withClouds } from "../clouds.ts";
import { describeWith } from "../servers/describe-with.ts";
import { openStore } from "./open.ts";

describe.runIf(withClouds)("Vault itself", () => {
  describeWith("vault", { own: true }, (vault) => {
    const call = async (path: string, body: object, token = vault.rootToken): Promise<unknown> => {
      const response = await fetch(`${vault.url}/v1/${path}`, {
        method: "POST",
        headers: { "X-Vault-Token": token },
        body: JSON.stringify(body),
      });
      const text = await response.text();
      expect(response.status, text).toBeLessThan(300);
      return text === "" ? undefined : JSON.parse(text);
    };
    const mount = (path: string, version: string): Promise<unknown> =>
      call(`sys/mounts/${path}`, { type: "kv", options: { version } });

    /** KV 2 is upgraded in the background after it was mounted. */
    const write = async (path: string, body: object): Promise<void> => {
      await expect
        .poll(() =>
          call(path, body).then(
            () => true,
            () => false,
          ),
        )
        .toBe(true);
    };

    test("KV 1 and 2, versions, policies, AppRole and renewal", async () => {
      await mount("two", "2");
      await mount("one", "1");
      await write("two/data/dapr/db", { data: { user: "first" } });
      await write("two/data/dapr/db", { data: { user: "shop", port: 5432 } });
      await write("one/dapr/db", { user: "flat" });
      const own = { vaultAddr: vault.url, vaultToken: vault.rootToken };
      const two = openStore(vaultType, { ...own, enginePath: "two" });
      expect(await two.read("db")).toEqual({ user: "shop", port: "5432" });
      expect(await two.read("gone")).toBeUndefined();
      const one = openStore(vaultType, { ...own, enginePath: "one", kvVersion: "1" });
      expect(await one.read("db")).toEqual({ user: "flat" });
      expect(await one.read("gone")).toBeUndefined();
      const text = openStore(vaultType, { ...own, enginePath: "two", vaultValueType: "text" });
      expect(await text.read("db")).toEqual({ db: '{"port":5432,"user":"shop"}' });

      // A policy that allows this one secret, and a role without Vault's default policy.
      const policy = 'path "two/data/dapr/db" { capabilities = ["read"] }';
      await call("sys/policies/acl/shop", { policy });
      await call("sys/auth/approle", { type: "approle" });
      await call("auth/approle/role/shop", {
        ...{ token_policies: "shop", token_no_default_policy: true, token_ttl: "20s" },
      });
      const id = (await fetch(`${vault.url}/v1/auth/approle/role/shop/role-id`, {
        headers: { "X-Vault-Token": vault.rootToken },
      }).then((response) => response.json())) as { data: { role_id: string } };
      const secret = (await call("auth/approle/role/shop/secret-id", {})) as {
        data: { secret_id: string };
      };
      const role = openStore(vaultType, {
        ...{ vaultAddr: vault.url, enginePath: "two" },
        ...{ appRoleId: id.data.role_id, appRoleSecretId: secret.data.secret_id },
      });
      expect(await role.read("db")).toEqual({ user: "shop", port: "5432" });
      await expect(role.read("other")).rejects.toMatchObject({
        reason: "permission_denied",
        message: expect.stringContaining("permission denied"),
      });
      const wrong = openStore(vaultType, {
        ...{ vaultAddr: vault.url, appRoleId: id.data.role_id, appRoleSecretId: "wrong" },
      });
      await expect(wrong.read("db")).rejects.toMatchObject({ reason: "unauthenticated" });

      const child = (await call("auth/token/create", { policies: ["shop"], ttl: "3s" })) as {
        auth: { client_token: string };
      };
      const renewed = openStore(vaultType, {
        ...{ vaultAddr: vault.url, enginePath: "two", vaultToken: child.auth.client_token },
      });
      const begun = Date.now();
      // Longer than the token lives, if it is not renewed.
      while (Date.now() - begun < 5000)
        expect(await renewed.read("db")).toEqual({ user: "shop", port: "5432" });
    }, 60_000);
  });
});
