import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { expect, test } from "vitest";
import { rolesFor } from "../../src/kubernetes/roles.ts";
import { cufflinkHere } from "../cli/in-process.ts";
import { component, folder } from "../resources/folder.ts";

const secret = (property: string, name: string) =>
  `- {name: ${property}, secretKeyRef: {name: ${name}, key: k}}`;
const files = {
  "own.yaml": component("queue", "bindings.rabbitmq", secret("host", "rabbit")),
  "named.yaml": component(
    ...(["cache", "bindings.redis", secret("redisPassword", "redis")] as const),
    "auth: {secretStore: kubernetes}",
  ),
  "vault.yaml": component(
    ...(["vault", "secretstores.hashicorp.vault", secret("vaultToken", "vault-token")] as const),
  ),
  "by-vault.yaml": component(
    ...(["other", "bindings.redis", secret("redisPassword", "in-vault")] as const),
    "auth: {secretStore: vault}",
  ),
  "unused.yaml": component("idle", "secretstores.azure.keyvault", secret("azureClientId", "idle")),
  "scoped.yaml": component(
    ...(["far", "bindings.redis", secret("redisPassword", "of-others")] as const),
    "scopes: [billing]",
  ),
  "pubsub.yaml": component("bus", "pubsub.redis", secret("redisPassword", "of-pubsub")),
};

const run = (...args: readonly string[]) => cufflinkHere(["kubernetes", "roles", ...args]);
const documents = (text: string) =>
  parseAllDocuments(text).map((one) => (one as { toJS(): unknown }).toJS());

test("each secret that the app's components need of Kubernetes is named, and no other", async () => {
  const args = ["--app-id", "orders", "-n", "shop", "--service-account", "web", "--config", "main"];
  const { code, stdout } = await run(folder(files), ...args);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^# The secret rabbit is needed by queue\.\n/);
  const [role, binding] = documents(stdout);
  expect(role).toMatchObject({
    kind: "Role",
    metadata: { name: "cufflink-orders", namespace: "shop" },
    rules: [
      {
        ...{ apiGroups: ["dapr.io"], resources: ["components", "resiliencies"] },
        verbs: ["list", "watch"],
      },
      {
        ...{ apiGroups: ["dapr.io"], resources: ["configurations"], resourceNames: ["main"] },
        verbs: ["list", "watch"],
      },
      {
        ...{ apiGroups: [""], resources: ["secrets"], verbs: ["get"] },
        resourceNames: ["rabbit", "redis", "vault-token"],
      },
    ],
  });
  expect(binding).toMatchObject({
    ...{ kind: "RoleBinding", roleRef: { kind: "Role", name: "cufflink-orders" } },
    subjects: [{ kind: "ServiceAccount", name: "web", namespace: "shop" }],
  });
});

test("components of another namespace do not count, and without an app those of every scope do", async () => {
  const there = files["own.yaml"].replace("{name: queue}", "{name: queue, namespace: there}");
  const { stdout } = await run(folder({ ...files, "own.yaml": there }), "-n", "shop");
  const [role] = documents(stdout);
  expect(role).toMatchObject({ metadata: { name: "cufflink" } });
  expect(JSON.stringify(role)).toContain('["of-others","redis","vault-token"]');
});

test("a list, as kubectl writes it", async () => {
  const items = Object.values(files)
    .map((text) => `- ${text.trimEnd().replaceAll("\n", "\n  ")}\n`)
    .join("");
  const path = folder({ "list.yaml": `apiVersion: v1\nkind: List\nitems:\n${items}` });
  const { stdout } = await run(join(path, "list.yaml"), "--app-id", "orders");
  expect(JSON.stringify(documents(stdout)[0])).toContain('["rabbit","redis","vault-token"]');
});

test("what cannot be read might need a right: nothing is printed", async () => {
  const { code, stdout, stderr } = await run(folder({ ...files, "bad.yaml": "kind: [" }));
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain("bad.yaml");
});

test("without secrets there is no rule of secrets, as one without names would be for all", () => {
  const options = { name: "x", namespace: "shop", serviceAccount: "web", secrets: [] };
  expect(rolesFor(options)[0].rules).toHaveLength(1);
});

test("the page shows the rules that are printed", async () => {
  const path = folder({ "own.yaml": files["own.yaml"] });
  const { stdout } = await run(path);
  const { rules } = documents(stdout)[0] as { rules: unknown };
  const page = readFileSync(join(import.meta.dirname, "../../docs/kubernetes.md"), "utf8");
  const shown = /```\n(rules:\n[^`]*)```/.exec(page)?.[1] ?? "";
  expect(documents(shown)).toEqual([{ rules }]);
});
