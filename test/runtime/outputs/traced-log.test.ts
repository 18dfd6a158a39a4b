import { InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace";
import { expect, test } from "vitest";
import { OtelTracer } from "../../../src/telemetry/export/otel-tracer.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";

const trace = "0af7651916cd43dd8448eb211c80319c";
const parent = `00-${trace}-b7ad6b7169203331`;

async function start(values: Record<string, string> = {}) {
  const exporter = new InMemorySpanExporter();
  const tracer = new OtelTracer(
    { threshold: 2 ** 32, heedsCaller: true },
    { spanProcessors: [new SimpleSpanProcessor({ exporter })] },
  );
  const system = new FakeSystem();
  const started = startRuntime({ bindings: [system.binding("fake")], tracer });
  await started.runtime.apply([component("fake", values)]);
  const idsOf = (message: string) => {
    const { fields = {} } = started.lines.find((line) => line.message === message) ?? {};
    const { trace_id, span_id } = fields as { trace_id?: string; span_id?: string };
    return [trace_id, span_id];
  };
  const spanOf = () => exporter.getFinishedSpans().at(-1)?.spanContext().spanId;
  return { ...started, system, idsOf, spanOf };
}

test("what a binding logs in a recorded call has the ids of its span, and what it goes on with has not", async () => {
  const { system, invoke, idsOf, spanOf } = await start();
  const later = Promise.withResolvers<void>();
  const logged = Promise.withResolvers<void>();
  system.invoke = async () => {
    const { logger } = system.opening;
    logger.warn({ reason: "slow" }, "at once");
    await Promise.resolve();
    logger.info({}, "after a pause");
    void later.promise.then(() => {
      logger.info({}, "after the call");
      logged.resolve();
    });
  };
  await invoke("orders", "create", "x", { metadata: { traceparent: `${parent}-01` } });
  later.resolve();
  await logged.promise;
  expect(idsOf("at once")).toEqual([trace, spanOf()]);
  expect(idsOf("after a pause")).toEqual([trace, spanOf()]);
  expect(idsOf("after the call")).toEqual([undefined, undefined]);
});

test("calls at the same time have each their own, and one that is not recorded has none", async () => {
  const { system, invoke, idsOf } = await start();
  system.invoke = async ({ data }) => {
    await new Promise((resolve) => setImmediate(resolve));
    system.opening.logger.info({}, String(data));
  };
  const other = trace.replace("0af7", "1af7");
  await Promise.all([
    invoke("orders", "create", "one", { metadata: { traceparent: `${parent}-01` } }),
    invoke("orders", "create", "other", {
      metadata: { traceparent: `${parent.replace(trace, other)}-01` },
    }),
    invoke("orders", "create", "neither", { metadata: { traceparent: `${parent}-00` } }),
  ]);
  expect([idsOf("one")[0], idsOf("other")[0], idsOf("neither")[0]]).toEqual([
    ...[trace, other, undefined],
  ]);
});
