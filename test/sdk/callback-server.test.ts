import { connect } from "node:http2";
import { createServer } from "node:net";
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, onTestFinished, test } from "vitest";
import {
  AppMessageSchema,
  EventBatchSchema,
  type AppMessage,
} from "../../gen/cufflink/v1/event_streams_pb.ts";
import {
  BindingEventRequestSchema,
  BindingEventResponseSchema,
  ListInputBindingsResponseSchema,
} from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { GrpcClient, type CallFailure } from "../../src/grpc/client.ts";
import { DeadLetter, Drop, Retry, createApp, type BindingApp } from "../../src/sdk/index.ts";
import { until } from "../until.ts";

const streamPath = "/cufflink.v1.AppCallback/OnBindingEvents";
const eventPath = "/dapr.proto.runtime.v1.AppCallback/OnBindingEvent";
const listPath = "/dapr.proto.runtime.v1.AppCallback/ListInputBindings";
const healthPath = "/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck";

/** An app that listens, and a runtime's client of it. */
async function served(prepare: (app: BindingApp) => void, token?: string) {
  const app = createApp({ runtime: "127.0.0.1:1", log: () => undefined });
  prepare(app);
  const { port } = await app.serve({ port: 0, token });
  const client = new GrpcClient({ host: "127.0.0.1", port });
  onTestFinished(async () => {
    await app.close({ deadline: 0 });
    await client.close();
  });
  await until(() => client.connection.ready, { what: "the connection" });
  return { app, port, client };
}

/** The runtime's end of a stream that it has dialled. */
function dial(client: GrpcClient, headers: Record<string, string> = {}) {
  const outbox: Uint8Array[] = [];
  let wake: (() => void) | undefined;
  let finished = false;
  async function* requests(): AsyncGenerator<Uint8Array> {
    for (;;) {
      yield* outbox.splice(0);
      if (finished) return;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  const call = client.stream(streamPath, requests(), { headers });
  const messages: AppMessage[] = [];
  const state = { ended: false, failure: undefined as CallFailure | undefined };
  const read = async (): Promise<void> => {
    try {
      for await (const bytes of call.messages) messages.push(fromBinary(AppMessageSchema, bytes));
    } catch (error) {
      state.failure = error as CallFailure;
    }
    state.ended = true;
  };
  void read();
  return {
    messages,
    state,
    send(batch: MessageInitShape<typeof EventBatchSchema>) {
      outbox.push(toBinary(EventBatchSchema, create(EventBatchSchema, batch)));
      wake?.();
    },
    sendBytes(bytes: Uint8Array) {
      outbox.push(bytes);
      wake?.();
    },
    finish() {
      finished = true;
      wake?.();
    },
    get handled() {
      return messages.flatMap((one) => one.handled);
    },
  };
}

function event(delivery: number, text: string) {
  return { delivery, lane: 0, epoch: 1, attempt: 1, event: { data: Buffer.from(text) } };
}

function request(name: string, text: string): Uint8Array {
  const data = Buffer.from(text);
  const metadata = { topic: "t", Kind: "k" };
  return toBinary(
    BindingEventRequestSchema,
    create(BindingEventRequestSchema, { name, data, metadata }),
  );
}

test("a runtime dials the app's stream; it ends when the runtime has no more and all is settled", async () => {
  const release = Promise.withResolvers<void>();
  const { app, client } = await served((app) => app.on("orders", () => release.promise));
  const stream = dial(client);
  await until(() => stream.messages.length === 1, { what: "the subscription" });
  expect(stream.messages[0]?.subscription).toMatchObject({
    bindings: ["orders"],
    orderedPipelining: true,
  });
  expect(app.connected).toBe(true);
  stream.send({ binding: "orders", events: [event(1, "a"), event(2, "b")] });
  stream.finish();
  await new Promise(setImmediate);
  expect(stream.state.ended).toBe(false);
  release.resolve();
  await until(() => stream.state.ended, { what: "the end" });
  expect(stream.state.failure).toBeUndefined();
  expect(stream.handled).toEqual([1, 2]);
  expect(app.connected).toBe(false);
});

test("Dapr's unary calls work too: the questions, an event with its attempt, and the reply", async () => {
  const { client } = await served((app) => {
    app.on("orders", (event) => ({
      data: JSON.stringify({
        ...{ text: event.text(), topic: event.metadata["topic"], kind: event.header("KIND") },
        ...{ attempt: event.attempt, attempts: event.attempts, lastError: event.lastError },
        trace: event.trace,
      }),
      to: ["one"],
      concurrency: "parallel",
    }));
    app.on("ticks", () => undefined);
  });
  const list = await client.unary(listPath, new Uint8Array());
  expect(
    list.kind === "ok" && fromBinary(ListInputBindingsResponseSchema, list.message),
  ).toMatchObject({ bindings: ["orders", "ticks"] });
  expect(await client.unary(healthPath, new Uint8Array())).toMatchObject({ kind: "ok" });
  const headers = {
    ...{ "cufflink-attempt": "2", "cufflink-attempts": "10", "cufflink-last-error": "nicht%C3%B6" },
    traceparent: "00-x",
  };
  const answer = await client.unary(eventPath, request("orders", "hi"), { headers });
  const reply = answer.kind === "ok" && fromBinary(BindingEventResponseSchema, answer.message);
  expect(reply).toMatchObject({ to: ["one"], concurrency: 1 });
  expect(JSON.parse(Buffer.from((reply || undefined)?.data ?? []).toString())).toEqual({
    ...{ text: "hi", topic: "t", kind: "k", attempt: 2, attempts: 10, lastError: "nichtö" },
    trace: { traceparent: "00-x" },
  });
  expect(await client.unary(eventPath, request("ticks", ""))).toMatchObject({ kind: "ok" });
});

test("over unary calls not handled is an error that says what becomes of the event; to daprd dropped is handled", async () => {
  const { client } = await served((app) =>
    app.on("orders", (event) => {
      if (event.text() === "retry") throw new Retry("later", { after: 1000 });
      if (event.text() === "dead") throw new DeadLetter("never");
      if (event.text() === "drop") throw new Drop("never mind");
    }),
  );
  const retry = await client.unary(eventPath, request("orders", "retry"));
  expect(retry).toMatchObject({ kind: "failed", status: "ABORTED", message: "later" });
  expect(retry.kind === "failed" && retry.failure.details?.length).toBeGreaterThan(0);
  expect(retry.kind === "failed" && retry.failure.trailers).not.toHaveProperty("cufflink-outcome");
  expect(retry).toMatchObject({ failure: { trailers: { "cufflink-retry-after": "1000ms" } } });
  expect(await client.unary(eventPath, request("orders", "dead"))).toMatchObject({
    status: "FAILED_PRECONDITION",
    message: "never",
    failure: { trailers: { "cufflink-outcome": "dead_letter" } },
  });
  expect(await client.unary(eventPath, request("orders", "drop"))).toMatchObject({ kind: "ok" });
  const headers = { "cufflink-attempt": "1" };
  expect(await client.unary(eventPath, request("orders", "drop"), { headers })).toMatchObject({
    status: "FAILED_PRECONDITION",
    message: "never mind",
    failure: { trailers: { "cufflink-outcome": "drop" } },
  });
  expect(await client.unary(eventPath, request("others", ""))).toMatchObject({
    status: "ABORTED",
    message: "the app has no handler for binding others",
  });
});

test("unary calls share the concurrency of the app", async () => {
  const releases: (() => void)[] = [];
  const app = createApp({ runtime: "127.0.0.1:1", concurrency: 1, log: () => undefined });
  app.on("orders", () => new Promise<void>((resolve) => releases.push(resolve)));
  const { port } = await app.serve({ port: 0 });
  const client = new GrpcClient({ host: "127.0.0.1", port });
  onTestFinished(() => Promise.all([app.close({ deadline: 0 }), client.close()]).then(() => {}));
  await until(() => client.connection.ready, { what: "the connection" });
  const calls = ["a", "b"].map((text) => client.unary(eventPath, request("orders", text)));
  await until(() => releases.length === 1, { what: "the first" });
  await client.unary(healthPath, new Uint8Array());
  expect(releases).toHaveLength(1);
  releases[0]?.();
  await until(() => releases.length === 2, { what: "the second" });
  releases[1]?.();
  expect(await Promise.all(calls)).toMatchObject([{ kind: "ok" }, { kind: "ok" }]);
});

test("events without the app's token are refused, questions are not", async () => {
  const { client } = await served((app) => app.on("orders", () => undefined), "secret");
  const wrong = await client.unary(eventPath, request("orders", ""), {
    headers: { "dapr-api-token": "secrex" },
  });
  expect(wrong).toMatchObject({ status: "UNAUTHENTICATED" });
  const refused = dial(client);
  await until(() => refused.state.ended, { what: "the refusal" });
  expect(refused.state.failure).toMatchObject({ status: "UNAUTHENTICATED" });
  const headers = { "dapr-api-token": "secret" };
  expect(await client.unary(eventPath, request("orders", ""), { headers })).toMatchObject({
    kind: "ok",
  });
  expect(await client.unary(listPath, new Uint8Array())).toMatchObject({ kind: "ok" });
  const stream = dial(client, headers);
  await until(() => stream.messages.length === 1, { what: "the subscription" });
});

test("a handler that comes later brings the runtime to ask again, on another connection", async () => {
  const release = Promise.withResolvers<void>();
  const { app, client } = await served(() => undefined);
  const refused = dial(client);
  await until(() => refused.state.ended, { what: "the refusal" });
  expect(refused.state.failure).toMatchObject({ status: "UNAVAILABLE" });
  const again = async (generation: number): Promise<void> => {
    const { connection } = client;
    await until(() => connection.ready && connection.generation > generation, {
      what: "another connection",
    });
  };
  let begun = false;
  app.on("orders", () => {
    begun = true;
    return release.promise;
  });
  await again(1);
  const stream = dial(client);
  await until(() => stream.messages.length === 1, { what: "the subscription" });
  stream.send({ binding: "orders", events: [event(1, "a")] });
  await until(() => begun, { what: "the handler" });
  app.on("ticks", () => undefined);
  await again(2);
  const next = dial(client);
  await until(() => next.messages.length === 1, { what: "the next subscription" });
  expect(next.messages[0]?.subscription?.bindings).toEqual(["orders", "ticks"]);
  release.resolve();
  await until(() => stream.state.ended, { what: "the stream to give way" });
  expect(stream.state.failure).toBeUndefined();
  expect(stream.handled).toEqual([1]);
});

test("closing settles what runs on a stream and a unary call, and refuses what comes", async () => {
  const releases: (() => void)[] = [];
  const { app, client } = await served((app) =>
    app.on("orders", () => new Promise<void>((resolve) => releases.push(resolve))),
  );
  const stream = dial(client);
  await until(() => stream.messages.length === 1, { what: "the subscription" });
  stream.send({ binding: "orders", events: [event(1, "a")] });
  const call = client.unary(eventPath, request("orders", "b"));
  await until(() => releases.length === 2, { what: "both handlers" });
  const closed = app.close();
  await until(() => !client.connection.ready, { what: "the connection to close" });
  for (const release of releases) release();
  await closed;
  await until(() => stream.state.ended, { what: "the end" });
  expect(stream.state.failure).toBeUndefined();
  expect(stream.handled).toEqual([1]);
  expect(await call).toMatchObject({ kind: "ok" });
});

test("what is no batch ends the stream, and what is no call is answered", async () => {
  const { port, client } = await served((app) => app.on("orders", () => undefined));
  const stream = dial(client);
  await until(() => stream.messages.length === 1, { what: "the subscription" });
  stream.sendBytes(new Uint8Array([0xff, 0xff]));
  await until(() => stream.state.ended, { what: "the end" });
  expect(stream.state.failure).toMatchObject({ kind: "failed" });
  expect(await client.unary("/no.Such/Method", new Uint8Array())).toMatchObject({
    status: "UNIMPLEMENTED",
  });
  const session = connect(`http://127.0.0.1:${port}`);
  onTestFinished(() => session.destroy());
  const status = await new Promise((resolve) => {
    const plain = session.request({ ":path": "/" });
    plain.on("response", (headers) => resolve(headers["grpc-status"]));
  });
  expect(status).toBe("12");
});

test("a port that cannot be had, or none at all, is said", async () => {
  const blocker = createServer();
  await new Promise<void>((resolve) => void blocker.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void blocker.close());
  const { port } = blocker.address() as { port: number };
  const app = createApp({ runtime: "127.0.0.1:1" });
  onTestFinished(() => app.close());
  await expect(app.serve({ port })).rejects.toThrow(
    `the app cannot listen on 127.0.0.1:${port}: listen EADDRINUSE`,
  );
  await expect(app.serve({ port: 70_000 })).rejects.toThrow("no port to listen on");
  await app.serve({ port: 0 });
  await expect(app.serve({ port: 0 })).rejects.toThrow("the app listens already");
});
