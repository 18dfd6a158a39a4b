import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Ajv } from "ajv";
import { afterEach, expect, test } from "vitest";
import { readExportSettings } from "../../../src/telemetry/export/settings.ts";
import { startTracing } from "../../../src/telemetry/export/start.ts";
import { keepingLogger } from "../../runtime/source-event.ts";
import { until } from "../../until.ts";

// What Zipkin's API, version 2, says of a list of spans (zipkin2-api.yaml).
const hex = (least: number, most: number) => ({
  ...{ type: "string", pattern: `^[0-9a-f]{${least},${most}}$` },
});
const schema = {
  type: "array",
  items: {
    type: "object",
    required: ["traceId", "id"],
    additionalProperties: false,
    properties: {
      ...{ traceId: hex(16, 32), parentId: hex(16, 16), id: hex(16, 16) },
      kind: { enum: ["CLIENT", "SERVER", "PRODUCER", "CONSUMER"] },
      ...{ name: { type: "string" }, timestamp: { type: "integer", minimum: 1 } },
      ...{ duration: { type: "integer", minimum: 0 }, debug: { type: "boolean" } },
      shared: { type: "boolean" },
      localEndpoint: { type: "object", properties: { serviceName: { type: "string" } } },
      annotations: {
        type: "array",
        items: {
          type: "object",
          properties: { timestamp: { type: "integer" }, value: { type: "string" } },
        },
      },
      tags: { type: "object", additionalProperties: { type: "string" } },
    },
  },
};

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A Zipkin that answers with these statuses, one after another, the last again and again; 0: never. */
async function zipkin(...statuses: number[]) {
  const bodies: { path: string; body: unknown }[] = [];
  const one = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
      bodies.push({ path: request.url ?? "", body });
      const status = statuses.length > 1 ? statuses.shift() : statuses[0];
      if (status !== 0) response.writeHead(status ?? 202).end();
    });
  });
  server = one;
  await new Promise<void>((resolve) => one.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(one.address() as AddressInfo).port}/api/v2/spans`, bodies };
}

function tracing(url: string) {
  const logger = keepingLogger();
  const { traces, resource } = readExportSettings(
    {
      ...{ OTEL_TRACES_EXPORTER: "zipkin", OTEL_EXPORTER_ZIPKIN_ENDPOINT: url },
      ...{ OTEL_EXPORTER_ZIPKIN_TIMEOUT: "200", OTEL_BSP_SCHEDULE_DELAY: "10" },
    },
    undefined,
    "shop",
  );
  if (traces === undefined) throw new Error("nothing is exported");
  return { exporting: startTracing(traces, resource, logger), logger };
}

const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const call = { kind: "rpc", system: "grpc", method: "a.B/C" } as const;
const kafka = { name: "orders", type: "bindings.kafka" };

test("what Zipkin gets is what its API takes", async () => {
  const { url, bodies } = await zipkin(202);
  const { tracer } = tracing(url).exporting;
  const server = tracer.call(call, { parent: caller });
  const output = { component: kafka, operation: "create", size: 3 };
  const producer = tracer.output(output, { parent: server.traceparent });
  producer.reached({ publishTopic: "shop.orders", brokers: ["b1:9092", "b2:9092"] });
  producer.end(undefined);
  server.end("INTERNAL", "it failed");
  await until(() => bodies.length > 0, { what: "an export" });
  const [{ path, body } = { path: "", body: undefined }] = bodies;
  expect(path).toBe("/api/v2/spans");
  const check = new Ajv().compile(schema);
  expect([check(body), check.errors]).toEqual([true, null]);
  expect(body).toMatchObject([
    {
      ...{ name: "create shop.orders", kind: "PRODUCER", traceId: caller.slice(3, 35) },
      localEndpoint: { serviceName: "shop" },
      tags: {
        "messaging.system.name": "kafka",
        "messaging.destination.name": "shop.orders",
        "messaging.operation.type": "send",
        "server.address": "b1",
        "server.port": "9092",
      },
    },
    {
      ...{ name: "a.B/C", kind: "SERVER", parentId: caller.slice(36, 52) },
      tags: { error: "it failed", "rpc.status_code": "INTERNAL", "otel.status_code": "ERROR" },
    },
  ]);
});

test("a Zipkin that never answers, or refuses, is given up each time, and spans are counted", async () => {
  const { url, bodies } = await zipkin(0, 500, 202);
  const { exporting, logger } = tracing(url);
  const make = (): void => exporting.tracer.call(call, { parent: caller }).end("OK");
  make();
  await until(() => exporting.dropped === 1, { what: "one that is dropped" });
  make();
  await until(() => exporting.dropped === 2, { what: "two that are dropped" });
  make();
  await until(() => bodies.length === 3 && !exporting.troubled, { what: "the end of the trouble" });
  expect(logger.lines.map(({ fields }) => fields)).toMatchObject([
    { reason: expect.stringContaining("no answer within 200 ms") },
    { lost: 2 },
  ]);
});
