// Replicas that share a hub: two of one process, and by `npm run test:clouds` processes of their own, also of Azure's own
// library for Go.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { beforeAll, expect, test, vi } from "vitest";
import { withClouds } from "../../../clouds.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { buildGoProgram, goProgram } from "../../../servers/go-program.ts";
import { endAfterTest } from "../../contract.ts";
import { handled, until } from "../../opened-queue.ts";
import { bytes } from "./contract-source.ts";
import { hubPlace, signal } from "./place.ts";

const partitions = 4;
const keys = 8;
const long = { timeout: 60_000, interval: 20 };
const script = join(import.meta.dirname, "reader-process.ts");

/** What a replica printed, in the order in which that was heard of. */
type Told = { readonly by: string; readonly body: string };

async function fleet(storage: { readonly url: string }) {
  const place = await hubPlace(storage, partitions, {
    ...{ loadBalancingInterval: "200ms", ownershipExpiration: "10s" },
  });
  await place.store.ensure(signal());
  const { hub, store, properties, eventHub, namespace, container } = place;
  const told: Told[] = [];
  let sent = 0;
  /** Events of each key, numbered. */
  const send = (count: number): void => {
    for (let n = 0; n < count; n++) {
      const key = `k${sent % keys}`;
      hub.put({
        message_annotations: { "x-opt-partition-key": key },
        body: bytes(`${key} ${Math.floor(sent++ / keys)}`),
      });
    }
  };
  const listen = (by: string, child: ChildProcess): ChildProcess => {
    const { stdout } = child;
    if (stdout === null) throw new Error("it prints nothing");
    createInterface({ input: stdout }).on("line", (line) => {
      const said = JSON.parse(line) as { body?: string } | string;
      if (typeof said === "object" && said.body !== undefined) told.push({ by, body: said.body });
    });
    endAfterTest(async () => {
      child.kill("SIGCONT");
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    });
    return child;
  };
  const ours = (by: string): ChildProcess =>
    listen(
      by,
      spawn(process.execPath, [script, JSON.stringify(properties)], {
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
  const azures = (by: string): ChildProcess =>
    listen(
      by,
      spawn(goProgram("eventhubs-processor"), [], {
        stdio: ["pipe", "pipe", "inherit"],
        env: {
          STORAGE: properties.storageConnectionString,
          CONTAINER: container,
          NAMESPACE: namespace.connectionString,
          HUB: eventHub,
          GROUP: "$Default",
        },
      }),
    );
  /** How many partitions each owner has; those that are nobody's do not count. */
  const shares = async (): Promise<number[]> => {
    const owners = (await store.ownerships(signal())).map(({ owner }) => owner).filter(Boolean);
    return [...new Set(owners)]
      .map((one) => owners.filter((other) => other === one).length)
      .toSorted((one, other) => one - other);
  };
  const shared = (...counts: number[]) =>
    vi.waitFor(async () => expect(await shares()).toEqual(counts), long);
  const allHandled = () =>
    vi.waitFor(() => expect(new Set(told.map(({ body }) => body)).size).toBe(sent), long);
  /** All is handled, and the checkpoints say so. */
  const allKept = async () => {
    await allHandled();
    await vi.waitFor(async () => {
      const kept = [...(await store.checkpoints(signal())).values()];
      expect(kept.reduce((sum, { sequence }) => sum + sequence + 1, 0)).toBe(sent);
    }, long);
  };
  /** What came for the first time came in the order of its key. */
  const expectOrder = (): void => {
    const seen = new Set<string>();
    const last = new Map<string, number>();
    for (const { body } of told) {
      if (seen.has(body)) continue;
      seen.add(body);
      const [key = "", number] = body.split(" ");
      expect(Number(number), body).toBe((last.get(key) ?? -1) + 1);
      last.set(key, Number(number));
    }
  };
  const end = async (child: ChildProcess): Promise<void> => {
    child.stdin?.end();
    await once(child, "exit");
  };
  return { ...place, told, send, ours, azures, shared, allHandled, allKept, expectOrder, end };
}

describeWith("azurite-blob", (storage) => {
  test("two readers share the partitions, and one that ends gives its own up at once", async () => {
    const { hub, put, store, open } = await hubPlace(storage, 4, { ownershipExpiration: "1h" });
    const first = await (await open()).read(() => handled);
    await until(() => hub.ids.every((id) => hub.readers(id).length === 1));
    const second = await (await open()).read(() => handled);
    const counts = async (): Promise<number[]> => {
      const owners = (await store.ownerships(signal())).map(({ owner }) => owner);
      return [...new Set(owners)].map((one) => owners.filter((other) => other === one).length);
    };
    await vi.waitFor(async () => expect(await counts()).toEqual([2, 2]), long);
    // Claimed is not yet read: each has the links of two.
    await vi.waitFor(() => {
      const links = hub.ids.map((id) => hub.readers(id));
      const connections = links.map(([link]) => link?.sender.connection);
      const [one] = connections;
      expect(links.every(({ length }) => length === 1)).toBe(true);
      expect(connections.filter((other) => other === one)).toHaveLength(2);
    }, long);
    for (const id of hub.ids) put(id, `a${id}`);
    await until(() => first.events.length + second.events.length >= 4);
    await first.close();
    for (const id of hub.ids) put(id, `b${id}`);
    await until(() => second.texts.filter((text) => text.startsWith("b")).length === 4);
    // What was handled before came to nobody again.
    const all = [...first.texts, ...second.texts];
    expect(all.filter((text) => text.startsWith("a"))).toHaveLength(4);
  });
});

if (withClouds) {
  beforeAll(() => buildGoProgram("eventhubs-processor"), 600_000);

  describeWith("azurite-blob", (storage) => {
    test("one of two replicas is killed: its partitions are the other's, nothing is lost", async () => {
      const { send, ours, shared, allHandled, expectOrder } = await fleet(storage);
      const first = ours("first");
      await shared(4);
      ours("second");
      await shared(2, 2);
      send(200);
      first.kill("SIGKILL");
      send(200);
      await allHandled();
      await shared(4);
      expectOrder();
    }, 120_000);

    test("one of two replicas freezes: its partitions are the other's, and it takes none back by force", async () => {
      const { send, ours, shared, allHandled, expectOrder } = await fleet(storage);
      const first = ours("first");
      await shared(4);
      ours("second");
      await shared(2, 2);
      send(200);
      first.kill("SIGSTOP");
      send(200);
      await allHandled();
      await shared(4);
      first.kill("SIGCONT");
      await shared(2, 2);
      send(200);
      await allHandled();
      expectOrder();
    }, 120_000);

    test("a fleet moves from Azure's own library to this one and back, a replica at a time: no event comes twice", async () => {
      const { send, ours, azures, shared, allKept, expectOrder, told, end } = await fleet(storage);
      const old = [azures("go 1"), azures("go 2")];
      await shared(2, 2);
      send(160);
      await allKept();
      const by = (name: string): number => told.filter((one) => one.by === name).length;
      await end(old[0] as ChildProcess);
      const first = ours("ours 1");
      await shared(2, 2);
      send(160);
      await allKept();
      expect(by("ours 1")).toBeGreaterThan(0);
      await end(old[1] as ChildProcess);
      await shared(4);
      send(160);
      await allKept();
      azures("go 3");
      await shared(2, 2);
      await end(first);
      await shared(4);
      send(160);
      await allKept();
      expect(by("go 3")).toBeGreaterThan(0);
      expectOrder();
      // Replicas were changed while nothing was under way.
      expect(told).toHaveLength(640);
    }, 180_000);
  });
}
