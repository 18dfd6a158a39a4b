import type { IncomingHttpHeaders } from "node:http2";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { CommunicationProtocolEnum, DaprServer } from "@dapr/dapr";
import { expect, onTestFinished, test, vi } from "vitest";
import {
  AppCallback,
  type BindingEventRequest,
  BindingEventRequestSchema,
  BindingEventResponse_BindingEventConcurrency as Concurrency,
  BindingEventResponseSchema,
  ListInputBindingsResponseSchema,
} from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { createApp, type AppOptions } from "../../src/app/app.ts";
import type { App } from "../../src/runtime/app.ts";
import { makeCertificates } from "../bindings/certificates.ts";
import { type ServedCall, startHttp2Server } from "../grpc/http2-server.ts";
import { releasePort, reservePort } from "../servers/ports.ts";
import { delivery, everyByte, never, spiedLogger, untilAvailable } from "./delivery.ts";
import { startChildApp } from "./start-child-app.ts";
import { startUnaryApp } from "./unary-app.ts";

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async function connect(port: number, options: Partial<AppOptions> = {}): Promise<App> {
  const app = await createApp({ protocol: "grpc", port, logger: spiedLogger(), ...options });
  onTestFinished(() => app.close());
  return app;
}

async function connected(port: number, options?: Partial<AppOptions>): Promise<App> {
  const app = await connect(port, options);
  await untilAvailable(app);
  return app;
}

function handled(call: ServedCall): void {
  call.ok(new Uint8Array(0));
}

function replies(reply: MessageInitShape<typeof BindingEventResponseSchema>) {
  const message = toBinary(BindingEventResponseSchema, create(BindingEventResponseSchema, reply));
  return (call: ServedCall) => call.ok(message);
}

function lists(...bindings: string[]) {
  const message = create(ListInputBindingsResponseSchema, { bindings });
  return (call: ServedCall) => call.ok(toBinary(ListInputBindingsResponseSchema, message));
}

function eventOf(call: ServedCall | undefined): BindingEventRequest {
  return fromBinary(BindingEventRequestSchema, call!.body.subarray(5));
}

test("an event arrives whole, with the attempt, the trace and the token as gRPC metadata", async () => {
  await using server = await startUnaryApp(handled);
  const app = await connected(server.port, { token: "secret" });
  const outcome = await app.deliver(
    delivery({
      data: everyByte,
      metadata: { topic: "orders", ключ: "значение" },
      headers: [{ name: "plain", value: Buffer.from("héllo\r\n") }],
      trace: { traceparent, tracestate: "a=b", baggage: "k=v" },
      attempt: 3,
      attempts: 10,
      lastError: "the app answered ABORTED: böse\r\n100%",
    }),
    never,
  );
  expect(outcome).toEqual({ kind: "handled", reply: undefined });
  const [call] = server.calls;
  expect(call?.path).toBe("/dapr.proto.runtime.v1.AppCallback/OnBindingEvent");
  const event = eventOf(call);
  expect(event.name).toBe("orders");
  expect(Buffer.from(event.data)).toEqual(everyByte);
  expect(event.metadata).toEqual({ topic: "orders", ключ: "значение", plain: "héllo\r\n" });
  expect(call?.headers).toMatchObject({
    "dapr-api-token": "secret",
    traceparent,
    tracestate: "a=b",
    baggage: "k=v",
    "grpc-trace-bin": "AAAK92UZFs1D3YRI6yEcgDGcAbeta3FpIDMxAgE",
    "cufflink-attempt": "3",
    "cufflink-attempts": "10",
    "cufflink-last-error": "the app answered ABORTED: b%C3%B6se%0D%0A100%25",
  });
  expect(call?.headers).not.toHaveProperty("grpc-timeout");
});

test("a first attempt without an end says no more than that; a tombstone has no bytes", async () => {
  await using server = await startUnaryApp(handled);
  const app = await connected(server.port);
  await app.deliver(delivery({ data: undefined }), never);
  const [call] = server.calls;
  expect(eventOf(call).data).toHaveLength(0);
  const names = Object.keys(call!.headers).filter((name) => /^(cufflink|dapr|trace)/.test(name));
  expect(names).toEqual(["cufflink-attempt"]);
});

test("no metadata of an event can break its delivery or pass for the runtime's own", async () => {
  await using server = await startUnaryApp(handled);
  const app = await connected(server.port, { token: "secret" });
  const outcome = await app.deliver(
    delivery({
      metadata: {
        "Dapr-Api-Token": "forged",
        lone: "\uD800",
        "": "empty",
        "a\r\nb": "c\r\nd: e",
        big: "x".repeat(100_000),
      },
      headers: [
        { name: "dapr-api-token", value: Buffer.from("forged") },
        { name: "__proto__", value: Buffer.from("p") },
        { name: "bytes", value: everyByte },
      ],
      trace: { traceparent: "00-zz\r\nx: y", tracestate: "a\nb", baggage: " " },
    }),
    never,
  );
  expect(outcome.kind).toBe("handled");
  const [call] = server.calls;
  expect(call?.headers["dapr-api-token"]).toBe("secret");
  expect(call?.headers).not.toHaveProperty("traceparent");
  expect(call?.headers).not.toHaveProperty("tracestate");
  expect(call?.headers).not.toHaveProperty("baggage");
  const metadata = new Map(Object.entries(eventOf(call).metadata));
  metadata.delete("__proto__"); // protobuf-es may keep or drop it
  expect(Object.fromEntries(metadata)).toEqual({
    lone: "\uFFFD",
    "": "empty",
    "a\r\nb": "c\r\nd: e",
    big: "x".repeat(100_000),
    bytes: everyByte.toString("base64"),
    "bytes.encoding": "base64",
  });
});

test("1,000 events at a time, each answered with its own reply", async () => {
  const held: ServedCall[] = [];
  await using server = await startUnaryApp((call) => {
    held.push(call);
    if (held.length < 1000) return;
    for (const one of held) replies({ data: eventOf(one).data })(one);
  });
  const app = await connected(server.port);
  const outcomes = await Promise.all(
    Array.from({ length: 1000 }, (_, index) =>
      app.deliver(delivery({ data: Buffer.from(String(index)) }), never),
    ),
  );
  const data = outcomes.map((one) => one.kind === "handled" && Buffer.from(one.reply!.data!));
  expect(data.map(String)).toEqual(Array.from({ length: 1000 }, (_, index) => String(index)));
});

test("the reply carries data, targets, concurrency and states", async () => {
  await using server = await startUnaryApp(
    replies({
      data: everyByte,
      to: ["a", "b"],
      concurrency: Concurrency.PARALLEL,
      storeName: "store",
      states: [{ key: "k", value: Buffer.from("v") }],
    }),
  );
  const app = await connected(server.port);
  const outcome = await app.deliver(delivery(), never);
  expect(outcome).toEqual({
    kind: "handled",
    reply: {
      source: "grpc",
      data: everyByte,
      to: ["a", "b"],
      concurrency: "parallel",
      storeName: "store",
      states: [{ key: "k", value: Buffer.from("v") }],
    },
  });
});

test("a reply of 20 MiB arrives", async () => {
  const data = Buffer.alloc(20 * 1024 * 1024, "reply");
  await using server = await startUnaryApp(replies({ data }));
  const app = await connected(server.port, { answers: { maxBytes: 32 * 1024 * 1024 } });
  const outcome = await app.deliver(delivery(), never);
  const got = outcome.kind === "handled" ? outcome.reply?.data : undefined;
  expect(Buffer.compare(Buffer.from(got!), data)).toBe(0);
});

test.each([
  [10, "no", "the app answered ABORTED: no"],
  [14, "", "the app answered UNAVAILABLE"],
  [12, "", "the app answered UNIMPLEMENTED"],
  [1, "c", "the app answered CANCELLED: c"],
])("status %d is a refusal with its reason", async (code, message, reason) => {
  await using server = await startUnaryApp((call) => call.fail(code, message));
  const app = await connected(server.port);
  const codes = { grpc: code };
  expect(await app.deliver(delivery(), never)).toEqual({ kind: "refused", reason, codes });
});

/** Answers with an error and metadata before or behind it, or with everything in one block. */
function fails(place: "leading" | "trailing" | "in one block", said: string, message = "never") {
  const wait = said === "retry" ? { "cufflink-retry-after": "2s" } : {};
  const metadata = { "cufflink-outcome": said, ...wait };
  const status = { "grpc-status": "9", "grpc-message": message };
  return ({ stream }: ServedCall): void => {
    const head = { ":status": 200, "content-type": "application/grpc" };
    if (place === "in one block") {
      stream.respond({ ...head, ...status, ...metadata }, { endStream: true });
      return;
    }
    stream.respond({ ...head, ...(place === "leading" && metadata) }, { waitForTrailers: true });
    stream.on("wantTrailers", () =>
      stream.sendTrailers({ ...status, ...(place === "trailing" && metadata) }),
    );
    stream.end();
  };
}

test.each(["leading", "trailing", "in one block"] as const)(
  "beside an error the app says what becomes of the event, as %s metadata",
  async (place) => {
    let said = "dead_letter";
    await using server = await startUnaryApp((call) => fails(place, said)(call));
    const logger = spiedLogger();
    const app = await connected(server.port, { logger });
    const codes = { grpc: 9 };
    const dead = { kind: "refused", reason: "never", codes, final: true };
    expect(await app.deliver(delivery(), never)).toEqual(dead);
    said = "dead_letter; no customer: n%C3%BCll";
    const reason = "no customer: nüll";
    expect(await app.deliver(delivery(), never)).toEqual({ ...dead, reason });
    said = "drop";
    const dropped = { kind: "dropped", reason: "never" };
    expect(await app.deliver(delivery(), never)).toEqual(dropped);
    said = "retry";
    const retry = { kind: "refused", reason: "never", codes };
    expect(await app.deliver(delivery(), never)).toEqual({ ...retry, after: 2000 });
    expect(logger.warnings()).toEqual([]);
    said = "nosuch";
    for (let round = 0; round < 2; round += 1) {
      const plain = { ...retry, reason: "the app answered FAILED_PRECONDITION: never" };
      expect(await app.deliver(delivery(), never)).toEqual(plain);
    }
    expect(logger.warnings()).toMatchObject([
      [{ component: "orders", "cufflink-outcome": said }, {}],
    ]);
  },
);

test("an app made with Connect says it by its error's metadata, and a success says nothing", async () => {
  const adapter = connectNodeAdapter({
    routes: (router) =>
      router.service(AppCallback, {
        onBindingEvent({ data }, context) {
          context.responseHeader.set("cufflink-outcome", "dead_letter");
          if (data.length === 0) return {};
          const metadata = { "cufflink-outcome": "dead_letter" };
          throw new ConnectError("no customer", Code.InvalidArgument, metadata);
        },
      }),
  });
  await using server = await startHttp2Server(() => {}, {
    onStream: (stream) => stream.session !== undefined,
  });
  server.server.on("request", adapter);
  const app = await connected(server.port);
  expect(await app.deliver(delivery(), never)).toEqual({
    ...{ kind: "refused", reason: "no customer", codes: { grpc: 3 }, final: true },
  });
  const success = await app.deliver(delivery({ data: undefined }), never);
  expect(success).toEqual({ kind: "handled", reply: undefined });
});

test("an answer that is no BindingEventResponse is a refusal", async () => {
  await using server = await startUnaryApp((call) => call.ok(Buffer.from([0xff, 0xff])));
  const app = await connected(server.port);
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "refused" });
});

test("the listed bindings are wanted, asked once for all of a moment, with the token and without a trace", async () => {
  await using server = await startUnaryApp(lists("orders", "ticks"));
  const app = await connected(server.port, { token: "secret", optionsTimeout: 1234 });
  const wanted = await Promise.all(
    ["orders", "ticks", "other"].map((name) => app.wants({ name, route: name }, never)),
  );
  expect(wanted).toEqual([true, true, false]);
  expect(server.calls).toHaveLength(1);
  const [call] = server.calls;
  expect(call?.path).toBe("/dapr.proto.runtime.v1.AppCallback/ListInputBindings");
  expect(call?.headers["grpc-timeout"]).toBe("1234000u");
  expect(call?.headers["dapr-api-token"]).toBe("secret");
  expect(call?.headers).not.toHaveProperty("traceparent");
});

test("each call to the app carries the token: an app may check it for every method", async () => {
  const tokens = new Map<string, unknown>();
  const note = (headers: IncomingHttpHeaders): void =>
    void tokens.set(String(headers[":path"]).replace(/.*\//, ""), headers["dapr-api-token"]);
  await using server = await startUnaryApp((call) => (note(call.headers), lists("orders")(call)), {
    onStream: (_stream, headers) => (note(headers), false),
  });
  const app = await connected(server.port, { token: "secret", health: { interval: 20 } });
  await app.wants({ name: "orders", route: "orders" }, never);
  await app.deliver(delivery(), never);
  expect(Object.fromEntries(tokens)).toEqual({
    HealthCheck: "secret",
    ListInputBindings: "secret",
    OnBindingEvent: "secret",
  });
});

test("UNIMPLEMENTED wants nothing; any other error rejects and is asked again", async () => {
  let answer = (call: ServedCall): void => call.fail(12);
  await using server = await startUnaryApp((call) => answer(call));
  const app = await connected(server.port);
  const input = { name: "orders", route: "orders" };
  expect(await app.wants(input, never)).toBe(false);
  expect(app.whyUnwanted?.(input)).toBe("it does not implement AppCallback/ListInputBindings");
  await using other = await startUnaryApp((call) => answer(call));
  const second = await connected(other.port);
  answer = (call) => call.fail(13, "not yet");
  await expect(second.wants(input, never)).rejects.toThrow("INTERNAL: not yet");
  answer = lists("orders");
  expect(await second.wants(input, never)).toBe(true);
});

test("a question without an answer rejects in time, and at once when it is cancelled", async () => {
  await using server = await startUnaryApp(() => {});
  const app = await connected(server.port, { optionsTimeout: 40 });
  const input = { name: "orders", route: "orders" };
  await expect(app.wants(input, never)).rejects.toThrow("no answer within 40 ms");
  const patient = await connected(server.port, { optionsTimeout: 600_000 });
  const abort = new AbortController();
  const asked = patient.wants(input, abort.signal);
  abort.abort(new Error("not wanted any more"));
  await expect(asked).rejects.toThrow("not wanted any more");
});

test("an app that comes back is asked again", async () => {
  const first = await startUnaryApp(lists("orders"));
  const app = await connected(first.port);
  const input = { name: "orders", route: "orders" };
  expect(await app.wants(input, never)).toBe(true);
  await first.stop();
  await untilAvailable(app, false);
  await expect(app.wants(input, never)).rejects.toThrow();
  await using second = await startUnaryApp(lists("other"), { port: first.port });
  await untilAvailable(app);
  expect(await app.wants(input, never)).toBe(false);
  expect(second.calls).toHaveLength(1);
});

test("an app that starts late: unsent with a reason until it is there", async () => {
  const port = await reservePort();
  const app = await connect(port);
  expect(app.available).toBe(false);
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "unsent" });
  await vi.waitFor(() => expect(app.unavailableReason).toContain("ECONNREFUSED"));
  await using _server = await startUnaryApp(handled, { port });
  await untilAvailable(app);
  expect(app.unavailableReason).toBe("");
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "handled" });
});

test("an app killed in the middle of an event: that one is refused, later ones unsent; then it is back", async () => {
  const port = await reservePort();
  const child = await startChildApp("grpc", port);
  const app = await connected(port);
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "handled" });
  const hanging = child.line("hang");
  const held = app.deliver(delivery({ data: Buffer.from("hang") }), never);
  await hanging;
  await child.kill();
  expect(await held).toMatchObject({ kind: "refused" });
  await untilAvailable(app, false);
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "unsent" });
  await using _again = await startChildApp("grpc", port);
  await untilAvailable(app);
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "handled" });
});

test("a slow app has all the time it needs", async () => {
  await using server = await startUnaryApp((call) => setTimeout(() => handled(call), 4000));
  const app = await connected(server.port, { optionsTimeout: 50 });
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "handled" });
});

test("an aborted signal cancels the wait for the answer", async () => {
  const arrived = Promise.withResolvers<void>();
  await using server = await startUnaryApp(() => arrived.resolve());
  const app = await connected(server.port);
  const abort = new AbortController();
  const outcome = app.deliver(delivery(), abort.signal);
  await arrived.promise;
  abort.abort();
  expect(await outcome).toEqual({ kind: "refused", reason: "cancelled" });
});

test("grpcs takes whatever certificate the app shows", async () => {
  const certificates = makeCertificates();
  onTestFinished(() => certificates.remove());
  const { cert, key } = certificates.server;
  await using server = await startUnaryApp(handled, { tls: { cert, key } });
  const app = await connected(server.port, { protocol: "grpcs" });
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "handled" });
});

test("health checks over gRPC gate the events", async () => {
  let healthy = false;
  let checks = 0;
  await using server = await startUnaryApp((call) => {
    if (!call.path.endsWith("AppCallbackHealthCheck/HealthCheck")) return handled(call);
    checks += 1;
    if (healthy) handled(call);
    else call.fail(14, "warming up");
  });
  const health = { interval: 20, timeout: 1000, threshold: 2 };
  const app = await connect(server.port, { health });
  await vi.waitFor(() => expect(app.unavailableReason).toContain("UNAVAILABLE: warming up"));
  expect(app.available).toBe(false);
  healthy = true;
  await untilAvailable(app);
  healthy = false;
  const before = checks;
  await untilAvailable(app, false);
  expect(checks - before).toBeGreaterThanOrEqual(2);
});

test("the official SDK's gRPC server takes events and says what it wants", async () => {
  const port = await reservePort();
  onTestFinished(() => releasePort(port));
  const server = new DaprServer({
    serverHost: "127.0.0.1",
    serverPort: String(port),
    communicationProtocol: CommunicationProtocolEnum.GRPC,
    clientOptions: { daprHost: "127.0.0.1", daprPort: "1" },
  });
  const seen: unknown[] = [];
  await server.binding.receive("orders", async (data: unknown) => {
    if (data === "no") throw new Error("refused on purpose");
    seen.push(data);
  });
  const app = await connect(port, { health: { interval: 50 } });
  // Without its client, which would wait for a sidecar.
  await server.daprServer.start("127.0.0.1", String(port));
  await untilAvailable(app);
  expect(await app.wants({ name: "orders", route: "orders" }, never)).toBe(true);
  expect(await app.wants({ name: "other", route: "other" }, never)).toBe(false);
  const good = delivery({ data: Buffer.from('{"id":1}'), metadata: { a: "b" } });
  expect(await app.deliver(good, never)).toMatchObject({ kind: "handled" });
  expect(seen).toEqual([{ id: 1 }]);
  const bad = delivery({ data: Buffer.from("no") });
  expect(await app.deliver(bad, never)).toMatchObject({
    kind: "refused",
    reason: expect.stringMatching(/^the app answered (INTERNAL|UNKNOWN)/),
  });
  await app.close();
  await server.daprServer.stop();
});
