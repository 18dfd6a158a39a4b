import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { KubernetesLogin } from "../../../src/identity/kubernetes/access.ts";
import { folder } from "../../resources/folder.ts";

const inPod = { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "443" };

test("in a pod the service account, read anew each time, before any kubeconfig", async () => {
  const account = folder({ token: "one\n", "ca.crt": "first", namespace: "shop" });
  const login = new KubernetesLogin("/no/kubeconfig", inPod, account);
  expect(await login.read()).toEqual({
    ...{ url: "https://10.0.0.1:443", tls: { ca: "first" }, namespace: "shop" },
    ...{ authorization: "Bearer one", secret: "one" },
  });
  writeFileSync(join(account, "token"), "two");
  writeFileSync(join(account, "ca.crt"), "second");
  expect(await login.read()).toMatchObject({ authorization: "Bearer two", tls: { ca: "second" } });
  rmSync(join(account, "ca.crt"));
  await expect(login.read()).rejects.toMatchObject({ reason: "unavailable" });
});

test("an address of IPv6, and an account without a namespace", async () => {
  const account = folder({ token: "one", "ca.crt": "ca" });
  const env = { ...inPod, KUBERNETES_SERVICE_HOST: "fd00::1" };
  expect(await new KubernetesLogin(undefined, env, account).read()).toMatchObject({
    ...{ url: "https://[fd00::1]:443", namespace: undefined },
  });
});

test("a kubeconfig: certificates and tokens of files are read anew, its namespace is that of the context", async () => {
  const path = folder({ cert: "c1", key: "k1" });
  const config = join(path, "config");
  const lines = [
    "current-context: here",
    "contexts: [{name: here, context: {cluster: c, user: u, namespace: shop}}]",
    "clusters: [{name: c, cluster: {server: 'https://h', tls-server-name: n}}]",
    "users: [{name: u, user: {client-certificate: cert, client-key: key}}]",
  ];
  writeFileSync(config, lines.join("\n"));
  const login = new KubernetesLogin(undefined, { KUBECONFIG: config });
  expect(await login.read()).toEqual({
    ...{ url: "https://h", namespace: "shop", authorization: undefined, secret: undefined },
    tls: { cert: "c1", key: "k1", servername: "n" },
  });
  writeFileSync(join(path, "cert"), "c2");
  expect((await login.read()).tls).toMatchObject({ cert: "c2" });
  writeFileSync(config, lines.join("\n").replace("https://h", "https://other"));
  expect((await login.read()).url).toBe("https://other");
});
