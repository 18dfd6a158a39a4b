import { acceptStream } from "../../src/app/accepted-stream.ts";
import { expect, onTestFinished, test } from "vitest";
import { EventStreams } from "../../src/app/event-streams.ts";
import { CombinedApp } from "../../src/app/combined-app.ts";
import type { LaneReference } from "../../src/runtime/app.ts";
import { FakeApp } from "../runtime/fake-app.ts";
import { keepingLogger, settled } from "../runtime/source-event.ts";
import { until } from "../until.ts";
import { delivery, never, spiedLogger } from "./delivery.ts";
import { appMessage, StreamPeer } from "./stream-peer.ts";

const lane = (number: number): LaneReference => ({ number, epoch: 0 });

/** A stream of the app's that is open. */
function subscribe(
  streams: EventStreams,
  options: { credit?: number; bindings?: string[]; ordered?: boolean } = {},
) {
  const { credit = 100, bindings = [], ordered = true } = options;
  const messages = new Messages();
  const peer = new StreamPeer(acceptStream(streams, messages));
  messages.push({ subscription: { bindings, orderedPipelining: ordered }, credit });
  return { peer, messages };
}

/** What the app sends. */
class Messages implements AsyncIterable<Uint8Array> {
  readonly #queue: Uint8Array[] = [];
  #ended = false;
  #broken = false;
  #wake: (() => void) | undefined;

  push(message: Parameters<typeof appMessage>[0]): void {
    this.#queue.push(appMessage(message));
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** The connection is lost. */
  break(): void {
    this.#broken = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = this.#queue.shift();
      if (next !== undefined) yield next;
      else if (this.#broken) throw new Error("the connection was lost");
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

function deliver(app: CombinedApp, text: string, of?: LaneReference) {
  return app.of("orders").deliver(delivery({ data: Buffer.from(text), lane: of }), never);
}

function joined(port?: FakeApp) {
  const streams = new EventStreams(spiedLogger());
  return { streams, app: new CombinedApp(streams, port, spiedLogger()) };
}

test("an app without a port is waited for in the log once an input waits, and is there by its stream", async () => {
  const logger = keepingLogger();
  const streams = new EventStreams(spiedLogger());
  const app = new CombinedApp(streams, undefined, logger);
  onTestFinished(() => app.close());
  const lines = () => logger.lines.map(({ level, message }) => [level, message]);
  const inputs = ["orders", "payments"].map((name) => app.of(name));
  for (const input of inputs) input.onAvailability(() => undefined);
  await until(() => logger.lines.length > 0, { what: "a line" });
  expect(lines()).toEqual([["info", "waiting for the app"]]);
  expect(logger.lines[0]?.fields).toMatchObject({ reason: inputs[0]?.unavailableReason });
  subscribe(streams, { bindings: ["orders"] });
  await settled();
  expect(lines().slice(1)).toEqual([["info", "the app is there"]]);
  // It has subscribed to another one only.
  expect(inputs[1]?.takesOthersOnly).toBe(true);
  expect(inputs[1]?.whyUnwanted?.({ name: "payments", route: "payments" })).toBe("it has orders");
});

test("without an app it says what to do; with a stream it is there, and news of it comes", async () => {
  const { streams, app } = joined();
  const input = app.of("orders");
  expect([input.available, input.unavailableReason]).toEqual([
    false,
    "there is no app: say --app-port for one that listens, or start one that dials in, such as by createApp",
  ]);
  let news = 0;
  const end = input.onAvailability(() => news++);
  const { messages } = subscribe(streams, { bindings: ["orders"] });
  await settled();
  expect([input.available, input.unavailableReason, news]).toEqual([true, "", 1]);
  expect(await input.wants({ name: "orders", route: "orders" }, never)).toBe(true);
  expect(app.of("payments").available).toBe(false);
  messages.end();
  await settled();
  expect([input.available, news]).toEqual([false, 2]);
  end();
});

test("a stream comes before the port, for what it subscribes to", async () => {
  const port = new FakeApp();
  const { streams, app } = joined(port);
  await deliver(app, "1");
  const { peer, messages } = subscribe(streams, { bindings: ["orders"] });
  await settled();
  void deliver(app, "2");
  await app.of("payments").deliver(delivery({ name: "payments", data: Buffer.from("3") }), never);
  await settled();
  expect([port.texts, peer.texts]).toEqual([["1", "3"], ["2"]]);
  messages.end();
  await settled();
  await deliver(app, "4");
  expect(port.texts).toEqual(["1", "3", "4"]);
});

test("a lane stays with its stream; new ones go where there is more credit", async () => {
  const { streams, app } = joined();
  const { intake } = app.of("orders");
  const one = subscribe(streams, { credit: 3 });
  const two = subscribe(streams, { credit: 3 });
  await settled();
  const [a, b, c] = [lane(1), lane(2), lane(3)];
  void deliver(app, "a1", a);
  void deliver(app, "b1", b);
  void deliver(app, "a2", a);
  void deliver(app, "b2", b);
  void deliver(app, "a3", a);
  void deliver(app, "b3", b);
  await settled();
  expect([one.peer.texts, two.peer.texts]).toEqual([
    ["a1", "a2", "a3"],
    ["b1", "b2", "b3"],
  ]);
  expect(intake?.takes(c, 0)).toBe("full");
  expect(intake?.takes(a, 3)).toBe("lane waits");
  two.messages.push({ credit: 1 });
  await settled();
  expect(intake?.takes(c, 0)).toBe("now");
  expect(intake?.takes(b, 3)).toBe("now");
});

test("only an app that orders pipelined events gets a second one of a lane", async () => {
  const { streams, app } = joined();
  const { intake } = app.of("orders");
  subscribe(streams, { ordered: false });
  await settled();
  const a = lane(1);
  expect(intake?.takes(a, 0)).toBe("now");
  void deliver(app, "a1", a);
  expect([intake?.takes(a, 1), intake?.takes(lane(2), 0)]).toEqual(["lane waits", "now"]);
  expect(intake?.maxInFlight).toBe(1000);
});

test("a stream that is gone gives its lanes free, once their events have come back", async () => {
  const { streams, app } = joined();
  const { intake } = app.of("orders");
  const one = subscribe(streams);
  await settled();
  const a = lane(1);
  const first = deliver(app, "a1", a);
  const second = deliver(app, "a2", a);
  await settled();
  const two = subscribe(streams);
  one.messages.break();
  const reason = "the app's event stream broke: the connection was lost";
  expect(await first).toEqual({ kind: "refused", reason });
  expect(await second).toEqual({ kind: "not attempted" });
  expect([intake?.takes(a, 1), intake?.takes(a, 0)]).toEqual(["lane waits", "now"]);
  void deliver(app, "a1", a);
  await settled();
  expect(two.peer.texts).toEqual(["a1"]);
});

test("what an app that ends its stream properly leaves unsettled was not attempted", async () => {
  const { streams, app } = joined();
  const { messages } = subscribe(streams);
  await settled();
  const a = lane(1);
  const outcomes = [deliver(app, "a1", a), deliver(app, "a2", a), deliver(app, "b")];
  await settled();
  messages.end();
  expect(new Set((await Promise.all(outcomes)).map(({ kind }) => kind))).toEqual(
    new Set(["not attempted"]),
  );
});

test("an app that breaks the rules gets INVALID_ARGUMENT, and the others go on", async () => {
  const { streams, app } = joined();
  const good = subscribe(streams);
  const messages = new Messages();
  messages.push({ credit: 5 });
  const answers = acceptStream(streams, messages);
  await expect(answers.next()).rejects.toMatchObject({
    code: 3,
    message: "the first message of the app must have a subscription",
  });
  void deliver(app, "1");
  await settled();
  expect(good.peer.texts).toEqual(["1"]);
});

test("a stream without a subscription so far gets nothing and ends quietly", async () => {
  const { streams, app } = joined();
  const messages = new Messages();
  const peer = new StreamPeer(acceptStream(streams, messages));
  messages.end();
  await settled();
  expect([peer.ended, app.of("orders").available]).toEqual([true, false]);
});

test("a caller that goes away is as a stream that broke", async () => {
  const { streams, app } = joined();
  const messages = new Messages();
  const answers = acceptStream(streams, messages);
  const first = answers.next();
  messages.push({ subscription: {}, credit: 5 });
  await settled();
  const outcome = deliver(app, "1");
  await first;
  const returned = answers.return();
  expect(await outcome).toMatchObject({ kind: "refused" });
  await returned;
  expect(app.of("orders").available).toBe(false);
});

test("closing ends all streams, and the port", async () => {
  const { streams, app } = joined(new FakeApp());
  const peers = [subscribe(streams).peer, subscribe(streams).peer];
  await settled();
  await app.close();
  await settled();
  expect(peers.map(({ ended }) => ended)).toEqual([true, true]);
  expect(streams.wants("orders")).toBe(false);
});
