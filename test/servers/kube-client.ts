import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { OwnServer } from "./kinds.ts";
import { uniqueName } from "./unique-name.ts";

type Kube = OwnServer<"kube">;

/** Asks the API as its owner; any answer but a success is an error. */
export async function askKube(
  { ownerToken, certificate: ca, url }: Kube,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  const headers = { authorization: `Bearer ${ownerToken}`, "content-type": "application/json" };
  const signal = AbortSignal.timeout(10_000);
  const asked = request(url + path, { method, headers, ca, signal, agent: false });
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const answer = await text(response);
  if ((response.statusCode ?? 500) >= 300) throw new Error(`${method} ${path}: ${answer}`);
  return JSON.parse(answer);
}

/** A namespace of its own, whose events `watcher` may read once it is allowed. */
export async function makeKubeNamespace(server: Kube, prefix: string) {
  const namespace = uniqueName(prefix).toLowerCase();
  const ask = (method: string, path: string, body?: object) => askKube(server, method, path, body);
  await ask("POST", "/api/v1/namespaces", { metadata: { name: namespace } });
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
  await ask("POST", `${rbac}/roles`, {
    metadata: { name: "events" },
    rules: [{ apiGroups: [""], resources: ["events"], verbs: ["list", "watch"] }],
  });
  const events = `/api/v1/namespaces/${namespace}/events`;
  const eventOf = (name: string, message: string): object => ({
    metadata: { name, namespace },
    involvedObject: { kind: "Pod", namespace, name: "web", apiVersion: "v1" },
    ...{ reason: "Started", message, type: "Normal" },
  });
  return {
    namespace,
    allow: async (): Promise<void> => {
      const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "events" };
      const subjects = [{ kind: "User", name: "watcher", apiGroup: roleRef.apiGroup }];
      await ask("POST", `${rbac}/rolebindings`, {
        ...{ metadata: { name: "events" }, roleRef, subjects },
      });
    },
    deny: () => ask("DELETE", `${rbac}/rolebindings/events`),
    put: (name: string, message: string) => ask("POST", events, eventOf(name, message)),
    change: (name: string, message: string) =>
      ask("PUT", `${events}/${name}`, eventOf(name, message)),
    remove: (name: string) => ask("DELETE", `${events}/${name}`),
  };
}

/** Writes a kubeconfig into the folder, and returns its path. `url`: of a proxy before the server. `token`: of whom, `watcher` unless said. */
export function writeKubeconfig(
  server: Kube,
  folder: string,
  url = server.url,
  token = server.watcherToken,
): string {
  const path = join(folder, `kubeconfig-${randomUUID()}`);
  const ca = Buffer.from(server.certificate).toString("base64");
  const lines = [
    "current-context: here",
    "contexts: [{name: here, context: {cluster: c, user: u}}]",
    `clusters: [{name: c, cluster: {server: "${url}", certificate-authority-data: ${ca}}}]`,
    `users: [{name: u, user: {token: ${token}}}]`,
  ];
  writeFileSync(path, lines.join("\n"));
  return path;
}
