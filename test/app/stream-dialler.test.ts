import { expect, onTestFinished, test } from "vitest";
import { createApp, type AppOptions } from "../../src/app/app.ts";
import type { CombinedApp } from "../../src/app/combined-app.ts";
import type { Outcome } from "../../src/runtime/app.ts";
import { until } from "../until.ts";
import { delivery, never, spiedLogger, untilAvailable } from "./delivery.ts";
import { startStreamApp } from "./stream-app.ts";

async function connect(port: number, options: Partial<AppOptions> = {}): Promise<CombinedApp> {
  const app = await createApp({ protocol: "grpc", port, logger: spiedLogger(), ...options });
  onTestFinished(() => app.close());
  return app;
}

function deliver(app: CombinedApp, text: string): Promise<Outcome> {
  return app.of("orders").deliver(delivery({ data: Buffer.from(text) }), never);
}

const handled = { kind: "handled", reply: undefined };

test("an app that serves event streams gets its events there, with the token", async () => {
  await using server = await startStreamApp();
  const app = await connect(server.port, { token: "secret" });
  await untilAvailable(app.of("orders"));
  expect(app.available).toBe(false);
  const outcomes = ["1", "2", "3"].map((text) => deliver(app, text));
  const stream = await server.nth(1);
  await until(() => stream.events.length === 3, { what: "the events" });
  expect(stream.texts).toEqual(["1", "2", "3"]);
  expect(stream.headers).toMatchObject({ "dapr-api-token": "secret" });
  stream.handleAll();
  expect(await Promise.all(outcomes)).toEqual([handled, handled, handled]);
  expect(server.calls).toEqual([]);
});

test("an input that the stream does not name is not wanted", async () => {
  await using server = await startStreamApp((stream) => stream.subscribe(["orders"]));
  const app = await connect(server.port);
  await untilAvailable(app.of("orders"));
  const other = app.of("payments");
  expect([other.available, other.unavailableReason]).toEqual([
    false,
    "the app takes events by a stream, which has not subscribed to this input",
  ]);
});

test("an app that refuses the stream gets its events one by one on that connection", async () => {
  await using server = await startStreamApp((stream) => {
    stream.send({});
    stream.end(12);
  });
  const app = await connect(server.port);
  await untilAvailable(app);
  expect(await deliver(app, "1")).toEqual(handled);
  expect(server.calls.map(({ path }) => path)).toEqual([
    "/dapr.proto.runtime.v1.AppCallback/OnBindingEvent",
  ]);
  expect(server.streams).toHaveLength(1);
  // The next connection may be to another app.
  for (const session of server.sessions) session.destroy();
  await server.nth(2);
});

test("an app that says nothing gets its events one by one meanwhile, and by the stream once it subscribes", async () => {
  await using server = await startStreamApp(() => undefined);
  const app = await connect(server.port, { optionsTimeout: 20_000 });
  await untilAvailable(app);
  expect(await deliver(app, "1")).toEqual(handled);
  const stream = await server.nth(1);
  stream.subscribe();
  await untilAvailable(app, false);
  const outcome = deliver(app, "2");
  await until(() => stream.events.length === 1, { what: "the event" });
  stream.handleAll();
  expect(await outcome).toEqual(handled);
  expect(server.calls).toHaveLength(1);
});

test("an app that never subscribes is asked no longer than the time allows", async () => {
  await using server = await startStreamApp(() => undefined);
  const app = await connect(server.port, { optionsTimeout: 300 });
  const stream = await server.nth(1);
  await until(() => stream.closed, { what: "the end of the stream" });
  await untilAvailable(app);
  expect(server.streams).toHaveLength(1);
});

test("a stream that fails before anything was settled makes the connection a unary one", async () => {
  await using server = await startStreamApp();
  const app = await connect(server.port);
  await untilAvailable(app.of("orders"));
  const outcome = deliver(app, "1");
  const stream = await server.nth(1);
  await until(() => stream.events.length === 1, { what: "the event" });
  stream.end(13);
  expect(await outcome).toMatchObject({ kind: "refused" });
  await untilAvailable(app);
  expect(await deliver(app, "1")).toEqual(handled);
  expect([server.calls.length, server.streams.length]).toEqual([1, 1]);
});

test("a stream that fails later is dialled again, also on a new connection", async () => {
  await using server = await startStreamApp();
  const app = await connect(server.port);
  await untilAvailable(app.of("orders"));
  for (const [count, end] of [
    [1, (): void => server.streams[0]?.end(0)],
    [2, (): void => [...server.sessions].forEach((session) => session.destroy())],
    [3, (): void => undefined],
  ] as const) {
    const stream = await server.nth(count);
    await untilAvailable(app.of("orders"));
    const outcome = deliver(app, String(count));
    await until(() => stream.texts.includes(String(count)), { what: `event ${count}` });
    stream.handleAll();
    expect(await outcome).toEqual(handled);
    end();
    await until(() => stream.closed || count === 3, { what: "the end of the stream" });
  }
  expect(server.calls).toEqual([]);
});

test("events wait while the app's health checks fail", async () => {
  let well = true;
  await using server = await startStreamApp(undefined, (call) => {
    if (well) call.ok(new Uint8Array(0));
    else call.fail(14, "sick");
  });
  const health = { interval: 20, timeout: 5000, threshold: 1 };
  const app = await connect(server.port, { health });
  const input = app.of("orders");
  await untilAvailable(input);
  well = false;
  await untilAvailable(input, false);
  expect(input.intake?.takes(undefined, 0)).not.toBe("full");
  well = true;
  await untilAvailable(input);
  const stream = await server.nth(1);
  const outcome = deliver(app, "1");
  await until(() => stream.events.length === 1, { what: "the event" });
  stream.handleAll();
  expect(await outcome).toEqual(handled);
});

test("a reply on the stream may be as large as any answer; a larger one ends the stream and says why", async () => {
  await using server = await startStreamApp();
  const answers = { maxBytes: 300_000, setting: "--app-max-answer-size" };
  const app = await connect(server.port, { answers });
  await untilAvailable(app.of("orders"));
  const fits = deliver(app, "1");
  const stream = await server.nth(1);
  await until(() => stream.events.length === 1, { what: "the event" });
  const reply = (bytes: number) => ({ data: Buffer.alloc(bytes) });
  const settle = (bytes: number) =>
    stream.send({
      settlements: stream.events
        .slice(-1)
        .map(({ delivery }) => ({ delivery, outcome: { case: "handled", value: reply(bytes) } })),
    });
  settle(300_000);
  expect(await fits).toMatchObject({ kind: "handled" });
  const tooLarge = deliver(app, "2");
  await until(() => stream.events.length === 2, { what: "the second event" });
  settle(2_000_000);
  expect(await tooLarge).toEqual({
    kind: "refused",
    reason: expect.stringMatching(
      /^the app's event stream broke: .*larger than max.*; see --app-max-answer-size$/,
    ),
  });
});
