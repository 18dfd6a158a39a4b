import { createServer, type AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { BindingError } from "../../../src/errors.ts";
import type { Tracer } from "../../../src/runtime/tracer.ts";
import { readExportSettings } from "../../../src/telemetry/export/settings.ts";
import { startTracing } from "../../../src/telemetry/export/start.ts";
import { keepingLogger } from "../../runtime/source-event.ts";
import { until } from "../../until.ts";
import { OtlpReceiver } from "./otlp-receiver.ts";

const ended: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

/** Traces by these variables. */
function tracing(variables: Record<string, string>) {
  const logger = keepingLogger();
  const usual = { OTEL_BSP_SCHEDULE_DELAY: "10", OTEL_EXPORTER_OTLP_TIMEOUT: "300" };
  const { traces, resource } = readExportSettings({ ...usual, ...variables }, undefined, "shop");
  if (traces === undefined) throw new Error("nothing is exported");
  const exporting = startTracing(traces, resource, logger);
  ended.push(() => Promise.race([exporting.flush(), wait(200)]));
  return { exporting, tracer: exporting.tracer, logger };
}

const begun = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const cache = { name: "cache", type: "bindings.redis" };

/** Makes so many spans. */
function make(tracer: Tracer, count = 1): void {
  for (let index = 0; index < count; index++) {
    const output = { component: cache, operation: "create", size: 1 };
    tracer.output(output, { parent: begun, tracestate: "vendor=1" }).end(undefined);
  }
}

test.each([
  ["http/protobuf", "none", "/v1/traces"],
  ["http/protobuf", "gzip", "/v1/traces"],
  ["http/json", "gzip", "/v1/traces"],
  ["grpc", "none", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"],
  ["grpc", "gzip", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"],
])(
  "spans come by %s with compression %s, with the headers",
  async (protocol, compression, path) => {
    await using receiver = await (protocol === "grpc" ? OtlpReceiver.grpc() : OtlpReceiver.http());
    const { tracer, exporting } = tracing({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_EXPORTER_OTLP_COMPRESSION: compression,
      OTEL_EXPORTER_OTLP_HEADERS: "X-Key=a%20b",
    });
    make(tracer);
    const span = await receiver.span("create cache");
    expect(span).toMatchObject({
      ...{ traceId: begun.slice(3, 35), parentId: begun.slice(36, 52), kind: "client" },
      attributes: { "db.system.name": "redis", "cufflink.operation": "create" },
      resource: { "service.name": "shop", "telemetry.sdk.language": "nodejs" },
      schemaUrl: "https://opentelemetry.io/schemas/1.45.0",
    });
    if (protocol !== "http/json") expect(span.traceState).toBe("vendor=1");
    expect(receiver.paths[0]).toBe(path);
    expect(receiver.headers[0]?.["x-key"]).toBe("a b");
    await until(() => exporting.dropped === 0 && !exporting.troubled, { what: "no trouble" });
  },
);

/** A port that nothing listens on. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test.each(["http/protobuf", "grpc"])(
  "a receiver that is away, by %s: spans are dropped and counted, one line says so, one that it is over",
  async (protocol) => {
    const receiver = await (protocol === "grpc" ? OtlpReceiver.grpc() : OtlpReceiver.http());
    const { tracer, exporting, logger } = tracing({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
    });
    receiver.behaviour = { kind: "refuse", http: 400, grpc: 3 };
    make(tracer, 3);
    await until(() => exporting.dropped === 3, { what: "three that are dropped" });
    make(tracer);
    await until(() => exporting.dropped === 4, { what: "four that are dropped" });
    receiver.behaviour = { kind: "take" };
    make(tracer);
    await until(() => !exporting.troubled, { what: "the end of the trouble" });
    expect(logger.lines.map(({ level, message }) => [level, message])).toEqual([
      [
        "warn",
        "telemetry cannot be exported: it is dropped and counted until that ends; nothing waits for it",
      ],
      ["info", "telemetry is exported again"],
    ]);
    expect(logger.lines[1]?.fields).toMatchObject({ target: receiver.url, lost: 4 });
    await receiver.close();
    make(tracer, 2);
    await until(() => exporting.dropped === 6, { what: "six that are dropped" });
    expect(logger.lines).toHaveLength(3);
  },
);

test("a receiver that nothing has ever listened for: calls go on, memory is the queue's", async () => {
  const { tracer, exporting, logger } = tracing({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await closedPort()}`,
    OTEL_BSP_MAX_QUEUE_SIZE: "100",
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "50",
    OTEL_EXPORTER_OTLP_TIMEOUT: "60000",
  });
  const began = performance.now();
  make(tracer, 10_000);
  // Nothing waits for the network, and what does not fit is counted at once.
  expect(performance.now() - began).toBeLessThan(5000);
  expect(exporting.dropped).toBeGreaterThanOrEqual(9_800);
  expect(logger.lines).toHaveLength(1);
  expect(logger.lines[0]?.fields).toMatchObject({ signal: "traces" });
});

test("a receiver that never answers holds one batch, and the queue behind it is bounded", async () => {
  await using receiver = await OtlpReceiver.http();
  receiver.behaviour = { kind: "hang" };
  const { tracer, exporting } = tracing({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_BSP_MAX_QUEUE_SIZE: "20",
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "10",
    OTEL_EXPORTER_OTLP_TIMEOUT: "200",
  });
  make(tracer, 10);
  await until(() => receiver.requests === 1, { what: "the first export" });
  make(tracer, 100);
  expect(exporting.dropped).toBe(80);
  // What hangs is given up, and the next goes.
  await until(() => receiver.requests > 1, { what: "the second export" });
  receiver.behaviour = { kind: "take" };
  await until(() => receiver.spans.length > 0 && !exporting.troubled, { what: "the end" });
});

test("what a receiver takes only in part is counted", async () => {
  await using receiver = await OtlpReceiver.http();
  receiver.behaviour = { kind: "partly", rejected: 2 };
  const { tracer, exporting, logger } = tracing({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
  make(tracer, 3);
  await until(() => exporting.dropped === 2, { what: "two that are dropped" });
  expect(logger.lines[0]?.fields).toMatchObject({
    reason: "the receiver refuses part of it: too many",
  });
});

test("spans may go to the log", async () => {
  const { tracer, logger } = tracing({ OTEL_TRACES_EXPORTER: "console" });
  const output = { component: cache, operation: "get", size: 0 };
  tracer.output(output, { own: begun }).end(new BindingError("not_found", "no such key"));
  await until(() => logger.lines.length === 1, { what: "the line" });
  expect(logger.lines[0]).toMatchObject({
    ...{ level: "info", message: "span" },
    fields: {
      ...{ span: "get cache", kind: "client", error: "no such key", parent_id: undefined },
      ...{ trace_id: begun.slice(3, 35), span_id: begun.slice(36, 52) },
    },
  });
});

test("a certificate that cannot be read stops its exporter alone, and says so", () => {
  const { logger, tracer } = tracing({
    OTEL_TRACES_EXPORTER: "otlp,console",
    OTEL_EXPORTER_OTLP_CERTIFICATE: "/nowhere/ca.pem",
  });
  make(tracer);
  expect(logger.lines[0]).toMatchObject({
    ...{ level: "error", message: "no traces are exported there" },
    fields: { reason: expect.stringContaining("/nowhere/ca.pem") },
  });
});
