import assert from "node:assert/strict";
import type { AnyBinding } from "../../binding.ts";
import type { Delivery, Outcome } from "../../runtime/app.ts";
import type { ComponentStatus } from "../../runtime/status.ts";
import type { Store } from "../../store/store.ts";
import { startComponent, type StartedComponent } from "./component-runtime.ts";
import { handled, RecordingApp, refused } from "./recording-app.ts";
import { addTest, allBytes, eventually, type After, type TestFunction } from "./runner.ts";

/** A source of events, with what is particular to it. */
export type Source = {
  readonly binding: AnyBinding;
  /** The most bytes of one event that are tried. */
  readonly largest: number;
  /** The bytes that its events can have. Default: all. */
  readonly bytes?: Uint8Array;
  /** `false`: it has no events without bytes. */
  readonly carriesNothing?: false;
  /** A queue, topic or folder that no other test uses; `after` notes what ends it. */
  place(after: After): Promise<Place>;
  /** Metadata with which order is promised, and the keys it is promised by. */
  readonly ordered?: { properties: Record<string, string>; keys: readonly string[] };
};

/** Where events of one test come from. */
export type Place = {
  /** The component's metadata. */
  readonly properties: Record<string, string>;
  /** Where the runtime keeps how far a source without acknowledgements was handled. */
  readonly store?: Store;
  /** Resolves once the source has it, or will: a sender that repeats may still be at it. */
  send(data: Uint8Array, key: string): Promise<void>;
  /** Sends one event with all that its source can carry beside the data; the result checks what came. */
  sendMarked(): Promise<(delivery: Delivery) => void>;
};

/** What each input promises, whatever it reads from: the tests of one source. */
export function testInput(test: TestFunction, name: string, source: Source): void {
  addTest(
    test,
    `${name}: handled never comes again, not handled does, after opening anew`,
    async (after) => {
      const place = await source.place(after);
      const texts = Array.from({ length: 10 }, (_, n) => String(n));
      const odd = texts.filter((text) => Number(text) % 2 === 1);
      for (const text of texts) await place.send(Buffer.from(text), text);
      const first = await read(source, place, (text) => (odd.includes(text) ? refused() : handled));
      after(first.close);
      await eventually(() => assert.equal(new Set(first.app.texts).size, 10));
      await eventually(() => assert.equal(first.status().handled, 5));
      await first.close();

      await place.send(Buffer.from("end"), "end");
      const second = await read(source, place);
      after(second.close);
      await eventually(() => assert.equal(second.status().handled, 6));
      assert.deepEqual(second.app.texts.toSorted(), [...odd, "end"].toSorted());
      await second.close();

      await place.send(Buffer.from("last"), "last");
      const third = await read(source, place);
      after(third.close);
      // A broker may deliver before it has confirmed the subscription.
      await eventually(() => assertSteady(third.status(), { handled: 1 }));
      assert.deepEqual(third.app.texts, ["last"]);
    },
  );

  addTest(test, `${name}: every byte, nothing and much come as they are`, async (after) => {
    const place = await source.place(after);
    const bytes = source.bytes ?? allBytes;
    const much = Buffer.alloc(source.largest, bytes);
    const nothing = source.carriesNothing === false ? bytes : new Uint8Array();
    for (const [key, data] of [bytes, nothing, much].entries()) await place.send(data, String(key));
    const { app, status, close } = await read(source, place);
    after(close);
    await eventually(() => assert.equal(status().handled, 3));
    const came = app.deliveries
      .map(({ data }) => Buffer.from(data ?? "none"))
      .toSorted((a, b) => a.length - b.length);
    const lengths = [nothing.length, bytes.length, much.length];
    assert.deepEqual(
      came.map(({ length }) => length),
      lengths,
    );
    assert.ok(came[1]?.equals(bytes), "all bytes come as they were sent");
    assert.ok(came[2]?.equals(much), "the largest event comes as it was sent");
  });

  addTest(test, `${name}: what the source carries beside the data comes whole`, async (after) => {
    const place = await source.place(after);
    const check = await place.sendMarked();
    const { app, status, close } = await read(source, place);
    after(close);
    await eventually(() => assert.equal(status().handled, 1));
    const [delivery] = app.deliveries;
    assert.ok(delivery !== undefined, "nothing came");
    check(delivery);
    const { eventMetadata = delivery.metadata } = source.binding;
    for (const name of Object.keys(delivery.metadata))
      assert.ok(name in eventMetadata, `eventMetadata does not name ${name}`);
  });

  addTest(
    test,
    `${name}: an examination finds nothing wrong, consumes nothing, and disturbs nothing`,
    async (after) => {
      const place = await source.place(after);
      await place.send(Buffer.from("one"), "one");
      const { store, properties } = place;
      const examined = await startComponent(source.binding, properties, { store });
      after(examined.close);
      await examined.examine();
      await examined.close();
      const { app, status, examine, close } = await read(source, place);
      after(close);
      await eventually(() => assertSteady(status(), { handled: 1 }));
      assert.deepEqual(app.texts, ["one"]);
      const before = status();
      await examine();
      await place.send(Buffer.from("two"), "two");
      await eventually(() => assertSteady(status(), { handled: 2 }));
      assert.deepEqual(app.texts, ["one", "two"]);
      // The connection, the consumer and the port are those that it had.
      assert.deepEqual(status().since, before.since);
    },
  );

  const { ordered } = source;
  if (ordered === undefined) return;
  addTest(test, `${name}: order by key holds under parallelism and refusals`, async (after) => {
    const place = await source.place(after);
    const { keys, properties } = ordered;
    const each = Math.ceil(200 / keys.length);
    for (let n = 0; n < each; n++) {
      await Promise.all(keys.map((key) => place.send(Buffer.from(`${key}:${n}`), key)));
    }
    const seen = new Map<string, number[]>(keys.map((key) => [key, []]));
    let turn = 0;
    const begun = new Set<string>();
    const together = Promise.withResolvers<void>();
    const { status, app, close } = await read(
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
    after(close);
    await eventually(() => assert.equal(status().handled, each * keys.length));
    const inOrder = Array.from({ length: each }, (_, n) => n);
    for (const key of keys) assert.deepEqual(seen.get(key), inOrder);
    assert.equal(app.most, keys.length > 1 ? keys.length : 1);
  });
}

/** A server of the test's own, which restarts. */
export type RestartableServer = {
  restart(): Promise<void>;
  /** How long it may take after the restart until all is handled, in milliseconds. Default: 60,000. */
  readonly recovery?: number;
};

/** What each input promises where its server restarts. */
export function testRestart(
  test: TestFunction,
  name: string,
  source: Source,
  server: RestartableServer,
): void {
  const { recovery = 60_000 } = server;
  const run = async (after: After): Promise<void> => {
    const texts = Array.from({ length: 60 }, (_, n) => String(n));
    const before = await source.place(after);
    for (const text of texts.slice(0, 40)) await before.send(Buffer.from(text), text);
    const done = new Set<string>();
    const restarted = Promise.withResolvers<void>();
    const { app, status, close } = await read(source, before, async (text) => {
      // Some are handled before, some are with the app meanwhile, some wait.
      if (Number(text) % 2 === 1) await restarted.promise;
      done.add(text);
      return handled;
    });
    after(close);
    await eventually(() => assert.ok(done.size > 5));
    await server.restart();
    restarted.resolve();
    for (const text of texts.slice(40)) await before.send(Buffer.from(text), text);
    const long = { within: recovery, every: 20 };
    await eventually(() => assert.equal(done.size, 60), long);
    await eventually(() => assertSteady(status()), long);
    assert.ok(app.texts.length >= 60);
  };
  addTest(
    test,
    `${name}: a server that restarts in the middle loses nothing`,
    run,
    recovery + 30_000,
  );
}

/** The component runs, and neither the app nor the runtime has an event of it. */
function assertSteady(status: ComponentStatus, and: { handled?: number } = {}): void {
  const { state, inFlight, waiting, handled: count } = status;
  const now = { state, inFlight, waiting, ...("handled" in and ? { handled: count } : {}) };
  assert.deepEqual(now, { state: "running", inFlight: 0, waiting: 0, ...and });
}

/** A component that reads, and the app that it reads for. */
export type StartedInput = StartedComponent & { readonly app: RecordingApp };

/** A runtime with the source's component, and an app that answers by the event's text; the caller closes it. */
export async function read(
  source: Pick<Source, "binding">,
  place: Pick<Place, "properties" | "store">,
  answer: (text: string, delivery: Delivery) => Outcome | Promise<Outcome> = () => handled,
  properties: Readonly<Record<string, string>> = {},
): Promise<StartedInput> {
  const app = new RecordingApp((delivery) =>
    answer(Buffer.from(delivery.data ?? []).toString(), delivery),
  );
  const all = {
    direction: "input",
    backOffInitialInterval: "20ms",
    backOffMaxInterval: "100ms",
    ...place.properties,
    ...properties,
  };
  return { ...(await startComponent(source.binding, all, { app, store: place.store })), app };
}
