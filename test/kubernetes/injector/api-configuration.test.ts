import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { KubernetesLogin } from "../../../src/identity/kubernetes/access.ts";
import { KubernetesClient } from "../../../src/kubernetes-client/client.ts";
import { ApiConfiguration } from "../../../src/kubernetes/injector/api-configuration.ts";
import { folder } from "../../resources/folder.ts";

/** An API server that gives these answers, in their order. */
async function start(answers: [status: number, body: object][]) {
  const asked: { line: string; type: string | undefined; body: string }[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const line = `${request.method} ${request.url}`;
      asked.push({ line, type: request.headers["content-type"], body });
      const [status, object] = answers.shift() ?? [500, {}];
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(object));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const kubeconfig = folder({
    config: [
      "current-context: here",
      "contexts: [{name: here, context: {cluster: c, user: u}}]",
      `clusters: [{name: c, cluster: {server: "${url}"}}]`,
      "users: [{name: u, user: {token: t}}]",
    ].join("\n"),
  });
  const login = new KubernetesLogin(join(kubeconfig, "config"), {});
  const client = new KubernetesClient({ login });
  onTestFinished(() => client[Symbol.dispose]());
  return { asked, configuration: new ApiConfiguration(client, "mine") };
}

const signal = AbortSignal.timeout(20_000);
const found = {
  metadata: { resourceVersion: "7" },
  webhooks: [{ clientConfig: { caBundle: Buffer.from("old").toString("base64") } }, {}],
};

test("is read and changed by its name, in the version that was read", async () => {
  const { asked, configuration } = await start([
    [200, found],
    [200, {}],
    [409, { reason: "Conflict" }],
  ]);
  const read = await configuration.read(signal);
  expect(read).toEqual({ resourceVersion: "7", bundles: ["old", ""] });
  expect(await configuration.write({ ...read, bundles: ["new", "new"] }, signal)).toBe(true);
  expect(await configuration.write(read, signal)).toBe(false);
  const path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/mine";
  expect(asked.map(({ line }) => line)).toEqual([`GET ${path}`, `PATCH ${path}`, `PATCH ${path}`]);
  expect(asked[1]?.type).toBe("application/json-patch+json");
  const value = Buffer.from("new").toString("base64");
  expect(JSON.parse(asked[1]?.body ?? "")).toEqual([
    { op: "replace", path: "/metadata/resourceVersion", value: "7" },
    { op: "add", path: "/webhooks/0/clientConfig/caBundle", value },
    { op: "add", path: "/webhooks/1/clientConfig/caBundle", value },
  ]);
});

test("a right that is missing is told with the server's words", async () => {
  const { configuration } = await start([
    [403, { message: "cannot get resource", reason: "Forbidden" }],
    [403, { message: "cannot patch resource", reason: "Forbidden" }],
  ]);
  await expect(configuration.read(signal)).rejects.toThrow(
    "reading the MutatingWebhookConfiguration mine: HTTP 403: cannot get resource",
  );
  await expect(configuration.write({ resourceVersion: "7", bundles: [] }, signal)).rejects.toThrow(
    "changing the MutatingWebhookConfiguration mine: HTTP 403",
  );
});
