import { setTimeout as pause } from "node:timers/promises";
import type { DeadLetter } from "../../src/store/records.ts";
import { until } from "../until.ts";
import type { Record } from "./app-process.ts";
import { judge, type Handled, type Produced } from "./oracle.ts";
import type { Source } from "./opened-source.ts";
import {
  allHandled,
  figuresOf,
  withFixture,
  progressTimeout,
  problemsOf,
  uuidOf,
  withMetadata,
  type Result,
} from "./scenario.ts";
import { namesOf, type Fixture, type FixtureOptions } from "./fixture.ts";
import { workloadOf, without, type Workload } from "./workload.ts";
import { tickEvent } from "./tick.ts";

/** Attempts at an event, and the pause between two of them in milliseconds. */
const [attempts, backOff] = [4, 2_000];
/** Fewer events say nothing about how long the others take. */
const fewest = 10;

export type PoisonOptions = {
  /** How many there are at least. */
  readonly events: number;
  /** One in so many is always refused. */
  readonly every: number;
  readonly perSecond: number;
  /**
   * By how much the others' p99 in a pause between two attempts may be above that of before, in milliseconds; or as much
   * as that again, on a machine which is slow anyway. What waits behind such an event waits for up to {@link backOff}.
   */
  readonly slack: number;
};

/**
 * One event in `every` is always refused. The others do not wait for it, and it is in the dead letters after exactly
 * as many attempts as its policy says, also when the runtime is killed and started again meanwhile. Of a source that
 * `forgets`, the one that waited then does not come again, and a later one is.
 */
export function poison(
  source: Source,
  options: FixtureOptions,
  shape: PoisonOptions,
): Promise<Result> {
  return withFixture(source, options, (fixture) => new Poisoning(source, fixture, shape).play());
}

class Poisoning {
  readonly #source: Source;
  readonly #fixture: Fixture;
  readonly #shape: PoisonOptions;
  readonly #workload: Workload;
  /** When the runtime was killed, and when it ran again. */
  #killedAt = 0;
  #backAt = 0;

  constructor(source: Source, fixture: Fixture, shape: PoisonOptions) {
    this.#source = source;
    this.#fixture = fixture;
    this.#shape = shape;
    this.#workload = workloadOf(fixture, shape);
  }

  async play(): Promise<Result> {
    const { runtime, app, opened } = this.#fixture;
    const policy = { backOffDuration: `${backOff}ms`, backOffMaxRetries: String(attempts - 1) };
    await app.start();
    runtime.configure(
      ...[opened.component, ...(opened.more ?? [])].map((one) => withMetadata(one, policy)),
    );
    await this.#start();
    await this.#kill();
    await this.#start();
    this.#backAt = Date.now();
    await this.#untilExhausted();
    await this.#workload.stop();
    await allHandled(this.#good(), () => app.handled());
    await this.#reach("the last attempt at each poison event", progressTimeout, () =>
      this.#areExhausted(this.#lasting()),
    );
    await pause(1_000);
    const exit = await runtime.end();
    const deadLetters = await runtime.deadLetters();
    return this.#judge(exit, deadLetters);
  }

  async #start(): Promise<void> {
    const { runtime, opened } = this.#fixture;
    await runtime.start();
    for (const name of namesOf(opened)) await runtime.running(name);
    this.#workload.start();
  }

  /** While a poison event waits for its third attempt. */
  async #kill(): Promise<void> {
    await this.#reach("a second attempt at a poison event", this.#time(this.#shape.every), () =>
      this.#refusals().some(({ attempt }) => attempt === 2),
    );
    this.#workload.disturb();
    await this.#fixture.runtime.kill();
    this.#killedAt = Date.now();
  }

  /** All are produced that are to be, and each poison event among them has had its attempts, one of them since the kill. */
  async #untilExhausted(): Promise<void> {
    const { events, every } = this.#shape;
    const since = (): boolean =>
      this.#refusals().some(({ at, attempt }) => at > this.#backAt && attempt >= attempts);
    await this.#reach("the events to be produced", this.#time(events + every), () => {
      return this.#workload.count() >= events && since();
    });
    const begun = this.#lasting();
    await this.#reach("the last attempt at each poison event", progressTimeout, () =>
      this.#areExhausted(begun),
    );
  }

  async #reach(what: string, within: number, condition: () => boolean): Promise<void> {
    await until(condition, {
      what: () => `${what}:\n${this.#fixture.runtime.output()}`,
      ...{ within, every: 100 },
    });
  }

  /** In which so many events must have come, in milliseconds: a slow machine has its time. */
  #time(events: number): number {
    return (events / this.#shape.perSecond) * 20_000 + progressTimeout;
  }

  /** What the app refused. */
  #refusals(): Record[] {
    return this.#fixture.app.records().filter(({ what }) => what === "refused");
  }

  #areExhausted(uuids: ReadonlySet<string>): boolean {
    const done = this.#refusals().filter(({ attempt }) => attempt >= attempts);
    return without(uuids, done.map(uuidOfRecord)).size === 0;
  }

  /** Poison events that were under way when the runtime was killed, of a source that does not give them again. */
  #forgotten(): Set<string> {
    if (this.#fixture.opened.forgets !== true) return new Set();
    const before = this.#refusals().filter(({ receivedAt }) => receivedAt < this.#killedAt);
    const done = before.filter(({ attempt }) => attempt >= attempts);
    return without(new Set(before.map(uuidOfRecord)), done.map(uuidOfRecord));
  }

  /** The poison events that must end in the dead letters. */
  #lasting(): Set<string> {
    return without(this.#workload.poison(), this.#forgotten());
  }

  #good(): Produced[] {
    const poison = this.#workload.poison();
    return this.#workload.produced().filter(({ uuid }) => !poison.has(uuid));
  }

  #judge(exit: string, deadLetters: readonly DeadLetter[]): Result {
    const { runtime, app, opened } = this.#fixture;
    const forgotten = this.#forgotten();
    const produced = this.#workload.produced().filter(({ uuid }) => !forgotten.has(uuid));
    const uuids = deadLetters.map(uuidOfDeadLetter);
    const verdict = judge({
      ...{ produced, handled: app.handled() },
      ...{ deadLettered: new Set(uuids), lives: runtime.lives },
    });
    const failures = problemsOf(verdict, opened.ordered, this.#source.bounds.runtime);
    if (exit !== "ended with code 0") failures.push(`the runtime ${exit}`);
    if (new Set(uuids).size < uuids.length) failures.push("an event is twice in the dead letters");
    const lasting = this.#lasting();
    if (lasting.size === 0) failures.push("there was no poison");
    for (const uuid of without(new Set(uuids), lasting))
      failures.push(`not to be in the dead letters: ${uuid}`);
    failures.push(...this.#wrongCounts(deadLetters), ...this.#comeAgain(forgotten));
    const { before, during, middle, problems } = this.#p99s();
    failures.push(...problems);
    const p99 = `p99 of the others ${before} ms, while one is refused ${during} ms, in the middle one of its pauses ${middle} ms`;
    return { failures, figures: `${figuresOf(verdict)}, ${p99}` };
  }

  #wrongCounts(deadLetters: readonly DeadLetter[]): string[] {
    const [, again = 0] = this.#fixture.runtime.lives;
    const problems: string[] = [];
    for (const deadLetter of deadLetters) {
      const uuid = uuidOfDeadLetter(deadLetter);
      const seen = this.#refusals().filter((one) => one.uuid === uuid);
      // Of the first attempt nothing is noted: one that the kill came upon is repeated.
      const struck = seen.some(
        ({ at, attempt }) => attempt === 1 && at > this.#killedAt - 1_000 && at < again,
      );
      if (struck && seen.length === attempts + 1) continue;
      if (deadLetter.failed !== attempts)
        problems.push(`${uuid} failed ${deadLetter.failed} times`);
      if (seen.length !== attempts) problems.push(`${uuid} came ${seen.length} times`);
    }
    return problems;
  }

  #comeAgain(forgotten: ReadonlySet<string>): string[] {
    const [, again = Number.POSITIVE_INFINITY] = this.#fixture.runtime.lives;
    const uuids = this.#refusals().flatMap(({ uuid, receivedAt }) =>
      forgotten.has(uuid) && receivedAt > again ? [uuid] : [],
    );
    return [...new Set(uuids)].map((uuid) => `${uuid} came again after the restart`);
  }

  /**
   * How long the others take: before the first poison event came, while one is refused again and again, and in the
   * middle one of the pauses between two attempts. That is what is judged: what waits behind a poison event does so in
   * each of its pauses, and a busy machine stands still in some.
   */
  #p99s(): { before: number; during: number; middle: number; problems: string[] } {
    const handled = this.#fixture.app.handled();
    const good = this.#good();
    const pauses = this.#pauses();
    const first = Math.min(...pauses.map(({ from }) => from));
    const early = good.filter((one) => sentAt(one) < first);
    // A runtime and an app that have just begun are slower.
    const warm = early.slice(Math.floor(early.length / 4));
    // What came while the runtime was away holds up what came behind it.
    const kept = new Set(good.flatMap((one) => (sentAt(one) <= this.#backAt ? [one.uuid] : [])));
    const caughtUpAt = handled.findLast(({ uuid }) => kept.has(uuid))?.at ?? this.#backAt;
    const undisturbed = good.filter((one) => {
      const at = sentAt(one);
      return at < this.#killedAt - backOff / 2 || at > caughtUpAt + backOff;
    });
    const within = pauses
      .map(({ from, to }) => undisturbed.filter((one) => sentAt(one) > from && sentAt(one) < to))
      .filter(({ length }) => length >= fewest);
    const each = within.map((some) => p99Of(some, handled)).sort((one, other) => one - other);
    const middle = each[Math.floor((each.length - 1) / 2)] ?? 0;
    const before = p99Of(warm, handled);
    const problems: string[] = [];
    if (warm.length < fewest || each.length < 2)
      problems.push(
        `${warm.length} events before and ${each.length} pauses are too few to compare`,
      );
    const most = Math.max(before * 2, before + this.#shape.slack);
    if (middle > most) problems.push(`the others waited: p99 ${middle} ms, more than ${most} ms`);
    return { before, during: p99Of([...new Set(within.flat())], handled), middle, problems };
  }

  /** From each refusal of an event to its next. */
  #pauses(): { from: number; to: number }[] {
    const refusals = Map.groupBy(this.#refusals(), ({ uuid }) => uuid);
    return [...refusals.values()].flatMap((seen) =>
      seen.slice(1).map(({ at }, index) => ({ from: seen[index]?.at ?? at, to: at })),
    );
  }
}

function uuidOfRecord({ uuid }: Record): string {
  return uuid;
}

function sentAt({ sent, at }: Produced): number {
  return sent ?? at;
}

/** From being sent to the first handling, in milliseconds. */
function p99Of(produced: readonly Produced[], handled: readonly Handled[]): number {
  const first = new Map<string, number>();
  for (const { uuid, at } of handled) first.set(uuid, Math.min(at, first.get(uuid) ?? at));
  const delays = produced.flatMap((one) => {
    const at = first.get(one.uuid);
    return at === undefined ? [] : [at - sentAt(one)];
  });
  delays.sort((one, other) => one - other);
  return delays[Math.floor(delays.length * 0.99)] ?? 0;
}

function uuidOfDeadLetter({ component, event: { data, id } }: DeadLetter): string {
  return data === undefined || data.length === 0
    ? tickEvent(component, Date.parse(id ?? "")).uuid
    : uuidOf(data);
}
