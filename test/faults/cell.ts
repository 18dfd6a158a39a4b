import { setTimeout as pause } from "node:timers/promises";
import { until } from "../until.ts";
import type { AppMode, Record } from "./app-process.ts";
import { UndisturbedSeconds } from "./undisturbed-seconds.ts";
import { clockFileIn, type Fault, type CellContext } from "./faults.ts";
import { Load } from "./load.ts";
import { judge, type Handled, type Produced, type Verdict } from "./oracle.ts";
import { guaranteeOf } from "./guarantee.ts";
import { reachedPoints, stopOf, type Phase } from "./phases.ts";
import type { OpenedSource, Source } from "./opened-source.ts";
import type { ComponentYaml, StartOptions } from "./runtime-process.ts";
import type { Servers } from "./servers.ts";
import { openFixture } from "./fixture.ts";
import { loggedTicks } from "./logged-ticks.ts";
import { toldIn } from "./told.ts";

export type Cell = {
  readonly source: Source;
  readonly fault: Fault;
  readonly phase: Phase;
  readonly mode?: AppMode;
};

export type Outcome = {
  readonly cell: Cell;
  /** Why it was not run. */
  readonly skipped?: string;
  readonly verdict?: Verdict;
  /** Whether its order by key is promised. */
  readonly ordered?: boolean;
  /** The most duplicates that are allowed. */
  readonly bound: number;
  /** From the end of the fault until all was handled that was produced before, in milliseconds. */
  readonly recovery?: number;
  /** What is wrong; empty: it passed. */
  readonly failures: readonly string[];
  /** Where its logs are, if it failed. */
  readonly folder?: string;
};

const perSecond = 50;
/** How long after a fault nothing more may be handled, while something is missing. */
const progressTimeout = 90_000;
/** The same for a lossy source. */
const lossyTimeout = 10_000;
/** Attempts at an event that the app always refuses. */
const poisonAttempts = 3;
/** How long after one attempt another would have come, in milliseconds, whatever the machine does. */
const lastAttemptWithin = 10_000;
/** At which settlement the runtime stops for the phase `settling`, so that there was some life before. */
const settlements = 60;

/** Runs one cell of the matrix: a load, a fault in a phase, and the oracle's word on what became of the events. */
export async function runCell(
  cell: Cell,
  { servers, slot, keep = false }: { servers: Servers; slot: number; keep?: boolean },
): Promise<Outcome> {
  const { source, fault, phase } = cell;
  const bound = boundOf(cell);
  const point = stopOf(phase);
  if (point !== undefined && !reachedPoints().has(point))
    return { cell, bound, failures: [], skipped: `the runtime does not reach "${point}"` };
  const { ownServer, credentials, ownDisk } = fault;
  await using fixture = await openFixture(source, {
    ...{ servers, slot, mode: cell.mode ?? source.mode, ownServer, credentials, ownDisk },
  });
  const { opened, folder } = fixture;
  const skipped = fault.unfit(opened) ?? unfit(opened, phase);
  if (skipped !== undefined) return { cell, bound, failures: [], skipped };
  try {
    const result = await new Run(cell, fixture).run();
    const failures = [...failuresOf(result, bound, opened), ...result.wrong];
    if (keep || failures.length > 0) fixture.keep();
    const kept = keep || failures.length > 0 ? { folder } : {};
    return { cell, bound, ordered: opened.ordered, ...result, failures, ...kept };
  } catch (error) {
    fixture.keep();
    const failures = [error instanceof Error ? error.message : String(error)];
    return { cell, bound, failures, folder };
  }
}

type Result = {
  readonly verdict: Verdict;
  readonly recovery: number;
  /** How the runtime ended in the end. */
  readonly exit: string;
  /** What else is wrong. */
  readonly wrong: readonly string[];
};

/** One run of a cell. */
class Run {
  readonly #cell: Cell;
  readonly #context: CellContext;
  readonly #load: Load;
  readonly #undisturbed: UndisturbedSeconds;

  constructor(cell: Cell, context: CellContext) {
    this.#cell = cell;
    this.#context = context;
    this.#undisturbed = new UndisturbedSeconds([context.opened.component.name]);
    const poisonEvery = cell.fault.poison === true ? 12 : undefined;
    this.#load = new Load(context.opened, { perSecond, poisonEvery });
  }

  get #isLossy(): boolean {
    return guaranteeOf(this.#context.opened.component.type)?.lossy === true;
  }

  async run(): Promise<Result> {
    try {
      return await this.#run();
    } finally {
      void this.#load.stop();
    }
  }

  async #run(): Promise<Result> {
    const { app, runtime, opened } = this.#context;
    const { phase, fault } = this.#cell;
    runtime.configure(this.#component);
    if (opened.arrived === undefined) await app.start();
    if (phase === "connecting") await this.#strikeWhileConnecting();
    else {
      await this.#warmUp();
      await this.#reach(phase);
      const striking = fault.strike(this.#context);
      await this.#leave(phase, striking);
      await striking;
    }
    const healed = Date.now();
    await this.#revive();
    this.#undisturbed.begin();
    this.#load.start();
    await pause(opened.send === undefined ? 4_000 : 1_000);
    await this.#load.stop();
    this.#undisturbed.end();
    await this.#untilHandled();
    const remains = await this.#remains();
    const exit = await runtime.end();
    const [produced, handled] = [this.#produced(), await this.#handled()];
    const deadLettered = await this.#deadLettered();
    const verdict = judge({ produced, handled, deadLettered, lives: runtime.lives });
    const recovery = recoveryOf(produced, handled, healed);
    const wrong = [...remains, ...this.#poisonProblems(deadLettered)];
    return { verdict, recovery, exit, wrong };
  }

  async #warmUp(): Promise<void> {
    const { runtime, opened } = this.#context;
    await runtime.start(this.#startOptions());
    await runtime.running(opened.component.name);
    this.#undisturbed.begin();
    this.#load.start();
    const enough = opened.send === undefined ? 2 : 20;
    await until(async () => (await this.#handled()).length >= enough, {
      what: () => `the first events to be handled:\n${runtime.output()}`,
      within: 180_000,
    });
  }

  /** Brings the runtime to where the fault is to strike. */
  async #reach(phase: Phase): Promise<void> {
    const { runtime, opened } = this.#context;
    this.#undisturbed.end();
    if (phase === "idle") {
      await this.#load.stop();
      await this.#untilHandled();
      // The app notes an event before it answers.
      await pause(500);
    }
    if (phase === "in the handler" || phase === "draining") await this.#hold();
    if (phase === "draining") {
      runtime.signal("SIGTERM");
      await until(() => runtime.gone || runtime.output().includes("shutting down: "), {
        what: "the runtime to begin its end",
        within: 180_000,
      });
    }
    if (phase === "reloading") {
      // What holds an output's calls is its network, which the new definition is proved by.
      if (opened.arrived === undefined) await this.#hold();
      const component = this.#component;
      runtime.configure({ ...component, metadata: { ...component.metadata, maxInFlight: "63" } });
    }
    if (stopOf(phase) !== undefined) {
      await until(() => runtime.frozen, {
        what: () => `the runtime to reach "${stopOf(phase)}":\n${runtime.output()}`,
        within: 180_000,
      });
    }
  }

  /** Lets go of what the phase held back, once the fault has struck. */
  async #leave(phase: Phase, striking: Promise<void>): Promise<void> {
    const { app, opened, runtime } = this.#context;
    // What strikes at once has struck then; what lasts is under way.
    await Promise.race([striking, pause(200)]);
    (opened.letGo ?? (() => app.letGo()))();
    if (stopOf(phase) !== undefined) runtime.thaw();
    await striking;
    // An orderly end that the fault did not cut short is to come to its end.
    if (phase === "draining" && !runtime.gone) await runtime.end();
  }

  async #hold(): Promise<void> {
    const { app, opened } = this.#context;
    if (opened.hold !== undefined) {
      opened.hold();
      await pause(200);
      return;
    }
    app.hold();
    const open = (): boolean => {
      const records = app.records();
      const done = new Set(records.filter(({ what }) => what === "handled").map(idOf));
      return records.some((one) => one.what === "received" && !done.has(idOf(one)));
    };
    await until(open, {
      what: () => `an event in the handler:\n${this.#context.runtime.output()}`,
      within: 180_000,
    });
  }

  /** The fault strikes when the first connection is there, or the runtime answers. */
  async #strikeWhileConnecting(): Promise<void> {
    const { runtime, opened } = this.#context;
    this.#load.start();
    await runtime.spawn(this.#startOptions());
    const begun = async (): Promise<boolean> =>
      (opened.proxy?.connections ?? 0) > 0 ||
      (await runtime.state(opened.component.name)) !== undefined;
    await until(begun, {
      what: () => `the runtime to connect:\n${runtime.output()}`,
      within: 180_000,
    });
    await this.#cell.fault.strike(this.#context);
  }

  /** Starts again what the fault has ended. */
  async #revive(): Promise<void> {
    const { app, runtime, opened } = this.#context;
    if (opened.arrived === undefined && app.gone) await app.start();
    if (runtime.frozen) runtime.thaw();
    if (runtime.gone) await runtime.start({ clockFile: this.#startOptions().clockFile });
    await runtime.running(opened.component.name, progressTimeout);
  }

  async #untilHandled(): Promise<void> {
    const { runtime } = this.#context;
    const missing = async (): Promise<Produced[]> => {
      const handled = new Set((await this.#handled()).map(({ uuid }) => uuid));
      // After the last attempt an event is on its way to the dead letters.
      for (const { what, uuid, attempt, at } of this.#poisonRecords()) {
        // The strike may have cost it the last one, which was noted and did not go out.
        const isLast = attempt >= poisonAttempts - (Date.now() - at > lastAttemptWithin ? 1 : 0);
        if (what === "refused" && isLast) handled.add(uuid);
      }
      return this.#produced().filter((event) => event.durable && !handled.has(event.uuid));
    };
    // What is still missing after a while in which nothing more was handled, the verdict tells.
    const patience = this.#isLossy ? (this.#cell.source.patience ?? lossyTimeout) : progressTimeout;
    let before = Number.POSITIVE_INFINITY;
    let end = 0;
    while (!runtime.gone) {
      const count = (await missing()).length;
      if (count === 0) break;
      if (count !== before) end = Date.now() + patience;
      else if (Date.now() > end) break;
      before = count;
      await pause(100);
    }
    if (this.#load.poison.size > 0) await pause(1_000);
  }

  /** What is not done though all was handled, after some time for it. */
  async #remains(): Promise<string[]> {
    const { remains } = this.#context.opened;
    if (remains === undefined) return [];
    const end = Date.now() + progressTimeout;
    for (;;) {
      const what = await remains();
      if (what === undefined) return [];
      if (Date.now() > end) return [what];
      await pause(100);
    }
  }

  get #component(): ComponentYaml {
    const { fault } = this.#cell;
    const { component } = this.#context.opened;
    const retries = { backOffDuration: "200ms", backOffMaxRetries: String(poisonAttempts - 1) };
    const more = { ...(fault.poison === true ? retries : {}), ...fault.metadata };
    return { ...component, metadata: { ...component.metadata, ...more } };
  }

  #poisonRecords(): Record[] {
    const { poison } = this.#load;
    return poison.size === 0
      ? []
      : this.#context.app.records().filter(({ uuid }) => poison.has(uuid));
  }

  /** Uuids in the dead letters, once the runtime has let go of them. */
  async #deadLettered(): Promise<Set<string>> {
    if (this.#load.poison.size === 0) return new Set();
    const deadLetters = await this.#context.runtime.deadLetters();
    const uuids = deadLetters.map(({ event }) => toldIn(event.data).uuid);
    if (new Set(uuids).size < uuids.length)
      throw new Error("an event is in the dead letters twice");
    return new Set(uuids);
  }

  /** What is wrong with how the events ended that the app always refuses. */
  #poisonProblems(deadLettered: ReadonlySet<string>): string[] {
    const problems: string[] = [];
    const times = new Map<string, number>();
    for (const { what, uuid } of this.#poisonRecords())
      if (what === "received") times.set(uuid, (times.get(uuid) ?? 0) + 1);
    for (const { uuid, durable } of this.#produced()) {
      const count = times.get(uuid);
      // One that its source does not have may never have come again.
      if (count === undefined || !durable) continue;
      // The strike may cost an attempt that the app did not see, or let it see one that was not counted.
      // One that is lost with the process has had fewer.
      const isLost = this.#isLossy && !deadLettered.has(uuid) && count < poisonAttempts;
      if (Math.abs(count - poisonAttempts) > 1 && !isLost)
        problems.push(`${count} attempts at poison ${uuid}`);
    }
    for (const uuid of deadLettered)
      if (!this.#load.poison.has(uuid)) problems.push(`a good event in the dead letters: ${uuid}`);
    return problems;
  }

  #produced(): readonly Produced[] {
    const { opened, app, runtime } = this.#context;
    if (opened.send !== undefined) return this.#load.produced;
    return this.#undisturbed.ticks(app.handled(), loggedTicks(runtime.lines()));
  }

  async #handled(): Promise<readonly Handled[]> {
    const { app, opened } = this.#context;
    return opened.arrived === undefined ? app.handled() : opened.arrived(this.#load.produced);
  }

  #startOptions(): StartOptions {
    const { fault, phase } = this.#cell;
    const point = stopOf(phase);
    const times = phase === "settling" ? `@${this.#context.opened.send ? settlements : 3}` : "";
    return {
      ...(fault.faultPoints === undefined ? {} : { faultPoints: fault.faultPoints }),
      ...(point === undefined ? {} : { faultPoints: `${point}=stop${times}` }),
      ...(fault.clock === true ? { clockFile: clockFileIn(this.#context.folder) } : {}),
    };
  }
}

function recoveryOf(
  produced: readonly Produced[],
  handled: readonly Handled[],
  healed: number,
): number {
  const before = new Set(produced.filter(({ at }) => at < healed).map(({ uuid }) => uuid));
  const first = new Map<string, number>();
  for (const { uuid, at } of handled) if (!first.has(uuid) && before.has(uuid)) first.set(uuid, at);
  return Math.max(0, ...[...first.values()].map((at) => at - healed));
}

function boundOf({ source: { bounds }, fault: { strikes }, phase }: Cell): number {
  if (strikes === "server" && phase === "draining") return bounds.serverAtEnd ?? bounds.server;
  return bounds[strikes];
}

function idOf({ uuid, attempt }: { uuid: string; attempt: number }): string {
  return `${uuid} ${attempt}`;
}

function unfit(opened: OpenedSource, phase: Phase): string | undefined {
  if (opened.arrived === undefined) return undefined;
  return phase === "settling" ? "an output settles nothing" : undefined;
}

function failuresOf({ verdict, exit }: Result, bound: number, opened: OpenedSource): string[] {
  const { lost, reordered, rewound, duplicates, unknown } = verdict;
  const found: string[] = [];
  const guarantee = guaranteeOf(opened.component.type);
  if (opened.ordered && guarantee?.key === undefined)
    found.push("the cell expects an order that the binding does not promise");
  if (lost.length > 0 && guarantee?.lossy !== true)
    found.push(`lost ${lost.length}: ${lost[0]?.key} ${lost[0]?.sequence}`);
  if (opened.ordered && reordered.length > 0) found.push(`reordered ${reordered.length}`);
  if (opened.ordered && rewound.length > 0) found.push(`rewound ${rewound.length}`);
  if (duplicates > bound) found.push(`duplicates ${duplicates}, more than ${bound}`);
  if (unknown > 0 && opened.send !== undefined) found.push(`${unknown} that nobody produced`);
  if (exit !== "ended with code 0") found.push(`the runtime ${exit}`);
  return found;
}
