import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import kubernetes from "../../../src/bindings/kubernetes/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { makeKubeNamespace, writeKubeconfig } from "../../servers/kube-client.ts";
import type { OwnServer } from "../../servers/kinds.ts";
import { openInput } from "../opened-input.ts";
import { changesOf } from "./place.ts";

const soon = { timeout: 60_000, interval: 20 };
const folder = mkdtempSync(join(tmpdir(), "cufflink-kube-"));

async function place(server: OwnServer<"kube">) {
  const made = await makeKubeNamespace(server, "shop");
  const kubeconfigPath = writeKubeconfig(server, folder);
  const properties = { namespace: made.namespace, kubeconfigPath, resyncPeriod: "0s" };
  return { ...made, properties };
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
