import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { afterAll, expect, onTestFinished, test } from "vitest";
import kubernetes from "../../src/secret-stores/kubernetes/index.ts";
import { makeCertificates } from "../bindings/certificates.ts";
import { component, folder, load } from "../resources/folder.ts";
import { KubernetesApi } from "../servers/kubernetes-api.ts";
import { openStore } from "./open.ts";

const certificates = makeCertificates();
afterAll(() => certificates.remove());

async function start() {
  const api = await KubernetesApi.start(certificates.server);
  onTestFinished(() => api[Symbol.asyncDispose]());
  const path = folder({ token: api.token, "ca.crt": certificates.ca });
  const kubeconfigPath = join(path, "config");
  const write = (user: string, cluster = ""): void => {
    const lines = [
      ...["apiVersion: v1", "kind: Config", "current-context: here"],
      "contexts: [{name: here, context: {cluster: c, user: u}}]",
      `clusters: [{name: c, cluster: {server: "https://localhost:${api.port}", certificate-authority: ca.crt${cluster}}}]`,
      `users: [{name: u, user: {${user}}}]`,
    ];
    writeFileSync(kubeconfigPath, lines.join("\n"));
  };
  write("tokenFile: token");
  return { api, path, kubeconfigPath, write };
}

test("a secret of the component's namespace, of NAMESPACE, and of the default one", async () => {
  const { api, kubeconfigPath } = await start();
  for (const namespace of ["own", "env", "usual"])
    api.secrets.set(`${namespace}/db`, { user: namespace, "key.pem": "a\nb" });
  const own = { kubeconfigPath, defaultNamespace: "usual" };
  const env = { NAMESPACE: "env" };
  const inEnv = openStore(kubernetes, own, { env });
  expect(await inEnv.read("db", "own")).toEqual({ user: "own", "key.pem": "a\nb" });
  expect(await inEnv.read("db")).toMatchObject({ user: "env" });
  expect(await openStore(kubernetes, own).read("db")).toMatchObject({ user: "usual" });
  expect(await inEnv.read("gone", "own")).toBeUndefined();
  await expect(openStore(kubernetes, { kubeconfigPath }).read("db")).rejects.toThrow(
    "namespace is missing on metadata and NAMESPACE env variable",
  );
});

test("the token's file is read anew, and a token in the file serves too", async () => {
  const { api, path, kubeconfigPath, write } = await start();
  api.secrets.set("shop/db", { user: "shop" });
  const { read } = openStore(kubernetes, { kubeconfigPath });
  expect(await read("db", "shop")).toEqual({ user: "shop" });
  api.token = "renewed-canary";
  await expect(read("db", "shop")).rejects.toMatchObject({ reason: "unauthenticated" });
  writeFileSync(join(path, "token"), "renewed-canary\n");
  expect(await read("db", "shop")).toEqual({ user: "shop" });
  write("token: renewed-canary");
  const other = openStore(kubernetes, { kubeconfigPath });
  expect(await other.read("db", "shop")).toEqual({ user: "shop" });
});

test("what the API refuses is said in its words; names lead nowhere else", async () => {
  const { kubeconfigPath } = await start();
  const { read } = openStore(kubernetes, { kubeconfigPath });
  await expect(read("db", "kube-system")).rejects.toMatchObject({
    reason: "permission_denied",
    message: expect.stringContaining('answered 403: secrets "db" is forbidden'),
  });
  for (const name of ["..", "."])
    await expect(read(name, "shop")).rejects.toMatchObject({ reason: "invalid_argument" });
  expect(await read("../../other/secrets/x", "shop")).toBeUndefined();
});

test("a kubeconfig that cannot be used is said, and nothing of it quoted", async () => {
  const { kubeconfigPath, write } = await start();
  const why = async (): Promise<string> =>
    String(
      await openStore(kubernetes, { kubeconfigPath })
        .read("db", "shop")
        .catch((error: unknown) => error),
    );
  write("exec: {command: aws, args: [canary]}");
  expect(await why()).toContain("users by exec, which run programs, are not supported");
  writeFileSync(kubeconfigPath, "users: [token: canary");
  expect(await why()).toContain("it is not valid YAML");
  expect(await why()).not.toContain("canary");
  writeFileSync(kubeconfigPath, "current-context: none");
  expect(await why()).toContain('it has no entry "none" in contexts');
});

test("a certificate of another authority is not trusted", async () => {
  const { kubeconfigPath, path } = await start();
  const others = makeCertificates();
  writeFileSync(join(path, "ca.crt"), others.ca);
  others.remove();
  await expect(openStore(kubernetes, { kubeconfigPath }).read("db", "shop")).rejects.toMatchObject({
    reason: "unavailable",
  });
});

test("check says nothing of a component whose secrets are in the cluster", async () => {
  const store = component(
    "k8s",
    "secretstores.kubernetes",
    "- {name: defaultNamespace, value: shop}",
  );
  const uses = component(
    ...([
      "x",
      "bindings.redis",
      "- {name: redisHost, secretKeyRef: {name: db, key: host}}",
    ] as const),
    "auth: {secretStore: k8s}",
  );
  const path = folder({ "a.yaml": `${store}---\n${uses}` });
  expect((await load(path, { remoteSecrets: "skip" })).problems).toEqual([]);
});
