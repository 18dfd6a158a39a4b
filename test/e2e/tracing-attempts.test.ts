import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { OtlpReceiver, type ReceivedSpan } from "../telemetry/export/otlp-receiver.ts";
import { startDaemon } from "./daemon.ts";

const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const policies = `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: r}
spec:
  policies: {retries: {twice: {policy: constant, duration: 20ms, maxRetries: 2}}}
  targets: {components: {api: {outbound: {retry: twice}}}}
`;

test("an operation that is tried again has a span for each attempt, and the system is told of the attempt", async () => {
  await using receiver = await OtlpReceiver.http();
  const seen: string[] = [];
  let broken = 0;
  const server = createServer((request, response) => {
    seen.push(String(request.headers["traceparent"]));
    response.statusCode = broken-- > 0 ? 503 : 200;
    response.end("x-canary-secret");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const metadata = { url: `http://127.0.0.1:${port}`, securityToken: "x-canary-secret" };
  await using daemon = await startDaemon({
    components: [{ name: "api", type: "bindings.http", metadata }, policies],
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_BSP_SCHEDULE_DELAY: "50" },
  });
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${daemon.grpcPort}` });
  const call = (times: number): Promise<unknown> => {
    broken = times;
    seen.length = 0;
    return createClient(Dapr, transport).invokeBinding(
      { name: "api", operation: "get" },
      { headers: { traceparent: caller } },
    );
  };
  /** The spans that come at once: those of the attempts, then the operation's, if it has one of its own. */
  const next = async (): Promise<ReceivedSpan[]> => {
    await receiver.span("dapr.proto.runtime.v1.Dapr/InvokeBinding");
    return receiver.spans.filter(({ name }) => name === "get api");
  };
  const numbers = (spans: ReceivedSpan[], name: string) =>
    spans.map(({ attributes }) => attributes[name]);

  await call(0);
  const alone = await next();
  expect(alone).toHaveLength(1);
  expect(seen).toEqual(alone.map(traceparentOf));

  receiver.spans.length = 0;
  await call(2);
  const [third, ...attempts] = (await next()).toSorted(byAttempt);
  expect(third && receiver.tree(third)).toBe(
    ["get api", "  get api !", "  get api !", "  get api"].join("\n"),
  );
  expect(third).toMatchObject({ kind: "internal", attributes: { "cufflink.attempts": 3 } });
  expect(attempts.map(({ kind }) => kind)).toEqual(["client", "client", "client"]);
  expect(numbers(attempts, "cufflink.attempt")).toEqual([1, 2, 3]);
  expect(numbers(attempts, "cufflink.attempt.wait")).toEqual([undefined, 0.02, 0.02]);
  expect(numbers(attempts, "http.request.resend_count")).toEqual([undefined, 1, 2]);
  expect(numbers(attempts, "error.type")).toEqual(["unavailable", "unavailable", undefined]);
  expect(seen).toEqual(attempts.map(traceparentOf));

  receiver.spans.length = 0;
  await expect(call(3)).rejects.toThrow();
  const [failed] = (await next()).toSorted(byAttempt);
  expect(failed && receiver.tree(failed)).toBe(
    ["get api !", "  get api !", "  get api !", "  get api !"].join("\n"),
  );
  expect(JSON.stringify(receiver.spans)).not.toContain("canary");
  server.close();
});

/** The operation, which has no number, before its attempts. */
function byAttempt(one: ReceivedSpan, other: ReceivedSpan): number {
  const number = ({ attributes }: ReceivedSpan) => Number(attributes["cufflink.attempt"] ?? 0);
  return number(one) - number(other);
}

function traceparentOf(span: ReceivedSpan): string {
  return `00-${span.traceId}-${span.spanId}-01`;
}
