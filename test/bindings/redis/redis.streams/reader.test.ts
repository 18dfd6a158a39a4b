import { expect, test } from "vitest";
import type { InboundEvent } from "../../../../src/binding.ts";
import type { GroupCommands } from "../../../../src/bindings/redis/redis.streams/commands.ts";
import {
  GroupReader,
  type ReaderParts,
} from "../../../../src/bindings/redis/redis.streams/reader.ts";
import { UnacknowledgedEntries } from "../../../../src/bindings/redis/redis.streams/unacknowledged-entries.ts";

const entry = (n: number) => ({ id: `${n}-0`, fields: [] });
const none = { entries: [], deleted: [] };

/** A reader of a group that has so many entries. `acknowledged`: what the server was told. */
function begin(count: number, claimAfter = 60_000) {
  const events: InboundEvent[] = [];
  const acknowledged: string[] = [];
  const claims = { count: 0, entries: [] as ReturnType<typeof entry>[] };
  let at = 0;
  const commands = {
    pending: async () => ({ ...none, counts: new Map<string, number>() }),
    claim: async () => {
      claims.count++;
      return { entries: claims.entries, deleted: [], cursor: "0-0" };
    },
    deliveries: async () => new Map<string, number>(),
    next: async (most: number) => {
      await new Promise(setImmediate);
      const entries = Array.from({ length: Math.min(most, count - at) }, () => entry(++at));
      return { entries, deleted: [] };
    },
    acknowledge: async (ids: readonly string[]) => void acknowledged.push(...ids),
  } as unknown as GroupCommands;
  const reading = {
    metadata: { claimAfter, readTimeout: 0, deleteHandled: false, dataField: "data" },
    maxInFlight: count,
    deliver: async (some: readonly InboundEvent[]) => void events.push(...some),
    lost: (reason: unknown) => expect.unreachable(String(reason)),
  } as unknown as ReaderParts["reading"];
  const reader = new GroupReader({
    ...{ reading, commands, waiting: commands, consumer: "one" },
    ...{ unblock: async () => {}, disconnect: async () => {} },
    unacknowledged: new UnacknowledgedEntries(),
  });
  reader.start();
  return { reader, events, acknowledged, claims };
}

test("a flush confirms more entries than one command acknowledges", async () => {
  const { reader, events, acknowledged } = begin(2_500);
  await expect.poll(() => events.length).toBe(2_500);
  await reader.stop();
  for (const { settle } of events) settle({ outcome: "handled" });
  await reader.flush();
  expect(acknowledged).toHaveLength(2_500);
  await reader.close();
});

test("what waits for a pause longer than claimAfter is not claimed before", async () => {
  const { reader, events, claims } = begin(2, 2);
  await expect.poll(() => events.length).toBe(2);
  const [first, second] = events;
  first?.settle({ outcome: "returned", reason: "no", after: 60_000 });
  claims.entries = [entry(1)];
  const before = claims.count;
  await expect.poll(() => claims.count).toBeGreaterThan(before + 3);
  expect(events).toEqual([first, second]);
  await reader.stop();
  await reader.close();
});
