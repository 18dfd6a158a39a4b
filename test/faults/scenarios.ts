import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { until } from "../until.ts";
import { Load } from "./load.ts";
import { judge, type Produced } from "./oracle.ts";
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
import type { FixtureOptions } from "./fixture.ts";

/** The runtime is asked to end at random moments under load, and started again. Nothing may be handled twice. */
export function endings(source: Source, options: FixtureOptions, rounds: number): Promise<Result> {
  return withFixture(source, options, async ({ runtime, app, opened }) => {
    await app.start();
    runtime.configure(opened.component);
    // No more waits than is handled soon, so that each end comes upon events under way.
    const room = (durable: number): boolean => durable < app.handled().length + 500;
    const load = new Load(opened, { perSecond: 100, room });
    const ends: string[] = [];
    load.start();
    for (let round = 0; round < rounds; round++) {
      const before = app.handled().length;
      await runtime.start();
      await until(() => app.handled().length > before, {
        what: () => `an event to be handled after start ${round + 1}:\n${runtime.output()}`,
        within: progressTimeout,
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
      ...problemsOf(verdict, opened.ordered, 0),
      ...(bad.length === 0 ? [] : [`${bad.length} of ${ends.length} ends: ${bad[0]}`]),
    ];
    return { failures, figures: `${rounds} ends, ${figuresOf(verdict)}` };
  });
}

/** An event ends the app each time that it gets it. It ends in the dead letters, and what comes after is handled. */
export function appKiller(source: Source, options: FixtureOptions): Promise<Result> {
  const attempts = 3;
  return withFixture(source, options, async ({ runtime, app, opened }) => {
    const { send } = opened;
    if (send === undefined) throw new Error(`${source.name} makes its events itself`);
    runtime.configure(
      withMetadata(opened.component, {
        ...{ backOffDuration: "200ms", backOffMaxRetries: String(attempts - 1) },
      }),
    );
    await app.start();
    await runtime.start();
    await runtime.running(opened.component.name);
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
    const load = new Load(opened, { perSecond: 50 });
    load.start();
    await until(() => load.produced.length >= 50, { what: "fifty events", within: 60_000 });
    await load.stop();
    await allHandled(load.produced, () => app.handled());
    const exit = await runtime.end();
    const deadLetters = await runtime.deadLetters();
    const verdict = judge({ produced: load.produced, handled: app.handled() });
    const failures = problemsOf(verdict, opened.ordered, 0);
    if (exit !== "ended with code 0") failures.push(`the runtime ${exit}`);
    const found = deadLetters.map(({ event, failed }) => `${uuidOf(event.data)} ${failed}`);
    if (found.join() !== `${killer.uuid} ${attempts}`)
      failures.push(`dead letters: ${found.join()}, not ${killer.uuid} ${attempts}`);
    return { failures, figures: `${attempts} ends of the app, ${figuresOf(verdict)}` };
  });
}

/** The app is away, as in a deployment. It costs no event an attempt. */
export function appAway(source: Source, options: FixtureOptions, seconds: number): Promise<Result> {
  return withFixture(source, options, async ({ runtime, app, opened }) => {
    runtime.configure(opened.component);
    await app.start();
    await runtime.start();
    await runtime.running(opened.component.name);
    await app.kill();
    await until(async () => (await runtime.state(opened.component.name)) === "waiting for app", {
      what: () => `the runtime to see that the app is gone:\n${runtime.output()}`,
      within: 30_000,
    });
    const load = new Load(opened, { perSecond: 20 });
    load.start();
    await pause(seconds * 1000);
    await app.start();
    await load.stop();
    await allHandled(load.produced, () => app.handled());
    const exit = await runtime.end();
    const verdict = judge({ produced: load.produced, handled: app.handled() });
    const failures = problemsOf(verdict, opened.ordered, 0);
    if (exit !== "ended with code 0") failures.push(`the runtime ${exit}`);
    const repeated = app.records().filter(({ attempt }) => attempt !== 1);
    if (repeated.length > 0) failures.push(`${repeated.length} attempts were not the first`);
    return { failures, figures: `${seconds} s, ${figuresOf(verdict)}` };
  });
}

/**
 * An event waits for its retry, `backOff` seconds, while those behind it are handled; then the runtime is killed. After
 * the restart only what was not handled comes again.
 */
export function killedWhileOneWaits(
  source: Source,
  options: FixtureOptions,
  { events, backOff }: { events: number; backOff: number },
): Promise<Result> {
  return withFixture(source, options, async ({ runtime, app, opened }) => {
    const { send } = opened;
    if (send === undefined) throw new Error(`${source.name} makes its events itself`);
    runtime.configure(
      withMetadata(opened.component, { backOffDuration: `${backOff}s`, backOffMaxRetries: "9" }),
    );
    await app.start();
    await runtime.start();
    await runtime.running(opened.component.name);
    const waiting = { key: "waiting", sequence: 1, uuid: randomUUID() };
    await send({ ...waiting, do: "refuse:2" });
    const produced: Produced[] = [];
    for (let number = 0; number < events; number++) {
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
    const failures = problemsOf(verdict, opened.ordered, 0);
    if (others.length > 0) failures.push(`${others.length} others came again`);
    if (exit !== "ended with code 0") failures.push(`the runtime ${exit}`);
    const attempts = again.map(({ attempt }) => attempt);
    if (attempts.length === 0) failures.push("the event did not wait when the runtime was killed");
    return { failures, figures: `${figuresOf(verdict)}, its attempts after: ${attempts.join()}` };
  });
}
