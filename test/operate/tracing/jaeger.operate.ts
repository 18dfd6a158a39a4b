import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, test } from "vitest";
import { Dapr } from "../../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { startDaemon } from "../../e2e/daemon.ts";
import { jaegerConfiguration, jaegerProgram } from "../../servers/jaeger.ts";
import { reservePort } from "../../servers/ports.ts";
import { until } from "../../until.ts";
import { record } from "../record.ts";

const program = await jaegerProgram().catch((error: unknown) => {
  process.stderr.write(`NOT RUN: Jaeger: ${String(error)}\n`);
  return undefined;
});
const why = program === undefined ? ": not run, since Jaeger cannot be built here" : "";

type Reference = { readonly refType: string; readonly spanID: string };
type JaegerSpan = {
  readonly traceID: string;
  readonly spanID: string;
  readonly operationName: string;
  readonly references: readonly Reference[];
  readonly tags: readonly { readonly key: string; readonly value: unknown }[];
  readonly warnings: readonly string[] | null;
};

/** Jaeger with everything in memory. */
async function startJaeger(path: string) {
  const [grpc, http, query, queryGrpc] = await Promise.all([
    ...[reservePort(), reservePort(), reservePort(), reservePort()],
  ]);
  const folder = await mkdtemp(join(tmpdir(), "cufflink-jaeger-"));
  const file = join(folder, "jaeger.json");
  const ports = { grpc: grpc ?? 0, http: http ?? 0, query: query ?? 0, queryGrpc: queryGrpc ?? 0 };
  await writeFile(file, jaegerConfiguration(ports));
  const child = spawn(path, ["--config", file], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const api = `http://127.0.0.1:${ports.query}/api`;
  await until(async () => (await fetch(`${api}/services`).catch(() => undefined))?.ok === true, {
    ...{ what: () => `Jaeger to answer: ${output}`, within: 30_000 },
  });
  return {
    ...ports,
    async trace(id: string): Promise<readonly JaegerSpan[]> {
      const answer = await fetch(`${api}/traces/${id}`);
      if (!answer.ok) return [];
      const { data } = (await answer.json()) as { data: { spans: JaegerSpan[] }[] };
      return data.flatMap(({ spans }) => spans);
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

/** An app over HTTP that takes everything. */
async function startApp(): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200).end();
  });
  const port = await reservePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe.skipIf(program === undefined)(`Jaeger${why}`, () => {
  test.each(["grpc", "http/protobuf"] as const)(
    "by OTLP over %s Jaeger shows a call with its output, and an event with its attempt and the app's answer",
    async (protocol) => {
      await using jaeger = await startJaeger(program ?? "");
      await using app = await startApp();
      const hook = await reservePort();
      await using daemon = await startDaemon({
        components: [
          { name: "hook", type: "bindings.webhook", metadata: { address: `127.0.0.1:${hook}` } },
          { name: "files", type: "bindings.localstorage", metadata: { rootPath: "stored" } },
        ],
        flags: ["--app-port", String(app.port), "--app-protocol", "http"],
        env: {
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${protocol === "grpc" ? jaeger.grpc : jaeger.http}`,
          OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
          OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
          OTEL_BSP_SCHEDULE_DELAY: "100",
        },
      });
      await until(async () => (await daemon.state("hook")) === "running", {
        what: () => daemon.output(),
      });
      const trace = (kind: string): string => kind.repeat(32);
      const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${daemon.grpcPort}` });
      await createClient(Dapr, transport).invokeBinding(
        { name: "files", operation: "create", metadata: { fileName: "a" } },
        { headers: { traceparent: `00-${trace("a")}-${"1".repeat(16)}-01` } },
      );
      const sent = await fetch(`http://127.0.0.1:${hook}/hook`, {
        ...{ method: "POST", body: "x" },
        headers: { traceparent: `00-${trace("b")}-${"1".repeat(16)}-01` },
      });
      expect(sent.ok).toBe(true);
      const spansOf = async (id: string, count: number): Promise<readonly JaegerSpan[]> => {
        await until(async () => (await jaeger.trace(id)).length >= count, {
          ...{ what: `${count} spans of ${id}`, within: 30_000 },
        });
        return jaeger.trace(id);
      };
      const [call, output] = sorted(await spansOf(trace("a"), 2));
      expect(call?.operationName).toBe("dapr.proto.runtime.v1.Dapr/InvokeBinding");
      expect(parentOf(call)).toBe("1".repeat(16));
      expect([output?.operationName, parentOf(output)]).toEqual(["create files", call?.spanID]);
      const [event, attempt, answer] = sorted(await spansOf(trace("b"), 3));
      expect([event?.operationName, attempt?.operationName, answer?.operationName]).toEqual([
        ...["process hook", "attempt hook", "POST"],
      ]);
      expect([parentOf(attempt), parentOf(answer)]).toEqual([event?.spanID, attempt?.spanID]);
      expect(answer?.tags).toContainEqual(
        expect.objectContaining({ key: "http.response.status_code", value: 200 }),
      );
      await record(`Jaeger by OTLP over ${protocol}`, {
        version: "1.76.0",
        spans: [call, output, event, attempt, answer].map((one) => one?.operationName ?? ""),
      });
    },
    120_000,
  );
});

/** Each behind its parent. */
function sorted(spans: readonly JaegerSpan[]): JaegerSpan[] {
  const depth = (span: JaegerSpan): number => {
    const parent = spans.find(({ spanID }) => spanID === parentOf(span));
    return parent === undefined ? 0 : 1 + depth(parent);
  };
  return spans.toSorted((a, b) => depth(a) - depth(b));
}

function parentOf(span: JaegerSpan | undefined): string | undefined {
  return span?.references.find(({ refType }) => refType === "CHILD_OF")?.spanID;
}
