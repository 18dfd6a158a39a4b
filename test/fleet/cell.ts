import { setTimeout as pause } from "node:timers/promises";
import { Load } from "../faults/load.ts";
import { judge, type Handled, type Produced, type Verdict } from "../faults/oracle.ts";
import { tickEvent } from "../faults/tick.ts";
import { until } from "../until.ts";
import type { Fleet, FleetComponent } from "./fleet.ts";
import type { Strike } from "./strikes.ts";
import { randomOf } from "./simulation/world.ts";

/** What became of the events of one source in one cell. */
export type SourceOutcome = {
  readonly source: string;
  readonly produced: number;
  readonly lost: number;
  /** Absent where no order is promised. */
  readonly outOfOrder?: number;
  readonly duplicates: number;
  readonly deadLetters: number;
  /** The longest that an event waited to be handled, in milliseconds; of ticks, how late the latest was. */
  readonly longestDelay: number;
};

export type FleetOutcome = {
  readonly strike: string;
  readonly seed: number;
  readonly sources: readonly SourceOutcome[];
  /** What is wrong; empty: it passed. */
  readonly failures: readonly string[];
};

const perSecond = 20;
/** How long nothing more may be handled while something is missing, in milliseconds. */
const patience = 60_000;
/** The first and last of the seconds of a cell may belong to the cell before or after. */
const margin = 2_000;

type Running = {
  readonly component: FleetComponent;
  readonly load: Load | undefined;
};

/** Runs a strike on a fleet under load and judges what came of the events that were produced meanwhile. */
export async function runStrike(fleet: Fleet, strike: Strike, seed: number): Promise<FleetOutcome> {
  const random = randomOf(seed);
  const from = Date.now();
  const starts = [from];
  const running = fleet.components.map((component): Running => {
    const { opened, kind } = component;
    if (opened.send === undefined) return { component, load: undefined };
    const { poisonEvery } = kind;
    return { component, load: new Load(opened, { perSecond, poisonEvery }) };
  });
  for (const { load } of running) load?.start();
  const failures: string[] = [];
  try {
    await until(() => running.every(({ load }) => (load?.produced.length ?? 40) >= 40), {
      ...{ what: "the first events", within: 120_000 },
    });
    starts.push(Date.now());
    failures.push(...(await strike.strike(fleet, random)));
    starts.push(Date.now());
    await fleet.settled();
    await pause(4_000);
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  } finally {
    await Promise.all(running.flatMap(({ load }) => load?.stop() ?? []));
  }
  const to = Date.now();
  const lives = [...starts, ...fleet.everyReplica.flatMap(({ runtime }) => runtime.lives)];
  lives.sort((one, other) => one - other);
  const sources: SourceOutcome[] = [];
  const handled = await allHandled(fleet, running, { from, to });
  const letters = await fleet.deadLetters().catch((error: unknown) => {
    failures.push(error instanceof Error ? error.message : String(error));
    return new Set<string>();
  });
  for (const one of running) {
    const { kind, opened } = one.component;
    const own = handled(one);
    const produced = producedOf(one, own, { from, to });
    const verdict = judge({ produced, handled: own, deadLettered: letters, lives });
    const isTick = one.load === undefined;
    const bound = isTick ? strike.owners : kind.source.bounds.runtime * strike.owners;
    failures.push(...problemsOf(kind.name, verdict, { bound, ordered: kind.ordered, isTick }));
    failures.push(...poisonProblems(one, verdict, letters));
    const remains = await opened.remains?.();
    if (remains !== undefined) failures.push(`${kind.name}: ${remains}`);
    sources.push({
      source: kind.name,
      ...{ produced: verdict.produced, lost: verdict.lost.length },
      ...(kind.ordered ? { outOfOrder: verdict.reordered.length + verdict.rewound.length } : {}),
      ...{ duplicates: verdict.duplicates, deadLetters: verdict.deadLettered },
      longestDelay: verdict.longestDelay,
    });
  }
  return { strike: strike.name, seed, sources, failures };
}

type Span = { readonly from: number; readonly to: number };

/** Waits until all was handled or nothing more is; returns what was handled of each. */
async function allHandled(
  fleet: Fleet,
  running: readonly Running[],
  span: Span,
): Promise<(one: Running) => readonly Handled[]> {
  const handledOf = ({ component }: Running): Handled[] =>
    fleet.everyReplica
      .flatMap((replica) => replica.records())
      .filter(
        ({ what, binding }) => what === "handled" && binding === component.opened.component.name,
      );
  const missing = async (): Promise<number> => {
    let count = 0;
    for (const one of running) {
      const own = handledOf(one);
      const done = new Set(own.map(({ uuid }) => uuid));
      const poison = one.load?.poison ?? new Set<string>();
      const letters = poison.size > 0 ? await fleet.deadLetters().catch(() => poison) : poison;
      count += producedOf(one, own, span).filter(
        ({ uuid, durable }) =>
          durable && !done.has(uuid) && !(poison.has(uuid) && letters.has(uuid)),
      ).length;
    }
    return count;
  };
  let before = Number.POSITIVE_INFINITY;
  let end = 0;
  for (let count = await missing(); count > 0; count = await missing()) {
    if (count !== before) end = Date.now() + patience;
    else if (Date.now() > end) break;
    before = count;
    await pause(500);
  }
  return handledOf;
}

/** What has to be handled; of ticks, one each second. */
function producedOf(one: Running, own: readonly Handled[], { from, to }: Span): Produced[] {
  if (one.load !== undefined) return [...one.load.produced];
  const { name } = one.component.opened.component;
  const ticks = new Map<number, Produced>();
  const add = (second: number): void => {
    const at = second * 1000;
    ticks.set(second, { ...tickEvent(name, at), at, durable: true });
  };
  for (let second = Math.ceil((from + margin) / 1000); second * 1000 < to - margin; second++)
    add(second);
  for (const { sequence } of own)
    if (sequence * 1000 >= from && sequence * 1000 <= to) add(sequence);
  return [...ticks.values()];
}

function problemsOf(
  name: string,
  verdict: Verdict,
  { bound, ordered, isTick }: { bound: number; ordered: boolean; isTick: boolean },
): string[] {
  const { lost, duplicates, reordered, rewound } = verdict;
  const problems: string[] = [];
  const first = (all: readonly { readonly uuid: string }[]): string =>
    all
      .slice(0, 3)
      .map(({ uuid }) => uuid)
      .join(", ");
  if (lost.length > 0)
    problems.push(`${name}: ${isTick ? "missed" : "lost"} ${lost.length}, such as ${first(lost)}`);
  if (duplicates > bound)
    problems.push(
      `${name}: ${isTick ? "doubled" : "duplicates"} ${duplicates}, more than ${bound}`,
    );
  const disorder = [...reordered, ...rewound];
  if (ordered && disorder.length > 0)
    problems.push(
      `${name}: out of order ${disorder.length}, such as ${first(disorder.map(({ event }) => event))}`,
    );
  return problems;
}

/** Each event that is always refused is in the dead letters, and no other is. */
function poisonProblems(
  { component, load }: Running,
  verdict: Verdict,
  letters: ReadonlySet<string>,
): string[] {
  if (load === undefined) return [];
  const durable = load.produced.filter((event) => event.durable).map(({ uuid }) => uuid);
  const wrong = durable.filter((uuid) => load.poison.has(uuid) !== letters.has(uuid));
  return wrong.length === 0
    ? []
    : [
        `${component.kind.name}: dead letters ${verdict.deadLettered}, of which ${wrong.length} wrong`,
      ];
}
