import { expect, onTestFinished, test, vi } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import type { Delivery, Outcome } from "../../src/runtime/app.ts";
import type { Store } from "../../src/store/store.ts";
import { createHttpEndpoints } from "../../src/server/http-endpoints.ts";
import { FakeApp, handled, refused } from "../runtime/fake-app.ts";
import { component, startRuntime } from "../runtime/fake-binding.ts";
import { allBytes } from "./opened-output.ts";

/** A source of events, with what is particular to it. */
export type Source = {
  readonly binding: AnyBinding;
  /** The most bytes of one event that are tried. */
  readonly largest: number;
  /** The bytes that its events can have. Default: all. */
  readonly bytes?: Uint8Array;
  /** `false`: it has no events without bytes. */
  readonly carriesNothing?: false;
  /** A queue, topic or folder that no other test uses. */
  place(): Promise<Place>;
  /** Metadata with which order is promised, and the keys it is promised by. */
  readonly ordered?: { properties: Record<string, string>; keys: readonly string[] };
};

export type Place = {
  readonly properties: Record<string, string>;
  /** Where the runtime keeps how far a source without acknowledgements was handled. */
  readonly store?: Store;
  /** Resolves once the source has it, or will: a sender that repeats may still be at it. */
  send(data: Uint8Array, key: string): Promise<void>;
  /** Sends one event with all that its source can carry beside the data; the result checks what came. */
  sendMarked(): Promise<(delivery: Delivery) => void>;
};

const eventually = { timeout: 25_000, interval: 5 };

/** What each input promises, whatever it reads from. */
export function testSource(name: string, source: Source): void {
  test(`${name}: handled never comes again, not handled does, after opening anew`, async () => {
    const place = await source.place();
    const texts = Array.from({ length: 10 }, (_, n) => String(n));
    const odd = texts.filter((text) => Number(text) % 2 === 1);
    for (const text of texts) await place.send(Buffer.from(text), text);
    const first = await read(source, place, (text) => (odd.includes(text) ? refused() : handled));
    await vi.waitFor(() => expect(new Set(first.app.texts).size).toBe(10), eventually);
    await vi.waitFor(() => expect(first.status().handled).toBe(5), eventually);
    await first.runtime.close();

    await place.send(Buffer.from("end"), "end");
    const second = await read(source, place);
    await vi.waitFor(() => expect(second.status().handled).toBe(6), eventually);
    expect(second.app.texts.toSorted()).toEqual([...odd, "end"].toSorted());
    await second.runtime.close();

    await place.send(Buffer.from("last"), "last");
    const third = await read(source, place);
    // A broker may deliver before it has confirmed the subscription.
    const steady = { handled: 1, state: "running", inFlight: 0, waiting: 0 };
    await vi.waitFor(() => expect(third.status()).toMatchObject(steady), eventually);
    expect(third.app.texts).toEqual(["last"]);
  });

  test(`${name}: every byte, nothing and much come as they are`, async () => {
    const place = await source.place();
    const bytes = source.bytes ?? allBytes;
    const much = Buffer.alloc(source.largest, bytes);
    const nothing = source.carriesNothing === false ? bytes : new Uint8Array();
    for (const [key, data] of [bytes, nothing, much].entries()) await place.send(data, String(key));
    const { app, status } = await read(source, place);
    await vi.waitFor(() => expect(status().handled).toBe(3), eventually);
    const came = app.deliveries
      .map(({ data }) => Buffer.from(data ?? "none"))
      .toSorted((a, b) => a.length - b.length);
    expect(came.map(({ length }) => length)).toEqual([nothing.length, bytes.length, much.length]);
    expect(came[1]?.equals(bytes)).toBe(true);
    expect(came[2]?.equals(much)).toBe(true);
  });

  test(`${name}: what the source carries beside the data comes whole`, async () => {
    const place = await source.place();
    const check = await place.sendMarked();
    const { app, status } = await read(source, place);
    await vi.waitFor(() => expect(status().handled).toBe(1), eventually);
    const [delivery] = app.deliveries;
    if (delivery === undefined) throw new Error("nothing came");
    check(delivery);
    const { eventMetadata = delivery.metadata } = source.binding;
    expect(Object.keys(eventMetadata)).toEqual(
      expect.arrayContaining(Object.keys(delivery.metadata)),
    );
  });

  const { ordered } = source;
  if (ordered === undefined) return;
  test(`${name}: order by key holds under parallelism and refusals`, async () => {
    const place = await source.place();
    const { keys, properties } = ordered;
    const each = Math.ceil(200 / keys.length);
    for (let n = 0; n < each; n++) {
      await Promise.all(keys.map((key) => place.send(Buffer.from(`${key}:${n}`), key)));
    }
    const seen = new Map<string, number[]>(keys.map((key) => [key, []]));
    let turn = 0;
    const begun = new Set<string>();
    const together = Promise.withResolvers<void>();
    const { status, app } = await read(
      source,
      place,
      async (text) => {
        const [key = "", number = ""] = text.split(":");
        // Events of all keys are with the app at once, however slowly they come.
        begun.add(key);
        if (begun.size === keys.length) together.resolve();
        await together.promise;
        for (let wait = ++turn % 5; wait > 0; wait--) await new Promise(setImmediate);
        if (turn % 40 === 0) return refused();
        seen.get(key)?.push(Number(number));
        return handled;
      },
      properties,
    );
    await vi.waitFor(() => expect(status().handled).toBe(each * keys.length), eventually);
    const inOrder = Array.from({ length: each }, (_, n) => n);
    for (const key of keys) expect(seen.get(key)).toEqual(inOrder);
    expect(app.most).toBe(keys.length > 1 ? keys.length : 1);
  });
}

/** A server of the test's own, which restarts. */
export type RestartableServer = { restart(): Promise<void> };

export function testRestart(name: string, source: Source, server: RestartableServer): void {
  test(
    `${name}: a server that restarts in the middle loses nothing`,
    { timeout: 90_000 },
    async () => {
      const texts = Array.from({ length: 60 }, (_, n) => String(n));
      const before = await source.place();
      for (const text of texts.slice(0, 40)) await before.send(Buffer.from(text), text);
      const done = new Set<string>();
      const restarted = Promise.withResolvers<void>();
      const { app, status } = await read(source, before, async (text) => {
        // Some are handled before, some are with the app meanwhile, some wait.
        if (Number(text) % 2 === 1) await restarted.promise;
        done.add(text);
        return handled;
      });
      await vi.waitFor(() => expect(done.size).toBeGreaterThan(5), eventually);
      await server.restart();
      restarted.resolve();
      for (const text of texts.slice(40)) await before.send(Buffer.from(text), text);
      const long = { timeout: 60_000, interval: 20 };
      await vi.waitFor(() => expect(done.size).toBe(60), long);
      await vi.waitFor(
        () => expect(status()).toMatchObject({ state: "running", inFlight: 0, waiting: 0 }),
        long,
      );
      expect(app.texts.length).toBeGreaterThanOrEqual(60);
    },
  );
}

/** A runtime with the source's component, and an app that answers by the event's text. */
export async function read(
  source: Pick<Source, "binding">,
  place: Pick<Place, "properties" | "store">,
  answer: (text: string, delivery: Delivery) => Outcome | Promise<Outcome> = () => handled,
  properties: Record<string, string> = {},
) {
  const app = new FakeApp((delivery) =>
    answer(Buffer.from(delivery.data ?? []).toString(), delivery),
  );
  const started = startRuntime({
    appId: "contract",
    bindings: [source.binding],
    app,
    http: createHttpEndpoints(),
    ...(place.store === undefined ? {} : { store: place.store }),
  });
  const all = {
    direction: "input",
    backOffInitialInterval: "20ms",
    backOffMaxInterval: "100ms",
    ...place.properties,
    ...properties,
  };
  const spec = component(
    source.binding.name,
    {},
    {
      resolve: async () => ({ values: all, secrets: [] }),
    },
  );
  await started.runtime.apply([spec]);
  return { ...started, app };
}

/** Ends something after the test, once what was begun later has ended. */
export function endAfterTest(end: () => Promise<unknown> | void): void {
  onTestFinished(async () => void (await end()));
}
