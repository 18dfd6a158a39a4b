import { expect, test } from "vitest";
import type { ReplicaRecord } from "../../../src/store/replicas.ts";
import { until } from "../../until.ts";
import { withEngines } from "../engines.ts";

function replica(id: string): ReplicaRecord {
  return {
    ...{ id, host: "here", version: "1.0.0", startedAt: 1_764_150_000_123 },
    components: [
      {
        ...{ name: "orders", type: "bindings.kafka", state: "reading", reason: "grün" },
        ...{ inFlight: 3, backlog: 12, deadLetters: 0, owns: true, since: 1_764_150_000_124 },
      },
    ],
  };
}

withEngines((engine) => {
  test("a replica is there until it goes, or is silent for too long", async () => {
    const { replicas } = engine.open(engine.place());
    expect(await replicas.list()).toEqual([]);
    await replicas.announce({ ...replica("b"), components: [] }, 60_000);
    await replicas.announce(replica("b"), 60_000);
    await replicas.announce(replica("a.> *"), 1000);
    const seen = new Map<string, ReplicaRecord | undefined>();
    const stop = replicas.watch((id, record) => seen.set(id, record));
    await until(() => seen.get("b") !== undefined, { what: "what is there" });
    expect(seen.get("b")).toEqual(replica("b"));
    await until(async () => (await replicas.list()).length === 1, { what: "silence" });
    await until(() => seen.has("a.> *") && seen.get("a.> *") === undefined, { what: "its end" });
    expect(await replicas.list()).toEqual([replica("b")]);
    await replicas.withdraw("b");
    await replicas.withdraw("nobody");
    expect(await replicas.list()).toEqual([]);
    await until(() => seen.get("b") === undefined, { what: "its end" });
    stop();
  });
});
