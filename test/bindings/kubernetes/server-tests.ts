import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { IncomingMessage } from "node:http";
import { afterAll, expect, test, vi } from "vitest";
import kubernetes from "../../../src/bindings/kubernetes/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import type { OwnServer } from "../../servers/kinds.ts";
import { openInput } from "../opened-input.ts";
import { changesOf } from "./place.ts";

const soon = { timeout: 60_000, interval: 20 };
const folder = mkdtempSync(join(tmpdir(), "cufflink-kube-"));

type Kube = OwnServer<"kube">;

/** Asks the API as its owner; any answer but a success is an error. */
async function ask(server: Kube, method: string, path: string, body?: object): Promise<unknown> {
  const { ownerToken, certificate: ca, url } = server;
  const headers = { authorization: `Bearer ${ownerToken}`, "content-type": "application/json" };
  const asked = request(url + path, { method, headers, ca });
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const answer = await text(response);
  if ((response.statusCode ?? 500) >= 300) throw new Error(`${method} ${path}: ${answer}`);
  return JSON.parse(answer);
}

function eventOf(name: string, namespace: string, message: string, more: object = {}): object {
  const involvedObject = { kind: "Pod", namespace, name: "web", apiVersion: "v1" };
  const metadata = { name, namespace, ...more };
  return { metadata, involvedObject, reason: "Started", message, type: "Normal" };
}

async function place(server: Kube) {
  const namespace = uniqueName("shop").toLowerCase();
  await ask(server, "POST", "/api/v1/namespaces", { metadata: { name: namespace } });
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
  await ask(server, "POST", `${rbac}/roles`, {
    metadata: { name: "events" },
    rules: [{ apiGroups: [""], resources: ["events"], verbs: ["list", "watch"] }],
  });
  const allow = async (): Promise<void> => {
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "events" };
    const subjects = [{ kind: "User", name: "watcher", apiGroup: roleRef.apiGroup }];
    await ask(server, "POST", `${rbac}/rolebindings`, {
      ...{ metadata: { name: "events" }, roleRef, subjects },
    });
  };
  const kubeconfigPath = join(folder, `${namespace}.yaml`);
  const ca = Buffer.from(server.certificate).toString("base64");
  const lines = [
    "current-context: here",
    "contexts: [{name: here, context: {cluster: c, user: u}}]",
    `clusters: [{name: c, cluster: {server: "${server.url}", certificate-authority-data: ${ca}}}]`,
    `users: [{name: u, user: {token: ${server.watcherToken}}}]`,
  ];
  writeFileSync(kubeconfigPath, lines.join("\n"));
  const events = `/api/v1/namespaces/${namespace}/events`;
  return {
    ...{ namespace, allow },
    properties: { namespace, kubeconfigPath, resyncPeriod: "0s" },
    put: (name: string, message: string) =>
      ask(server, "POST", events, eventOf(name, namespace, message)),
    change: (name: string, message: string) =>
      ask(server, "PUT", `${events}/${name}`, eventOf(name, namespace, message)),
    remove: (name: string) => ask(server, "DELETE", `${events}/${name}`),
  };
}

const tell = (events: Parameters<typeof changesOf>[0]) =>
  changesOf(events).map(({ event, oldVal, newVal }) => [
    ...[event, oldVal["message"], newVal["message"]],
  ]);

/** The tests with Kubernetes' own API server and etcd. */
export function testWithServer(): void {
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  describeWith("kube", { own: true }, (server) => {
    test("adds, updates and deletes, with the roles of the page and no more", async () => {
      const { put, change, remove, properties, allow, namespace } = await place(server);
      await allow();
      await put("one", "<first> grün");
      const input = await openInput(kubernetes, properties);
      await vi.waitFor(() => expect(input.events).toHaveLength(1), soon);
      await change("one", "second");
      await put("two", "x".repeat(1024));
      await remove("one");
      await vi.waitFor(() => expect(input.events).toHaveLength(4), soon);
      expect(tell(input.events)).toEqual([
        ["add", undefined, "<first> grün"],
        ["update", "<first> grün", "second"],
        ["add", undefined, "x".repeat(1024)],
        ["delete", "second", undefined],
      ]);
      expect(changesOf(input.events)[0]?.newVal).toMatchObject({
        ...{ metadata: { name: "one", namespace }, reason: "Started", type: "Normal" },
      });
    });

    test("a list of more than a page comes whole", async () => {
      const { put, properties, allow } = await place(server);
      await allow();
      const names = Array.from({ length: 620 }, (_, n) => `event-${String(n).padStart(4, "0")}`);
      for (let at = 0; at < names.length; at += 20)
        await Promise.all(names.slice(at, at + 20).map((name) => put(name, name)));
      const input = await openInput(kubernetes, properties);
      await vi.waitFor(() => expect(input.events).toHaveLength(620), soon);
      expect(changesOf(input.events).map(({ newVal }) => newVal["message"])).toEqual(names);
    });

    test("who may not watch is told so, and may later", async () => {
      const { put, properties, allow } = await place(server);
      await put("one", "x");
      const input = await openInput(kubernetes, properties);
      expect(await input.lost).toMatchObject({
        ...{ reason: "permission_denied", effect: "rejected", systemCode: "Forbidden" },
        message: expect.stringContaining('User "watcher" cannot list resource "events"'),
      });
      await allow();
      await vi.waitFor(async () => {
        const later = await openInput(kubernetes, properties);
        await Promise.race([
          later.next(),
          later.lost.then((reason) => {
            throw reason;
          }),
        ]);
      }, soon);
    });

    test("bookmarks and the end of a watch: what comes after is told once", async () => {
      const { put, properties, allow } = await place(server);
      await allow();
      const input = await openInput(kubernetes, properties);
      await put("one", "1");
      await vi.waitFor(() => expect(input.events).toHaveLength(1), soon);
      // Longer than a watch lasts.
      const until = performance.now() + 65_000;
      await vi.waitFor(() => expect(performance.now()).toBeGreaterThan(until), {
        ...{ timeout: 70_000, interval: 500 },
      });
      await put("two", "2");
      await vi.waitFor(() => expect(input.events).toHaveLength(2), soon);
      expect(tell(input.events)).toEqual([
        ["add", undefined, "1"],
        ["add", undefined, "2"],
      ]);
    }, 150_000);

    test("a server that is killed and comes again: nothing is lost, what is known is not told again", async () => {
      const { put, properties, allow } = await place(server);
      await allow();
      await put("one", "1");
      const input = await openInput(kubernetes, properties);
      await vi.waitFor(() => expect(input.events).toHaveLength(1), soon);
      await server.kill();
      await server.start();
      await put("two", "2");
      await Promise.race([
        vi.waitFor(() => expect(input.events).toHaveLength(2), soon),
        input.lost.then((reason) => {
          throw reason;
        }),
      ]);
      expect(tell(input.events)).toEqual([
        ["add", undefined, "1"],
        ["add", undefined, "2"],
      ]);
    }, 200_000);
  });
}
