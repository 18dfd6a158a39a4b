import { expect, onTestFinished, test } from "vitest";
import { component, folder } from "../resources/folder.ts";
import { VaultStandIn } from "../servers/vault-stand-in.ts";
import { cufflinkHere } from "./in-process.ts";

test("check asks a remote store only with --remote-secrets", async () => {
  const vault = await VaultStandIn.start();
  onTestFinished(() => vault[Symbol.asyncDispose]());
  vault.secrets.set("dapr/db", { other: "value-canary" });
  const metadata = `- {name: vaultAddr, value: "${vault.url}"}\n- {name: vaultToken, value: root-canary}`;
  const path = folder({
    "a.yaml": [
      component("vault", "secretstores.hashicorp.vault", metadata),
      component(
        ...[
          "x",
          "bindings.localstorage",
          "- {name: rootPath, secretKeyRef: {name: db, key: path}}",
        ],
        "auth: {secretStore: vault}",
      ),
    ].join("---\n"),
  });
  const plain = await cufflinkHere(["check", path]);
  expect(plain).toMatchObject({ code: 0, stdout: "1 component: no problems\n" });
  expect(vault.requests).toEqual([]);

  const asked = await cufflinkHere(["check", "--remote-secrets", path]);
  expect(asked.code).toBe(1);
  expect(asked.stdout).toContain("a.yaml:18:45 error:");
  expect(asked.stdout).toContain('secret "db" in "vault" has no key "path"');
  expect(asked.stdout + asked.stderr).not.toContain("canary");
  expect(vault.requests.filter((one) => one.includes("/data/"))).toEqual([
    "GET /v1/secret/data/dapr/db",
  ]);

  const both = await cufflinkHere(["check", "--remote-secrets", "--no-secrets", path]);
  expect(both.code).not.toBe(0);
  expect(both.stderr).toContain("give one");
});

test("check --mode kubernetes takes components that name no store for ones of Kubernetes' own secrets", async () => {
  const metadata = "- {name: rootPath, secretKeyRef: {name: paths, key: root}}";
  const path = folder({ "a.yaml": component("x", "bindings.localstorage", metadata) });
  expect((await cufflinkHere(["check", path])).stdout).toContain("names no secret store");
  const there = await cufflinkHere(["check", "--mode", "kubernetes", path]);
  expect(there).toMatchObject({ code: 0, stdout: "1 component: no problems\n" });
  const wrong = await cufflinkHere(["check", "--mode", "swarm", path]);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain('--mode "swarm" is none of standalone, kubernetes');
});
