import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import kubernetes from "../../../src/bindings/kubernetes/index.ts";
import { withClouds } from "../../clouds.ts";
import { handled, refused } from "../../runtime/fake-app.ts";
import { KubernetesEvents, status } from "../../servers/kubernetes-events.ts";
import { endAfterTest, read } from "../contract.ts";
import { openInput } from "../opened-input.ts";
import { changesOf, place } from "./place.ts";
import { testWithServer } from "./server-tests.ts";

const soon = { timeout: 20_000, interval: 5 };
const folder = mkdtempSync(join(tmpdir(), "cufflink-kubernetes-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function start(more: Record<string, string> = {}) {
  const api = await KubernetesEvents.start();
  endAfterTest(() => api[Symbol.asyncDispose]());
  return place(api, folder, more);
}

async function watching(...args: Parameters<typeof start>) {
  const at = await start(...args);
  const input = await openInput(kubernetes, at.properties);
  await vi.waitFor(() => expect(at.api.watches).toBe(1), soon);
  return { ...at, input };
}

test("each event that is there is an add, each change an update with what was before, each end a delete", async () => {
  const { api, properties } = await start();
  api.put("shop", "one", { message: "<first> & grün" });
  api.put("other", "one");
  const input = await openInput(kubernetes, properties);
  await vi.waitFor(() => expect(api.watches).toBe(1), soon);
  api.put("shop", "one", { message: "second", count: 2 });
  api.put("other", "two");
  api.remove("shop", "one");
  await vi.waitFor(() => expect(input.events).toHaveLength(3), soon);
  const [add, update, gone] = changesOf(input.events);
  const nothing = {
    ...{ metadata: { creationTimestamp: null }, involvedObject: {}, source: {} },
    ...{ firstTimestamp: null, lastTimestamp: null, eventTime: null },
    ...{ reportingComponent: "", reportingInstance: "" },
  };
  expect(add).toEqual({
    ...{ event: "add", oldVal: nothing },
    newVal: expect.objectContaining({ message: "<first> & grün", count: 1, eventTime: null }),
  });
  expect(add?.newVal).not.toHaveProperty("kind");
  expect(update).toEqual({
    ...{ event: "update", oldVal: add?.newVal },
    newVal: expect.objectContaining({ message: "second", count: 2 }),
  });
  expect(gone).toEqual({
    ...{ event: "delete", newVal: nothing },
    oldVal: expect.objectContaining({ message: "second" }),
  });
  const uid = String(add?.newVal.metadata.uid);
  expect(input.events.map(({ key }) => key)).toEqual([uid, uid, uid]);
  expect(input.events.map(({ id }) => id)).toEqual([
    ...[`${uid}/101/add`, `${uid}/103/update`, `${uid}/105/delete`],
  ]);
  expect(input.events.map(({ metadata }) => metadata)).toEqual([{}, {}, {}]);
});

test("a list in pages comes whole, and one that expires on the way is begun anew", async () => {
  const { api, properties } = await start();
  for (let n = 0; n < 120; n++) api.put("shop", `event-${n}`);
  api.pageSize = 50;
  let pages = 0;
  api.refuse = (what) => {
    if (what === "list" && ++pages === 2) api.compact();
    return undefined;
  };
  const input = await openInput(kubernetes, properties);
  await vi.waitFor(() => expect(api.watches).toBe(1), soon);
  expect(pages).toBe(5);
  const names = changesOf(input.events).map(({ newVal }) => newVal.metadata.name);
  expect(names).toEqual(Array.from({ length: 120 }, (_, n) => `event-${n}`));
});

test("lines and letters that are cut anywhere are put together", async () => {
  const { api, input } = await watching();
  api.partSize = 1;
  api.put("shop", "one", { message: "grün 🙂" });
  api.partSize = 7;
  api.put("shop", "two", { message: "grün 🙂" });
  await vi.waitFor(() => expect(input.events).toHaveLength(2), soon);
  for (const { newVal } of changesOf(input.events)) expect(newVal["message"]).toBe("grün 🙂");
});

test("a watch that the server ends goes on from where it was, a bookmark included", async () => {
  const { api, input } = await watching();
  api.put("shop", "one");
  await vi.waitFor(() => expect(input.events).toHaveLength(1), soon);
  api.bookmark();
  api.endWatches();
  await vi.waitFor(() => expect(api.requests).toHaveLength(4), soon);
  expect(api.requests.slice(2).map(versionOf)).toEqual(["100", "102"]);
  await vi.waitFor(() => expect(api.watches).toBe(1), soon);
  api.put("shop", "two");
  await vi.waitFor(() => expect(input.events).toHaveLength(2), soon);
});

test("a connection that breaks in the middle of a line loses nothing and repeats nothing", async () => {
  const { api, input } = await watching();
  api.put("shop", "one");
  await vi.waitFor(() => expect(input.events).toHaveLength(1), soon);
  api.say('{"type":"ADDED","object":{"kind":"Ev');
  api.cut();
  api.put("shop", "two");
  await vi.waitFor(() => expect(input.events).toHaveLength(2), soon);
  expect(changesOf(input.events).map(({ newVal }) => newVal.metadata.name)).toEqual([
    ...["one", "two"],
  ]);
});

test("what the server has forgotten is found by a list: new, changed and gone", async () => {
  const { api, properties } = await start();
  for (const name of ["same", "changed", "gone"]) api.put("shop", name);
  const input = await openInput(kubernetes, properties);
  await vi.waitFor(() => expect(api.watches).toBe(1), soon);
  let isAway = true;
  api.refuse = () =>
    isAway ? { status: 503, json: status(503, "ServiceUnavailable", "starting") } : undefined;
  api.cut();
  await vi.waitFor(() => expect(api.watches).toBe(0), soon);
  api.put("shop", "changed", { count: 2 });
  api.remove("shop", "gone");
  api.put("shop", "new");
  api.compact();
  isAway = false;
  await vi.waitFor(() => expect(input.events).toHaveLength(6), soon);
  const later = changesOf(input.events.slice(3));
  expect(
    later.map(({ event, oldVal, newVal }) => [event, newVal.metadata.name, oldVal["count"]]),
  ).toEqual([
    ...[
      ["update", "changed", 1],
      ["add", "new", undefined],
      ["delete", undefined, 1],
    ],
  ]);
});

test("a version that the server refuses with its status is listed anew", async () => {
  const { api, input } = await watching();
  let refusals = 0;
  api.refuse = (what) =>
    what === "watch" && refusals++ === 0
      ? { status: 410, json: status(410, "Gone", "old") }
      : undefined;
  api.endWatches();
  await vi.waitFor(() => expect(refusals).toBe(2), soon);
  expect(api.requests.filter((path) => path.includes("limit="))).toHaveLength(2);
  expect(input.events).toEqual([]);
});

test("a server that ends each watch at once is asked with growing pauses", async () => {
  const { api, properties } = await start();
  api.endsAtOnce = true;
  const begun = performance.now();
  await openInput(kubernetes, properties);
  const watches = () => api.requests.filter((path) => path.includes("watch=true")).length;
  await vi.waitFor(() => expect(watches()).toBe(3), soon);
  expect(performance.now() - begun).toBeGreaterThan(200 + 400 - 50);
});

test("every event comes again as an update after each period", async () => {
  const { api, properties } = await start({ resyncPeriod: "50ms" });
  api.put("shop", "one");
  api.put("shop", "two");
  const input = await openInput(kubernetes, properties);
  await vi.waitFor(() => expect(input.events.length).toBeGreaterThanOrEqual(6), soon);
  const changes = changesOf(input.events);
  expect(changes.slice(0, 6).map(({ event }) => event)).toEqual([
    ...["add", "add", "update", "update", "update", "update"],
  ]);
  expect(changes[2]).toEqual({
    ...{ event: "update", oldVal: changes[0]?.newVal, newVal: changes[0]?.newVal },
  });
});

test("what was returned comes again with the next period", async () => {
  const { api, properties } = await start({ resyncPeriodInSec: "50ms" });
  api.put("shop", "one");
  let calls = 0;
  const { status: state, app } = await read({ binding: kubernetes }, { properties }, () =>
    ++calls === 1 ? refused() : handled,
  );
  await vi.waitFor(() => expect(state().handled).toBeGreaterThan(1), soon);
  expect(changesOf(app.deliveries).at(0)?.event).toBe("add");
});

test("while the app has all that it takes, no more is read, and no resync is heaped up", async () => {
  const { api, properties } = await start({ resyncPeriod: "1ms" });
  for (let n = 0; n < 200; n++) api.put("shop", `event-${n}`);
  const gate = Promise.withResolvers<void>();
  const input = await openInput(kubernetes, properties, { room: () => gate.promise });
  await vi.waitFor(() => expect(input.events).toHaveLength(50), soon);
  expect(api.watches).toBe(0);
  gate.resolve();
  await vi.waitFor(() => expect(api.watches).toBe(1), soon);
  const kinds = changesOf(input.events.slice(0, 200)).map(({ event }) => event);
  expect(new Set(kinds)).toEqual(new Set(["add"]));
});

test.each([
  [401, "Unauthorized", "unauthenticated"],
  [403, "Forbidden", "permission_denied"],
] as const)("a watch that is refused with %i ends the reading", async (code, reason, told) => {
  const { api, properties } = await start();
  const message = 'events is forbidden: User "shop" cannot watch resource "events"';
  api.refuse = (what) =>
    what === "watch" ? { status: code, json: status(code, reason, message) } : undefined;
  const input = await openInput(kubernetes, properties);
  expect(await input.lost).toMatchObject({
    ...{ reason: told, effect: "rejected", systemCode: reason },
    message: `Kubernetes, watching the events of shop: HTTP ${code}: ${message}`,
  });
});

test("a server that may do nothing but refuse is reachable", async () => {
  const { api, properties } = await start();
  api.tokens.add("other");
  const input = await openInput(kubernetes, properties);
  await expect(
    kubernetes.ping?.(input.connection as never, AbortSignal.timeout(10_000)),
  ).resolves.toBeUndefined();
  expect(await input.lost).toMatchObject({ reason: "unauthenticated" });
});

test.runIf(withClouds)(
  "an error of the server in a watch is tried again, and not without end",
  async () => {
    const { api, properties } = await start();
    const json = status(500, "InternalError", "etcd has no leader");
    api.refuse = (what) => (what === "watch" ? { status: 500, json } : undefined);
    const input = await openInput(kubernetes, properties);
    expect(await input.lost).toMatchObject({
      ...{ reason: "internal", message: expect.stringContaining("etcd has no leader") },
    });
    expect(api.requests.filter((path) => path.includes("watch=true"))).toHaveLength(9);
  },
  60_000,
);

test("a refusal of a moment, as of a server that has just started, is waited for", async () => {
  const { api, input } = await watching();
  let refusals = 0;
  api.refuse = () =>
    refusals++ === 0
      ? { status: 403, json: status(403, "Forbidden", "no role is known yet") }
      : undefined;
  api.cut();
  api.put("shop", "one");
  await vi.waitFor(() => expect(input.events).toHaveLength(1), soon);
});

test("nothing of a token is shown, whatever the server says", async () => {
  const { api, properties } = await start();
  const user = "token: canary-token";
  api.refuse = () => ({
    status: 403,
    json: status(403, "Forbidden", "no: Bearer canary-token"),
  });
  const kubeconfigPath = api.kubeconfig(folder, user);
  const { status: state } = await read(
    { binding: kubernetes },
    { properties: { ...properties, kubeconfigPath } },
  );
  await vi.waitFor(() => expect(JSON.stringify(state())).toContain("no: Bearer"), soon);
  expect(JSON.stringify(state())).not.toContain("canary");
});

test("a token file is read for each request", async () => {
  const { api, properties } = await start();
  api.tokens.add("first");
  const tokenFile = join(folder, "token");
  writeFileSync(tokenFile, "first");
  const kubeconfigPath = api.kubeconfig(folder, "tokenFile: token");
  const input = await openInput(kubernetes, { ...properties, kubeconfigPath });
  await vi.waitFor(() => expect(api.watches).toBe(1), soon);
  api.tokens.clear();
  api.tokens.add("second");
  writeFileSync(tokenFile, "second\n");
  api.cut();
  api.put("shop", "one");
  await vi.waitFor(() => expect(input.events).toHaveLength(1), soon);
});

test("nobody there is unsent, at once", async () => {
  const { api, properties } = await start();
  const kubeconfigPath = api.kubeconfig(folder, "token: x", 1);
  await expect(openInput(kubernetes, { ...properties, kubeconfigPath })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "unsent", systemCode: "ECONNREFUSED" },
  });
});

test.each([
  [{ namespace: "" }, "is required"],
  [{ namespace: "../secrets" }, '"../secrets" is no name of a namespace'],
  [{ namespace: "shop?watch=1" }, "is no name of a namespace"],
  [{ namespace: "Shop" }, "is no name of a namespace"],
  [{ resyncPeriod: "-1s" }, "resyncPeriod"],
  [{ kubeconfigPath: "/nowhere/config" }, "the kubeconfig /nowhere/config"],
])("%o is refused", async (more, message) => {
  const { properties } = await start();
  await expect(openInput(kubernetes, { ...properties, ...more })).rejects.toThrow(message);
});

if (withClouds) testWithServer();

function versionOf(path: string): string | null {
  return new URL(path, "http://server").searchParams.get("resourceVersion");
}
