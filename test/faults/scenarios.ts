import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { until } from "../until.ts";
import { Load } from "./load.ts";
import { judge, type Handled, type Produced, type Verdict } from "./oracle.ts";
import type { Source } from "./place.ts";
import type { ComponentYaml } from "./runtime-process.ts";
import { openStage, type Stage, type StageOptions } from "./stage.ts";

/** What came of a scenario. */
export type Result = {
  /** What is wrong; empty: it passed. */
  readonly failures: readonly string[];
  /** What was measured, in a few words. */
  readonly figures: string;
  /** Where the logs are, if it failed. */
  readonly folder?: string;
};

/** How long one step may take, in milliseconds. */
const patience = 120_000;

/** The runtime is asked to end at random moments under load, and started again. Nothing may be handled twice. */
export function endings(source: Source, options: StageOptions, rounds: number): Promise<Result> {
  return onStage(source, options, async ({ runtime, app, place }) => {
    await app.start();
    runtime.configure(place.component);
    // No more waits than is handled soon, so that each end comes upon events under way.
    const room = (durable: number): boolean => durable < app.handled().length + 500;
    const load = new Load(place, { perSecond: 100, room });
    const ends: string[] = [];
    load.start();
    for (let round = 0; round < rounds; round++) {
      const before = app.handled().length;
      await runtime.start();
      await until(() => app.handled().length > before, {
        what: () => `an event to be handled after start ${round + 1}:\n${runtime.output()}`,
        within: patience,
      });
      await pause(Math.random() * 1_000);
      ends.push(await runtime.end());
    }
    await runtime.start();
    await load.stop();
    await allHandled(load.produced, () => app.handled());
    ends.push(await runtime.end());
    const verdict = judge({
      produced: load.produced,
      handled: app.handled(),
      lives: runtime.lives,
    });
    const bad = ends.filter((how) => how !== "ended with code 0");
    const failures = [
      ...problemsOf(verdict, place.ordered, 0),
      ...(bad.length === 0 ? [] : [`${bad.length} of ${ends.length} ends: ${bad[0]}`]),
    ];
    return { failures, figures: `${rounds} ends, ${figuresOf(verdict)}` };
  });
}

/**
 * The component's file is changed again and again under load, every second time into one that cannot be used. Nothing
 * is lost or handled twice, and what cannot be used interrupts nothing.
 */
export function reloads(source: Source, options: StageOptions, count: number): Promise<Result> {
  return onStage(source, options, async ({ runtime, app, place }) => {
    const { component } = place;
    await app.start();
    runtime.configure(component);
    await runtime.start();
    await runtime.running(component.name);
    const load = new Load(place, { perSecond: 100 });
    load.start();
    let worst = 0;
    const reads = runtime.watch("resources have changed");
    for (let number = 0; number < count; number++) {
      const before = app.handled().length;
      const from = Date.now();
      runtime.configure(number % 2 === 0 ? changed(component, number) : broken(component, number));
      // It was read, and delivery goes on: some more are handled after each change.
      await until(() => reads() > number, {
        what: () => `change ${number} to be read:\n${runtime.output()}`,
        within: 60_000,
      });
      await until(() => app.handled().length >= before + 5, {
        what: () => `events after change ${number}:\n${runtime.output()}`,
        within: 30_000,
      });
      worst = Math.max(worst, Date.now() - from);
    }
    runtime.configure(component);
    await load.stop();
    await allHandled(load.produced, () => app.handled());
    const exit = await runtime.end();
    const verdict = judge({ produced: load.produced, handled: app.handled() });
    const failures = [
      ...problemsOf(verdict, place.ordered, 0),
      ...(exit === "ended with code 0" ? [] : [`the runtime ${exit}`]),
      ...(runtime.lives.length === 1 ? [] : ["the runtime did not live through it"]),
    ];
    return {
      failures,
      figures: `${count} changes, ${figuresOf(verdict)}, longest until five more were handled ${worst} ms`,
    };
  });
}

function changed(component: ComponentYaml, number: number): ComponentYaml {
  return {
    ...component,
    metadata: { ...component.metadata, maxInFlight: String(32 + (number % 64)) },
  };
}

/** By turns: no YAML, an unknown type, a value that the type refuses. */
function broken(component: ComponentYaml, number: number): ComponentYaml | string {
  const kind = Math.floor(number / 2) % 3;
  if (kind === 0) return "apiVersion: dapr.io/v1alpha1\nkind: [Component\n  metadata: :";
  if (kind === 1) return { ...component, type: "bindings.nosuch" };
  return { ...component, metadata: { ...component.metadata, maxInFlight: "many" } };
}

/**
 * One event in `every` is always refused. The others do not wait for it, and it is in the dead letters after exactly
 * as many attempts as its policy says, also when the runtime is killed and started again meanwhile.
 */
export function poison(
  source: Source,
  options: StageOptions,
  { events, every, perSecond }: { events: number; every: number; perSecond: number },
): Promise<Result> {
  const [attempts, backOff] = [4, 2_000];
  return onStage(source, options, async ({ runtime, app, place }) => {
    await app.start();
    runtime.configure(
      withMetadata(place.component, {
        ...{ backOffDuration: `${backOff}ms`, backOffMaxRetries: String(attempts - 1) },
      }),
    );
    await runtime.start();
    await runtime.running(place.component.name);
    const load = new Load(place, { perSecond, poisonEvery: every });
    const bad = (what: string) =>
      app.records().filter((one) => one.what === what && load.poison.has(one.uuid));
    load.start();
    // Killed while a poison event waits for its third attempt.
    await until(() => bad("refused").some(({ attempt }) => attempt === 2), {
      what: () => `a second attempt at a poison event:\n${runtime.output()}`,
      within: (every / perSecond) * 20_000 + patience,
    });
    await runtime.kill();
    const killedAt = Date.now();
    await runtime.start();
    await runtime.running(place.component.name);
    const backAt = Date.now();
    await until(() => load.produced.length >= events, {
      what: "the load to be produced",
      within: (events / perSecond) * 20_000 + patience,
    });
    await load.stop();
    const good = load.produced.filter(({ uuid }) => !load.poison.has(uuid));
    await allHandled(good, () => app.handled());
    const last = (): boolean =>
      new Set(bad("refused").flatMap((one) => (one.attempt >= attempts ? [one.uuid] : []))).size ===
      load.produced.filter(({ uuid, durable }) => durable && load.poison.has(uuid)).length;
    await until(last, { what: "the last attempt at each poison event", within: patience });
    await pause(1_000);
    const exit = await runtime.end();
    const letters = await runtime.deadLetters();
    const uuids = letters.map(({ event }) => uuidOf(event.data));
    const verdict = judge({
      ...{ produced: load.produced, handled: app.handled() },
      ...{ deadLettered: new Set(uuids), lives: runtime.lives },
    });
    const failures = problemsOf(verdict, place.ordered, source.bounds.runtime);
    if (exit !== "ended with code 0") failures.push(`the runtime ${exit}`);
    if (new Set(uuids).size !== uuids.length)
      failures.push("an event is twice in the dead letters");
    for (const { event, failed } of letters) {
      const uuid = uuidOf(event.data);
      if (!load.poison.has(uuid)) failures.push(`a good event in the dead letters: ${uuid}`);
      const seen = bad("refused").filter((one) => one.uuid === uuid);
      // Of the first attempt nothing is noted: one that the kill came upon is repeated.
      const struck = seen.some(({ at, attempt }) => attempt === 1 && at > killedAt - 1_000);
      if (failed !== attempts && !struck) failures.push(`${uuid} failed ${failed} times`);
      if (seen.length !== attempts && !struck) failures.push(`${uuid} came ${seen.length} times`);
    }
    const handled = app.handled();
    // What came while the runtime was away holds up what came behind it.
    const kept = new Set(good.flatMap(({ at, uuid }) => (at <= backAt ? [uuid] : [])));
    const caughtUpAt = handled.findLast(({ uuid }) => kept.has(uuid))?.at ?? backAt;
    const delays = delaysOf(
      good.filter(({ at }) => at < killedAt - backOff || at > caughtUpAt + backOff),
      handled,
    );
    const p99 = delays[Math.floor(delays.length * 0.99)] ?? 0;
    if (p99 >= backOff) failures.push(`the others waited: p99 ${p99} ms`);
    return { failures, figures: `${figuresOf(verdict)}, p99 of the others ${p99} ms` };
  });
}

/** An event ends the app each time that it gets it. It ends in the dead letters, and what comes after is handled. */
export function appKiller(source: Source, options: StageOptions): Promise<Result> {
  const attempts = 3;
  return onStage(source, options, async ({ runtime, app, place }) => {
    const { send } = place;
    if (send === undefined) throw new Error(`${source.name} makes its events itself`);
    runtime.configure(
      withMetadata(place.component, {
        ...{ backOffDuration: "200ms", backOffMaxRetries: String(attempts - 1) },
      }),
    );
    await app.start();
    await runtime.start();
    await runtime.running(place.component.name);
    const killer = { key: "killer", sequence: 1, uuid: randomUUID() };
    const sent = send({ ...killer, do: "exit" });
    sent.catch(() => {});
    for (let attempt = 1; attempt <= attempts; attempt++) {
      await until(() => app.gone, {
        what: () => `attempt ${attempt} to end the app:\n${runtime.output()}`,
        within: 60_000,
      });
      await app.start();
    }
    await sent;
    const load = new Load(place, { perSecond: 50 });
    load.start();
    await until(() => load.produced.length >= 50, { what: "fifty events", within: 60_000 });
    await load.stop();
    await allHandled(load.produced, () => app.handled());
    const exit = await runtime.end();
    const letters = await runtime.deadLetters();
    const verdict = judge({ produced: load.produced, handled: app.handled() });
    const failures = problemsOf(verdict, place.ordered, 0);
    if (exit !== "ended with code 0") failures.push(`the runtime ${exit}`);
    const found = letters.map(({ event, failed }) => `${uuidOf(event.data)} ${failed}`);
    if (found.join() !== `${killer.uuid} ${attempts}`)
      failures.push(`dead letters: ${found.join()}, not ${killer.uuid} ${attempts}`);
    return { failures, figures: `${attempts} ends of the app, ${figuresOf(verdict)}` };
  });
}

/** The app is away, as in a deployment. It costs no event an attempt. */
export function appAway(source: Source, options: StageOptions, seconds: number): Promise<Result> {
  return onStage(source, options, async ({ runtime, app, place }) => {
    runtime.configure(place.component);
    await app.start();
    await runtime.start();
    await runtime.running(place.component.name);
    await app.kill();
    await until(async () => (await runtime.state(place.component.name)) === "waiting for app", {
      what: () => `the runtime to see that the app is gone:\n${runtime.output()}`,
      within: 30_000,
    });
    const load = new Load(place, { perSecond: 20 });
    load.start();
    await pause(seconds * 1000);
    await app.start();
    await load.stop();
    await allHandled(load.produced, () => app.handled());
    const exit = await runtime.end();
    const verdict = judge({ produced: load.produced, handled: app.handled() });
    const failures = problemsOf(verdict, place.ordered, 0);
    if (exit !== "ended with code 0") failures.push(`the runtime ${exit}`);
    const repeated = app.records().filter(({ attempt }) => attempt !== 1);
    if (repeated.length > 0) failures.push(`${repeated.length} attempts were not the first`);
    return { failures, figures: `${seconds} s, ${figuresOf(verdict)}` };
  });
}

/**
 * An event waits for its retry while those behind it are handled; then the runtime is killed. After the restart only
 * what was not handled comes again.
 */
export function killedWhileOneWaits(source: Source, options: StageOptions): Promise<Result> {
  return onStage(source, options, async ({ runtime, app, place }) => {
    const { send } = place;
    if (send === undefined) throw new Error(`${source.name} makes its events itself`);
    runtime.configure(
      withMetadata(place.component, { backOffDuration: "20s", backOffMaxRetries: "9" }),
    );
    await app.start();
    await runtime.start();
    await runtime.running(place.component.name);
    const waiting = { key: "waiting", sequence: 1, uuid: randomUUID() };
    await send({ ...waiting, do: "refuse:2" });
    const produced: Produced[] = [];
    for (let number = 0; number < 300; number++) {
      const event = { key: `key-${number % 7}`, sequence: number, uuid: randomUUID() };
      await send(event);
      produced.push({ ...event, at: Date.now(), durable: true });
    }
    await allHandled(produced, () => app.handled());
    // Until the source was told: acknowledgements go out at once, offsets once a second.
    await pause(2_500);
    await runtime.kill();
    const killedAt = Date.now();
    await runtime.start();
    produced.push({ ...waiting, at: killedAt, durable: true });
    await allHandled(produced, () => app.handled());
    const again = app.records().filter(({ receivedAt }) => receivedAt > killedAt);
    const others = again.filter(({ uuid }) => uuid !== waiting.uuid);
    const exit = await runtime.end();
    const verdict = judge({ produced, handled: app.handled(), lives: runtime.lives });
    const failures = problemsOf(verdict, place.ordered, 0);
    if (others.length > 0) failures.push(`${others.length} others came again`);
    if (exit !== "ended with code 0") failures.push(`the runtime ${exit}`);
    const attempts = again.map(({ attempt }) => attempt);
    if (attempts.length === 0) failures.push("the event did not wait when the runtime was killed");
    return { failures, figures: `${figuresOf(verdict)}, its attempts after: ${attempts.join()}` };
  });
}

async function onStage(
  source: Source,
  options: StageOptions,
  play: (stage: Stage) => Promise<Result>,
): Promise<Result> {
  await using stage = await openStage(source, options);
  try {
    const result = await play(stage);
    if (result.failures.length === 0) return result;
    stage.keep();
    return { ...result, folder: stage.folder };
  } catch (error) {
    stage.keep();
    const failures = [error instanceof Error ? error.message : String(error)];
    return { failures, figures: "", folder: stage.folder };
  }
}

async function allHandled(produced: readonly Produced[], handled: () => Handled[]): Promise<void> {
  const missing = (): number => {
    const done = new Set(handled().map(({ uuid }) => uuid));
    return produced.filter(({ durable, uuid }) => durable && !done.has(uuid)).length;
  };
  // What is still missing after a while in which nothing more was handled, the verdict tells.
  let before = Number.POSITIVE_INFINITY;
  let end = 0;
  for (let count = missing(); count > 0; count = missing()) {
    if (count !== before) end = Date.now() + patience;
    else if (Date.now() > end) return;
    before = count;
    await pause(200);
  }
}

function withMetadata(
  component: ComponentYaml,
  metadata: Readonly<Record<string, string>>,
): ComponentYaml {
  return { ...component, metadata: { ...component.metadata, ...metadata } };
}

function problemsOf(verdict: Verdict, ordered: boolean, bound: number): string[] {
  const { lost, duplicates, reordered, rewound } = verdict;
  const problems: string[] = [];
  if (lost.length > 0) problems.push(`lost ${lost.length}`);
  if (duplicates > bound) problems.push(`duplicates ${duplicates}, more than ${bound}`);
  if (ordered && reordered.length > 0) problems.push(`reordered ${reordered.length}`);
  if (ordered && rewound.length > 0) problems.push(`rewound ${rewound.length}`);
  return problems;
}

function figuresOf({ produced, lost, duplicates, deadLettered }: Verdict): string {
  const letters = deadLettered > 0 ? `, dead letters ${deadLettered}` : "";
  return `produced ${produced}, lost ${lost.length}, duplicates ${duplicates}${letters}`;
}

/** From the source's word to the first handling, ascending, in milliseconds. */
function delaysOf(produced: readonly Produced[], handled: readonly Handled[]): number[] {
  const first = new Map<string, number>();
  for (const { uuid, at } of handled) first.set(uuid, Math.min(at, first.get(uuid) ?? at));
  return produced
    .flatMap(({ uuid, at, durable }) => (durable ? [(first.get(uuid) ?? at) - at] : []))
    .sort((one, other) => one - other);
}

function uuidOf(data: Uint8Array | undefined): string {
  return (JSON.parse(Buffer.from(data ?? []).toString("utf8")) as { uuid: string }).uuid;
}
