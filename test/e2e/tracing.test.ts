import { createServer, type Http2Server } from "node:http2";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, expect, test } from "vitest";
import { DeadLetters } from "../../gen/cufflink/v1/dead_letters_pb.ts";
import { AppCallback } from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { describeWith } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { OtlpReceiver, type ReceivedSpan } from "../telemetry/export/otlp-receiver.ts";
import { startDaemon } from "./daemon.ts";

const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const traceId = caller.slice(3, 35);

let app: Http2Server | undefined;
afterEach(() => app?.close());

/** What the app was told, by event. */
type Seen = { readonly text: string; readonly traceparent: string };

async function startApp(port: number): Promise<{ seen: Seen[]; refuse: Set<string> }> {
  const seen: Seen[] = [];
  const refuse = new Set<string>();
  const adapter = connectNodeAdapter({
    routes: (router) => {
      router.service(AppCallback, {
        listInputBindings: () => ({ bindings: ["hook"] }),
        onBindingEvent({ data }, { requestHeader }) {
          const text = Buffer.from(data).toString("utf8");
          seen.push({ text, traceparent: requestHeader.get("traceparent") ?? "" });
          if (refuse.has(text)) throw new ConnectError("not this one", Code.Aborted);
          return text === "fan" ? { to: ["files"], data: Buffer.from("{}") } : {};
        },
      });
    },
  });
  const server = createServer(adapter);
  app = server;
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { seen, refuse };
}

const twoAttempts = `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: r}
spec:
  policies: {retries: {twice: {policy: constant, duration: 20ms, maxRetries: 1}}}
  targets: {components: {hook: {inbound: {retry: twice}}}}
`;

describeWith("redis", (redis) => {
  test("calls, outputs, events, attempts, answers, fan-out, dead letters and redrives are spans of one tree each", async () => {
    const [appPort, hookPort] = await Promise.all([reservePort(), reservePort()]);
    await using receiver = await OtlpReceiver.http();
    const { seen, refuse } = await startApp(appPort);
    const redisHost = `${redis.host}:${redis.port}`;
    await using daemon = await startDaemon({
      components: [
        { name: "hook", type: "bindings.webhook", metadata: { address: `127.0.0.1:${hookPort}` } },
        { name: "cache", type: "bindings.redis", metadata: { redisHost } },
        { name: "files", type: "bindings.localstorage", metadata: { rootPath: "stored" } },
        twoAttempts,
      ],
      flags: [
        ...["--app-port", String(appPort), "--app-protocol", "grpc", "--state-dir", "state"],
        "--log-as-json",
      ],
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_BSP_SCHEDULE_DELAY: "50",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
      },
    });
    await until(async () => (await daemon.state("hook")) === "running", {
      what: () => daemon.output(),
    });
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${daemon.grpcPort}` });
    const post = (body: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`http://127.0.0.1:${hookPort}/hook`, { method: "POST", body, headers });

    // A call, and its output.
    await createClient(Dapr, transport).invokeBinding(
      { name: "cache", operation: "create", data: Buffer.from("1"), metadata: { key: "a" } },
      { headers: { traceparent: caller } },
    );
    const call = await receiver.span(invoke);
    expect(call).toMatchObject({
      ...{ traceId, parentId: caller.slice(36, 52), kind: "server", error: undefined },
      attributes: { "rpc.system.name": "grpc", "rpc.method": invoke, "rpc.status_code": "OK" },
      resource: { "service.name": "e2e", "deployment.environment.name": "test" },
      schemaUrl: "https://opentelemetry.io/schemas/1.45.0",
    });
    const output = await receiver.span("create cache");
    expect(output).toMatchObject({
      ...{ traceId, parentId: call.spanId, kind: "client" },
      attributes: {
        ...{ "db.system.name": "redis", "db.operation.name": "create" },
        ...{ "server.address": redis.host, "server.port": redis.port },
      },
    });

    // An event, and what its reply asks for.
    const reply = await post("fan", { traceparent: caller });
    expect(reply.ok).toBe(true);
    const fan = await receiver.span("process hook", (span) => span.traceId === traceId);
    expect(fan.parentId).toBe(caller.slice(36, 52));
    expect(receiver.tree(fan)).toBe(
      ["process hook", "  attempt hook", `    ${handle}`, "    create files"].join("\n"),
    );
    const answer = await receiver.span(handle);
    expect(answer).toMatchObject({
      ...{ kind: "client", parentId: (await receiver.span("attempt hook")).spanId },
      attributes: { "rpc.status_code": "OK", "server.port": appPort },
    });
    expect(seen).toEqual([{ text: "fan", traceparent: traceparentOf(answer) }]);

    // One that the app refuses, until it is redriven.
    refuse.add("bad");
    await post("bad");
    const bad = await receiver.span("process hook", ({ error }) => error !== undefined);
    expect(bad).toMatchObject({ parentId: "", error: expect.stringContaining("not this one") });
    expect(receiver.tree(bad)).toBe(
      [
        ...["process hook !", "  attempt hook !", `    ${handle} !`],
        ...["  attempt hook !", `    ${handle} !`, "  dead letter hook"],
      ].join("\n"),
    );
    const refused = receiver.spans.filter(
      ({ traceId, name }) => traceId === bad.traceId && name === handle,
    );
    expect(refused.map(traceparentOf)).toEqual(
      seen.filter(({ text }) => text === "bad").map(({ traceparent }) => traceparent),
    );
    expect(refused[0]?.attributes).toMatchObject({
      ...{ "rpc.status_code": "ABORTED", "error.type": "ABORTED" },
    });

    refuse.delete("bad");
    const operations = createClient(DeadLetters, transport);
    const progress = operations.redriveDeadLetters({ all: true });
    for await (const one of progress) void one;
    const redriven = await receiver.span("redrive hook");
    const deadLetter = await receiver.span("dead letter hook");
    expect(redriven).toMatchObject({
      links: [{ traceId: bad.traceId, spanId: deadLetter.spanId }],
      attributes: { "cufflink.redrive": 1 },
      error: undefined,
    });
    expect(receiver.tree(redriven)).toBe(
      ["redrive hook", "  attempt hook", `    ${handle}`].join("\n"),
    );

    // Logs have the ids of what they are about.
    const lines = daemon
      .output()
      .split("\n")
      .filter((line) => line.includes("event not handled"))
      .map((line) => JSON.parse(line) as Record<string, string>);
    expect(lines.length).toBeGreaterThan(1);
    expect(new Set(lines.map(({ trace_id }) => trace_id))).toEqual(new Set([bad.traceId]));
    for (const { span_id } of lines) expect(span_id).toMatch(/^[0-9a-f]{16}$/);
  });
});

const invoke = "dapr.proto.runtime.v1.Dapr/InvokeBinding";
const handle = "dapr.proto.runtime.v1.AppCallback/OnBindingEvent";

function traceparentOf({ traceId, spanId }: ReceivedSpan): string {
  return `00-${traceId}-${spanId}-01`;
}
