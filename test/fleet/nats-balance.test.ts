import { expect, onTestFinished, test } from "vitest";
import { balanceTimes } from "../../src/fleet/balance.ts";
import { ReplicaFleet } from "../../src/fleet/replica-fleet.ts";
import { describeWith } from "../servers/describe-with.ts";
import { natsEngine } from "../store/engines.ts";
import { until } from "../until.ts";
import { quietLogger } from "./simulation/quiet-logger.ts";

/** The fleet need not be settled for long here. */
const balance = { ...balanceTimes, settled: 1_500, look: 200, request: 1_000, pause: 400 };
const components = ["a", "b", "c", "d", "e", "f"];

describeWith("nats", ({ url }) => {
  const engine = natsEngine(url);

  test("of six components each of three replicas reads two in the end, and no two read one", async () => {
    const place = engine.place();
    /** Who reads a component, and since when nobody does. */
    const reads = new Map<string, string>();
    const [overlaps, moved] = [[] as string[], [] as string[]];
    const start = (replica: string): ReplicaFleet => {
      const { leases } = engine.open(place);
      const logger = quietLogger;
      const fleet = new ReplicaFleet({ leases, replica, singleton: true, logger, balance });
      fleet.start();
      onTestFinished(() => fleet.close());
      for (const component of components) {
        const ownership = fleet.own(component, true);
        ownership.onChange(() => {
          const reader = reads.get(component);
          if (ownership.reads && reader !== replica) {
            if (reader !== undefined) overlaps.push(`${component}: ${reader} and ${replica}`);
            moved.push(component);
            reads.set(component, replica);
          } else if (!ownership.reads && reader === replica) {
            reads.delete(component);
            ownership.readingEnded?.();
          }
        });
      }
      return fleet;
    };
    const counts = (): string =>
      Object.entries(Object.groupBy(reads.values(), (replica) => replica))
        .map(([replica, of]) => `${replica} ${of?.length}`)
        .sort()
        .join(", ");
    const first = start("first");
    await until(() => counts() === "first 6", { what: counts });
    const others = [start("second"), start("third")];
    await until(() => counts() === "first 2, second 2, third 2", { what: counts, within: 20_000 });
    expect(overlaps).toEqual([]);
    // Six were taken at first, four have to move, and one may do so twice.
    expect(moved.length).toBeLessThanOrEqual(6 + 4 + 2);
    // All see the same owners.
    const owned = (fleet: ReplicaFleet): string[] =>
      fleet.owners().map(({ component, replica }) => `${component} ${replica}`);
    const all = [...reads].map(([component, replica]) => `${component} ${replica}`).sort();
    for (const fleet of [first, ...others])
      await until(() => owned(fleet).join() === all.join(), { what: () => owned(fleet).join() });
  });
});
