import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { OwnServer } from "../../servers/kinds.ts";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { until } from "../../until.ts";
import type { OpenedSource, Source } from "../opened-source.ts";

/** The events of a namespace, each an object of its own, with nothing delivered again by a period. */
export const kubernetes: Source = {
  name: "kubernetes",
  bounds: { app: 64, runtime: 100_000, server: 100_000 },
  // A connection that is dead without a sign is noticed after 70 s, and what was made meanwhile is listed then.
  patience: 100_000,
  async opened({ folder, servers, ownServer }) {
    const server = await servers.kube(ownServer);
    const proxy = await startProxy(server);
    const namespace = uniqueName("faults").toLowerCase();
    const ask = (method: string, path: string, body?: object) =>
      askAsOwner(server, method, path, body);
    // A server that an earlier cell has ended may still be on its way.
    await until(async () => (await ask("GET", "/readyz").catch(refusal)) === undefined, {
      ...{ what: "Kubernetes' API server", within: 60_000 },
    });
    await ask("POST", "/api/v1/namespaces", { metadata: { name: namespace } });
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    await ask("POST", `${rbac}/roles`, {
      metadata: { name: "events" },
      rules: [{ apiGroups: [""], resources: ["events"], verbs: ["list", "watch"] }],
    });
    const restore = async (): Promise<void> => {
      const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "events" };
      const subjects = [{ kind: "User", name: "watcher", apiGroup: roleRef.apiGroup }];
      await ask("POST", `${rbac}/rolebindings`, {
        ...{ metadata: { name: "events" }, roleRef, subjects },
      });
    };
    await restore();
    const kubeconfigOf = (port: number): string => {
      const path = join(folder, `kubeconfig-${randomUUID()}`);
      const ca = Buffer.from(server.certificate).toString("base64");
      const place = `server: "https://127.0.0.1:${port}", certificate-authority-data: ${ca}`;
      const lines = [
        ...["apiVersion: v1", "kind: Config", "current-context: here"],
        "contexts: [{name: here, context: {cluster: c, user: u}}]",
        `clusters: [{name: c, cluster: {${place}}}]`,
        `users: [{name: u, user: {token: ${server.watcherToken}}}]`,
      ];
      writeFileSync(path, lines.join("\n"));
      return path;
    };
    const kubeconfigPath = kubeconfigOf(proxy.port);
    return {
      component: {
        ...{ name: "events", type: "bindings.kubernetes" },
        metadata: { namespace, resyncPeriod: "0s", kubeconfigPath },
      },
      ordered: false,
      ...{ server, proxy },
      async send(event) {
        const name = randomUUID();
        await ask("POST", `/api/v1/namespaces/${namespace}/events`, {
          metadata: { name, namespace },
          involvedObject: { kind: "Pod", namespace, name: "web", apiVersion: "v1" },
          ...{ reason: "Started", type: "Normal", message: JSON.stringify(event) },
        });
      },
      credentials: {
        async revoke() {
          await ask("DELETE", `${rbac}/rolebindings/events`);
          proxy.cut();
        },
        restore,
      },
      unreachable: { kubeconfigPath: kubeconfigOf(1) },
      async [Symbol.asyncDispose]() {
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

const refusal = (error: unknown): unknown => error;

/** Asks the API as its owner; any answer but a success is an error. */
async function askAsOwner(
  { ownerToken, certificate: ca, url }: OwnServer<"kube">,
  method: string,
  path: string,
  body?: object,
): Promise<void> {
  const headers = { authorization: `Bearer ${ownerToken}`, "content-type": "application/json" };
  const signal = AbortSignal.timeout(10_000);
  const asked = request(url + path, { method, headers, ca, signal, agent: false });
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const answer = await text(response);
  if ((response.statusCode ?? 500) >= 300) throw new Error(`${method} ${path}: ${answer}`);
}
