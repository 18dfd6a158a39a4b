import { InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace";
import { expect, test } from "vitest";
import type { Span } from "../../../src/runtime/tracer.ts";
import { OtelTracer } from "../../../src/telemetry/export/otel-tracer.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { delivering } from "../delivering.ts";
import { ManualApp } from "../fake-app.ts";
import { settled, sourceEvent } from "../source-event.ts";

const first = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const second = "00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01";
const traceparent = (value: string) => ({ name: "traceparent", value: Buffer.from(value) });

function recording() {
  const exporter = new InMemorySpanExporter();
  const tracer = new OtelTracer(
    { threshold: 2 ** 32, heedsCaller: true },
    { spanProcessors: [new SimpleSpanProcessor({ exporter })] },
  );
  const spans = () =>
    exporter.getFinishedSpans().map((span) => ({
      name: span.name,
      attributes: span.attributes,
      parent: span.parentSpanContext?.spanId,
      links: span.links.map(({ context }) => context.spanId),
      id: span.spanContext().spanId,
    }));
  return { tracer, spans };
}

const single = { attempts: 1, initial: 100, max: 100, multiplier: 1, jitter: 0 };

test("a message is the child of its own context, with its attributes, and links to the others that it names", async () => {
  const { tracer, spans } = recording();
  const app = new ManualApp();
  const { delivery } = delivering(app, { tracer, type: "bindings.kafka" });
  const metadata = { __topic: "orders", __partition: "3", __offset: "42", __key: "k" };
  void delivery.deliver([
    sourceEvent("a", { headers: [traceparent(first), traceparent(second)], metadata }),
  ]);
  await settled();
  app.answer("a", { kind: "handled", reply: undefined });
  await settled();
  const process = spans().find(({ name }) => name === "process orders");
  expect(process).toMatchObject({
    ...{ parent: second.slice(36, 52), links: [first.slice(36, 52)] },
    attributes: {
      "messaging.system.name": "kafka",
      "messaging.operation.type": "process",
      "messaging.destination.name": "orders",
      "messaging.destination.partition.id": "3",
      "messaging.kafka.offset": 42,
      "messaging.message.id": "a",
      "messaging.message.body.size": 1,
      "cufflink.event.end": "handled",
    },
  });
});

test("an event that is not sampled makes no span, and no call of the SDK", async () => {
  const { tracer, spans } = recording();
  const asked = new Proxy(tracer, {
    get(target, name) {
      if (name !== "sampling") throw new Error(`${String(name)} was asked`);
      return target.sampling;
    },
  });
  const app = new ManualApp();
  const { delivery, logger } = delivering(app, {
    ...{ tracer: asked, store: new MemoryStore(), retry: single },
  });
  void delivery.deliver([sourceEvent("a", { headers: [traceparent(`${first.slice(0, 53)}00`)] })]);
  await settled();
  app.answer("a", { kind: "refused", reason: "no" });
  await settled();
  await settled();
  expect(spans()).toEqual([]);
  // The log names its trace all the same.
  expect(logger.lines.at(-1)?.fields).toMatchObject({
    ...{ trace_id: first.slice(3, 35), span_id: first.slice(36, 52) },
  });
});

test("what an exhausted event calls belongs to its trace", async () => {
  const { tracer, spans } = recording();
  const app = new ManualApp();
  const causes: (Span | undefined)[] = [];
  const { delivery } = delivering(app, {
    ...{ tracer, retry: single, onExhausted: { kind: "output", output: "parking" } },
    invokeOutput: async (_name, _data, _metadata, _signal, cause) => void causes.push(cause),
  });
  void delivery.deliver([sourceEvent("a", { headers: [traceparent(first)] })]);
  await settled();
  app.answer("a", { kind: "refused", reason: "no" });
  await settled();
  await settled();
  const [disposal, process] = ["exhausted orders", "process orders"].map((name) =>
    spans().find((span) => span.name === name),
  );
  expect(disposal).toMatchObject({
    ...{ parent: process?.id, id: causes[0]?.spanId },
    attributes: { "cufflink.disposal.to": "parking" },
  });
  expect(process?.attributes).toMatchObject({ "error.type": "output" });
});
