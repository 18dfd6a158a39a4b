import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from "@opentelemetry/sdk-trace";
import { expect, onTestFinished, test } from "vitest";
import { defineBinding, type AnyBinding } from "../../../src/binding.ts";
import http from "../../../src/bindings/http/index.ts";
import { BindingError } from "../../../src/errors.ts";
import { string } from "../../../src/metadata/fields.ts";
import { compilePolicies } from "../../../src/policy/policies.ts";
import { loadResources } from "../../../src/resources/load.ts";
import { silentObserver, type Observer } from "../../../src/runtime/observer.ts";
import { OtelTracer } from "../../../src/telemetry/export/otel-tracer.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const callerId = "b7ad6b7169203331";
const sampled = { traceparent: `00-${traceId}-${callerId}-01`, tracestate: "shop=1" };
const thrice = "retries: {DefaultRetryPolicy: {policy: constant, duration: 5ms, maxRetries: 2}}";

async function start(binding: AnyBinding, values: Record<string, string>, policies: string[]) {
  const exporter = new InMemorySpanExporter();
  const tracer = new OtelTracer(
    { threshold: 2 ** 32, heedsCaller: true },
    { spanProcessors: [new SimpleSpanProcessor({ exporter })] },
  );
  const measured: (string | undefined)[] = [];
  const observer: Observer = {
    ...silentObserver,
    invoked: (_name, _operation, _error, _took, span) => void measured.push(span?.spanId),
  };
  const started = startRuntime({ bindings: [binding], tracer, observer });
  const text = `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: shop}
spec: {policies: {${policies.join(", ")}}}
`;
  const { resiliency } = await loadResources({ paths: [], texts: [{ file: "r.yaml", text }] });
  if (resiliency === undefined) throw new Error("the Resiliency was not read");
  started.runtime.applyPolicies(await compilePolicies(resiliency));
  await started.runtime.apply([component(binding.name, values, { secrets: ["pass-word"] })]);
  return { ...started, measured, spans: () => exporter.getFinishedSpans() };
}

/** A server that answers with these statuses, the last one again and again; what it was told of the traces. */
async function startServer(...statuses: number[]) {
  const told: { traceparent: unknown; tracestate: unknown }[] = [];
  const server = createServer(({ headers: { traceparent, tracestate } }, response) => {
    const status = statuses[Math.min(told.length, statuses.length - 1)] ?? 500;
    told.push({ traceparent, tracestate });
    response.writeHead(status).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { told, port, url: `http://127.0.0.1:${port}` };
}

const idOf = (span: ReadableSpan | undefined) => span?.spanContext().spanId;
const contextOf = (span: ReadableSpan | undefined) => ({
  traceparent: `00-${traceId}-${idOf(span)}-01`,
  tracestate: "shop=1",
});

test("each attempt of a call over HTTP has its span, below the operation's, and the server is told that span", async () => {
  const { told, url, port } = await startServer(503, 502, 200);
  const { invoke, spans, measured } = await start(http, { url }, [thrice]);
  await invoke("orders", "get", undefined, { metadata: sampled });
  const [first, second, third, whole] = spans();
  expect(spans()).toHaveLength(4);
  expect(whole).toMatchObject({
    ...{ name: "get orders", kind: SpanKind.INTERNAL, status: { code: SpanStatusCode.UNSET } },
    parentSpanContext: { traceId, spanId: callerId },
    attributes: {
      "cufflink.component.name": "orders",
      "cufflink.component.type": "bindings.http",
      "cufflink.operation": "get",
      "cufflink.attempts": 3,
    },
  });
  expect(whole?.attributes).not.toHaveProperty("http.request.method");
  for (const [index, attempt] of [first, second, third].entries()) {
    expect(attempt).toMatchObject({
      ...{ name: "get orders", kind: SpanKind.CLIENT },
      parentSpanContext: { traceId, spanId: idOf(whole) },
      attributes: {
        "cufflink.attempt": index + 1,
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": port,
      },
    });
    expect(attempt?.attributes["http.request.resend_count"]).toBe(index || undefined);
    expect(attempt?.attributes["cufflink.attempt.wait"]).toBe(index === 0 ? undefined : 0.005);
    expect(told[index]).toEqual(contextOf(attempt));
  }
  expect(new Set(spans().map(idOf)).size).toBe(4);
  expect([first, second].map((one) => one?.status.code)).toEqual([
    ...[SpanStatusCode.ERROR, SpanStatusCode.ERROR],
  ]);
  expect(first?.attributes["error.type"]).toBe("unavailable");
  expect(third?.attributes["http.response.status_code"]).toBe(200);
  expect(third?.status.code).toBe(SpanStatusCode.UNSET);
  expect(measured).toEqual([idOf(whole)]);
});

test("a call with one attempt has one span, whether a policy allows more or not, and an unsampled one has none", async () => {
  const { told, url } = await startServer(200);
  for (const policies of [[], [thrice], [thrice, "timeouts: {DefaultTimeoutPolicy: 20s}"]]) {
    told.length = 0;
    const { invoke, spans, measured } = await start(http, { url }, policies);
    await invoke("orders", "get", undefined, { metadata: sampled });
    await invoke("orders", "get", undefined, {
      metadata: { traceparent: sampled.traceparent.replace(/01$/, "00") },
    });
    const [only] = spans();
    expect(spans()).toHaveLength(1);
    expect(only).toMatchObject({ kind: SpanKind.CLIENT, parentSpanContext: { spanId: callerId } });
    expect(only?.attributes).not.toHaveProperty("cufflink.attempt");
    expect(told[0]).toEqual(contextOf(only));
    expect(measured).toEqual([idOf(only), undefined]);
  }
});

test.each([[[]], [["timeouts: {DefaultTimeoutPolicy: 20s}"]]])(
  "attempts that are used up end the operation's span with the last failure, without secrets, with the policies %j",
  async (more) => {
    const system = new FakeSystem();
    const seen: (string | undefined)[] = [];
    system.invoke = async ({ properties }) => {
      seen.push(properties["traceparent"]);
      system.opening.logger.info({}, `attempt ${seen.length}`);
      const text = `pass-word refused ${seen.length}`;
      throw new BindingError("unavailable", text, { effect: "ambiguous" });
    };
    const binding = system.binding("fake", "output");
    const { invoke, spans, lines } = await start(binding, {}, [thrice, ...more]);
    await expect(invoke("orders", "create", "", { metadata: sampled })).rejects.toThrow(
      "*** refused 3",
    );
    const all = spans();
    expect(all.map(({ status: { code, message } }) => [code, message])).toEqual(
      [1, 2, 3, 3].map((number) => [SpanStatusCode.ERROR, `*** refused ${number}`]),
    );
    expect(all.map(({ attributes }) => attributes["error.type"])).toEqual(
      Array.from({ length: 4 }, () => "unavailable"),
    );
    expect(all.at(-1)?.attributes["cufflink.attempts"]).toBe(3);
    expect(seen).toEqual(all.slice(0, 3).map((span) => contextOf(span).traceparent));
    const logged = lines.flatMap(({ message, fields }) =>
      message.startsWith("attempt ") ? [fields] : [],
    );
    expect(logged).toMatchObject(
      all.slice(0, 3).map((span) => ({ trace_id: traceId, span_id: idOf(span) })),
    );
  },
);

test("an attempt that a breaker refuses has no span, and a caller that goes during the pause leaves none open", async () => {
  const breaker =
    "circuitBreakers: {DefaultCircuitBreakerPolicy: {trip: consecutiveFailures >= 1, timeout: 60s}}";
  const system = new FakeSystem();
  system.invoke = async () => {
    throw new BindingError("unavailable", "down", { effect: "ambiguous" });
  };
  const refused = await start(system.binding("fake", "output"), {}, [thrice, breaker]);
  await expect(refused.invoke("orders", "create", "", { metadata: sampled })).rejects.toThrow(
    "not tried again",
  );
  expect(refused.spans().map(({ attributes }) => attributes["cufflink.attempt"])).toEqual([
    ...[1, undefined],
  ]);
  expect(refused.spans().at(-1)?.attributes["cufflink.attempts"]).toBe(1);

  const slow = thrice.replace("5ms", "60s");
  const left = await start(system.binding("fake", "output"), {}, [slow]);
  const caller = new AbortController();
  system.calls.length = 0;
  const failed = expect(
    left.invoke("orders", "create", "", { metadata: sampled, signal: caller.signal }),
  ).rejects.toThrow("down");
  await expect.poll(() => left.spans().length, { timeout: 20_000 }).toBe(1);
  caller.abort();
  await failed;
  expect(left.spans().map((span) => span.parentSpanContext?.spanId)).toEqual([
    ...[idOf(left.spans()[1]), callerId],
  ]);
});

test("each attempt at a streamed payload that was not begun has its span", async () => {
  const seen: (string | undefined)[] = [];
  const binding = defineBinding({
    ...{ name: "parts", status: "alpha", summary: "A system in the test." },
    metadata: { host: string({ description: "Where the system is." }) },
    open: () => ({ async [Symbol.asyncDispose]() {} }),
    operations: {
      create: {
        ...{ description: "For a test.", request: {}, invoke: async () => undefined },
        async invokeStream(_: AsyncDisposable, { properties, body }) {
          seen.push(properties["traceparent"]);
          if (seen.length === 1)
            throw new BindingError("unavailable", "not yet", { effect: "unsent" });
          return { body };
        },
      },
    },
  });
  const { runtime, spans } = await start(binding, {}, [thrice]);
  const body = {
    begun: false,
    async *[Symbol.asyncIterator]() {
      body.begun = true;
      yield Buffer.from("one");
    },
  };
  const { signal } = new AbortController();
  const answer = await runtime.invokeStream({
    ...{ name: "orders", operation: "create", metadata: sampled, body, signal },
  });
  // The operation ends with its answer's last byte.
  expect(spans()).toHaveLength(1);
  for await (const part of answer?.body ?? []) expect(String(part)).toBe("one");
  const [first, second, whole] = spans();
  expect(seen).toEqual([first, second].map((span) => contextOf(span).traceparent));
  expect([first, second, whole].map((span) => span?.parentSpanContext?.spanId)).toEqual([
    ...[idOf(whole), idOf(whole), callerId],
  ]);
  expect(spans()).toHaveLength(3);
});
