import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { Bindings } from "../../gen/cufflink/v1/bindings_pb.ts";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { OtlpReceiver } from "../telemetry/export/otlp-receiver.ts";
import { until } from "../until.ts";
import { startDaemon } from "./daemon.ts";

const files = { name: "files", type: "bindings.localstorage", metadata: { rootPath: "stored" } };
const ofCaller = (number: number, flags: "00" | "01"): string =>
  `00-${number.toString(16).padStart(32, "a")}-${number.toString(16).padStart(16, "b")}-${flags}`;
const invoke = "dapr.proto.runtime.v1.Dapr/InvokeBinding";

/** A daemon that exports to the receiver; `call`: of its output, as the caller with that traceparent. */
async function tracedDaemon(receiver: OtlpReceiver, env: Record<string, string>) {
  const daemon = await startDaemon({
    components: [files],
    env: {
      ...{ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_BSP_SCHEDULE_DELAY: "20" },
      ...env,
    },
  });
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${daemon.grpcPort}` });
  const dapr = createClient(Dapr, transport);
  const call = async (traceparent?: string): Promise<void> => {
    await dapr.invokeBinding(
      { name: "files", operation: "create", data: Buffer.from("1"), metadata: { fileName: "a" } },
      traceparent === undefined ? {} : { headers: { traceparent } },
    );
  };
  return { daemon, call, transport };
}

/** The numbers of the callers' traces that were recorded. */
const recorded = (receiver: OtlpReceiver): number[] =>
  receiver.spans
    .filter(({ name }) => name === invoke)
    .map(({ traceId }) => Number.parseInt(traceId.replace(/^a+/, ""), 16))
    .toSorted((a, b) => a - b);

test("what the caller records is recorded, and nothing else where no trace may begin", async () => {
  await using receiver = await OtlpReceiver.http();
  const { daemon, call } = await tracedDaemon(receiver, {
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: "0",
  });
  await using _ = daemon;
  for (let index = 1; index <= 10; index++) await call();
  await call(ofCaller(1, "00"));
  await call(ofCaller(2, "01"));
  await call(ofCaller(3, "00"));
  await call(ofCaller(4, "01"));
  await until(() => recorded(receiver).length >= 2, { what: "two", within: 20_000 });
  expect(await daemon.end()).toBe(0);
  // The shutdown has exported all there was.
  expect(recorded(receiver)).toEqual([2, 4]);
});

test("a sampler that heeds no caller records all, and those behind it hear of that", async () => {
  await using receiver = await OtlpReceiver.http();
  const { daemon, call } = await tracedDaemon(receiver, { OTEL_TRACES_SAMPLER: "always_on" });
  await using _ = daemon;
  await call(ofCaller(1, "00"));
  await call(ofCaller(2, "01"));
  expect(await daemon.end()).toBe(0);
  expect(recorded(receiver)).toEqual([1, 2]);
});

test("a share of the traces that begin here is recorded", async () => {
  await using receiver = await OtlpReceiver.http();
  const { daemon, transport } = await tracedDaemon(receiver, {
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: "0.5",
  });
  await using _ = daemon;
  const bindings = createClient(Bindings, transport);
  const invocation = { name: "files", operation: "create", data: Buffer.from("1") };
  const metadata = { fileName: "a" };
  const batch = { invocations: [{ ...invocation, metadata }] };
  await Promise.all(Array.from({ length: 100 }, () => bindings.invokeBindingBatch(batch)));
  expect(await daemon.end()).toBe(0);
  const batches = receiver.spans.filter(({ name }) => name.endsWith("/InvokeBindingBatch"));
  // Outside of these once in a billion times.
  expect(batches.length).toBeGreaterThanOrEqual(20);
  expect(batches.length).toBeLessThanOrEqual(80);
  const outputs = receiver.spans.filter(({ name }) => name === "create files");
  expect(outputs.map(({ parentId }) => parentId).toSorted()).toEqual(
    batches.map(({ spanId }) => spanId).toSorted(),
  );
});

test("calls over HTTP, Connect, in batches and in streams are spans, and failures say why", async () => {
  await using receiver = await OtlpReceiver.http();
  const { daemon, transport } = await tracedDaemon(receiver, {});
  await using _ = daemon;
  const failed = await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/bindings/files`, {
    method: "POST",
    headers: { traceparent: ofCaller(1, "01") },
    body: JSON.stringify({ operation: "get", metadata: { fileName: "none" } }),
  });
  expect(failed.status).toBe(500);
  const post = await receiver.span("POST /v1.0/bindings/{name}");
  expect(post).toMatchObject({
    ...{ kind: "server", traceId: ofCaller(1, "01").slice(3, 35) },
    attributes: {
      ...{ "http.request.method": "POST", "http.route": "/v1.0/bindings/{name}" },
      ...{ "http.response.status_code": 500, "url.path": "/v1.0/bindings/files" },
      "error.type": "500",
    },
    error: expect.stringContaining("none"),
  });
  expect(failed.headers.get("traceparent")).toBe(`00-${post.traceId}-${post.spanId}-01`);
  expect(await receiver.span("get files")).toMatchObject({
    ...{ kind: "client", parentId: post.spanId },
    attributes: { "error.type": "not_found", "cufflink.operation": "get" },
  });

  const connect = createConnectTransport({
    ...{ httpVersion: "1.1", baseUrl: `http://127.0.0.1:${daemon.httpPort}` },
  });
  await createClient(Dapr, connect).invokeBinding({
    ...{ name: "files", operation: "create", metadata: { fileName: "c" } },
  });
  const rpc = await receiver.span(invoke);
  expect(rpc).toMatchObject({ attributes: { "rpc.system.name": "connectrpc" }, parentId: "" });

  const bindings = createClient(Bindings, transport);
  const stream = bindings.invokeBindingStream(
    (async function* () {
      const metadata = { fileName: "s" };
      const start = { name: "files", operation: "create", metadata };
      yield { chunks: [{ invocation: 1, start, data: Buffer.from("x"), last: true }] };
    })(),
  );
  for await (const answer of stream) void answer;
  const streamed = await receiver.span("cufflink.v1.Bindings/InvokeBindingStream");
  expect(streamed).toMatchObject({ error: undefined, attributes: { "rpc.status_code": "OK" } });
  await receiver.span("create files", ({ parentId }) => parentId === streamed.spanId);
});

test("metrics are exported by OTLP, and a dead receiver does not delay the end of the process", async () => {
  await using receiver = await OtlpReceiver.http();
  const { daemon, call } = await tracedDaemon(receiver, {
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_TRACES_EXPORTER: "none",
    OTEL_METRIC_EXPORT_INTERVAL: "100",
  });
  await using _ = daemon;
  await call();
  await until(() => receiver.points.some(({ name }) => name === "cufflink.invocation_duration"), {
    what: () => `the metric among ${receiver.points.map(({ name }) => name).join(", ")}`,
    within: 20_000,
  });
  const point = receiver.points.find(({ name }) => name === "cufflink.invocation_duration");
  expect(point).toMatchObject({
    ...{ unit: "s", kind: "histogram", schemaUrl: "https://opentelemetry.io/schemas/1.45.0" },
    attributes: { component: "files", operation: "create" },
    ...{ count: 1, resource: { "service.name": "e2e" } },
  });
  await receiver.close();
  const began = performance.now();
  expect(await daemon.end()).toBe(0);
  expect(performance.now() - began).toBeLessThan(8000);
});

test("without a word about it, nothing of OpenTelemetry is loaded", async () => {
  const folder = mkdtempSync(join(tmpdir(), "cufflink-loaded-"));
  try {
    const hook = join(folder, "hook.mjs");
    const list = join(folder, "loaded");
    writeFileSync(list, "");
    writeFileSync(
      hook,
      `import { registerHooks } from "node:module";
import { appendFileSync } from "node:fs";
registerHooks({ load(url, context, next) { appendFileSync(${JSON.stringify(list)}, url + "\\n"); return next(url, context); } });`,
    );
    const loadedWith = async (env: Record<string, string>): Promise<string[]> => {
      writeFileSync(list, "");
      await using daemon = await startDaemon({
        components: [files],
        env: { ...env, NODE_OPTIONS: `--import=${hook}` },
      });
      const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${daemon.grpcPort}` });
      await createClient(Dapr, transport).invokeBinding({
        ...{ name: "files", operation: "create", metadata: { fileName: "a" } },
      });
      return readFileSync(list, "utf8").split("\n").filter(isOfTelemetry);
    };
    expect(await loadedWith({ OTEL_TRACES_EXPORTER: "console" })).not.toEqual([]);
    expect(await loadedWith({})).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Whether it is a file of OpenTelemetry's, or one that has some of it in it, or of what switches it on. */
function isOfTelemetry(url: string): boolean {
  if (url.includes("@opentelemetry") || url.includes("/telemetry/export/")) return true;
  if (!url.startsWith("file:")) return false;
  return /class BatchSpanProcessor|ZipkinExporter|OTEL_BSP_/.test(
    readFileSync(fileURLToPath(url), "utf8"),
  );
}
