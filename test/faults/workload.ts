import type { Record } from "./app-process.ts";
import { UndisturbedSeconds } from "./undisturbed-seconds.ts";
import { Load } from "./load.ts";
import type { Produced } from "./oracle.ts";
import { namesOf, type Fixture } from "./fixture.ts";
import { poisonComponent, tickEvent } from "./tick.ts";
import { loggedTicks } from "./logged-ticks.ts";

/** Where the events of a scenario come from, some of which the app always refuses. */
export type Workload = {
  start(): void;
  /** The runtime is about to be disturbed, until the next `start`. */
  disturb(): void;
  /** Resolves once it is known what became of all. */
  stop(): Promise<void>;
  /** How many there were so far. */
  count(): number;
  produced(): Produced[];
  /** Uuids of those that are always refused, and that the source has or may get. */
  poison(): ReadonlySet<string>;
};

/** Events are sent, or the place's ticks are taken where it makes them itself. */
export function workloadOf(
  fixture: Fixture,
  options: { perSecond: number; every: number },
): Workload {
  return fixture.opened.send === undefined ? ticksOf(fixture) : sentTo(fixture, options);
}

function sentTo(
  { app, opened }: Fixture,
  { perSecond, every }: { perSecond: number; every: number },
): Workload {
  // A machine that cannot do so much gets less: what waits for others says nothing of what waits for poison.
  const room = (durable: number, open: number): boolean =>
    durable + open < app.handled().length + perSecond;
  const load = new Load(opened, { perSecond, poisonEvery: every, room });
  return {
    start: () => load.start(),
    disturb() {},
    stop: () => load.stop(),
    count: () => load.produced.length,
    produced: () => [...load.produced],
    poison() {
      const failed = load.produced.filter(({ durable }) => !durable).map(({ uuid }) => uuid);
      return without(load.poison, failed);
    },
  };
}

function ticksOf({ app, runtime, opened }: Fixture): Workload {
  const undisturbed = new UndisturbedSeconds(
    namesOf(opened).filter((name) => name !== poisonComponent),
  );
  const refused = (): Record[] =>
    app.records().filter(({ binding }) => binding === poisonComponent);
  return {
    start: () => undisturbed.begin(),
    disturb: () => undisturbed.end(),
    async stop() {
      undisturbed.end();
    },
    count: () => app.handled().length,
    produced() {
      const good = undisturbed.ticks(app.handled(), loggedTicks(runtime.lines()));
      const bad = new Set(refused().map(({ sequence }) => sequence));
      const poison = [...bad].map((second): Produced => {
        const at = second * 1000;
        return { ...tickEvent(poisonComponent, at), at, durable: true };
      });
      return [...good, ...poison];
    },
    poison: () => new Set(refused().map(({ uuid }) => uuid)),
  };
}

/** What is in a set and not among others. */
export function without(set: ReadonlySet<string>, others: Iterable<string>): Set<string> {
  const left = new Set(set);
  for (const other of others) left.delete(other);
  return left;
}
