import * as fc from "fast-check";
import { exchange, oneReply } from "../http-exchange.ts";
import { anyText, headerValue, mutate, mutations, plainText, type Mutation } from "../mutation.ts";
import type { Target } from "../target.ts";
import { operations, startFixture } from "../fixture.ts";

type Input = {
  readonly method: string;
  readonly path: string;
  /** After the method and the path. */
  readonly version: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly bodyChanges: readonly Mutation[];
  /** Changes of the request as a whole: it may be none any more. */
  readonly wireChanges: readonly Mutation[];
  /** Where the request is cut into parts that are sent apart. */
  readonly cuts: readonly number[];
};

/** A silence that is no answer, in milliseconds: long, for a busy machine loads Connect slowly. */
const answerTimeout = 40_000;

const text = fc.oneof(
  anyText(30),
  plainText(30),
  fc.constantFrom("", "__proto__", "constructor", "idempotency-key", "traceparent", "\ud800"),
);

const metadata = fc.dictionary(text, fc.oneof(text, fc.jsonValue({ maxDepth: 2 })), { maxKeys: 5 });

const invocation = fc.record(
  {
    operation: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...operations) },
      { weight: 1, arbitrary: fc.oneof(text, fc.jsonValue({ maxDepth: 1 })) },
    ),
    data: fc.jsonValue({ maxDepth: 4 }),
    metadata: fc.oneof(metadata, fc.jsonValue({ maxDepth: 1 })),
    name: fc.oneof(fc.constant("probe"), text),
    Operation: text,
    component: fc.oneof(fc.constant("orders"), text),
    event: fc.jsonValue({ maxDepth: 3 }),
    service: text,
  },
  { requiredKeys: [] },
);

const body = fc.oneof(
  { weight: 6, arbitrary: invocation.map((value) => JSON.stringify(value)) },
  {
    weight: 1,
    arbitrary: fc
      .record({ invocations: fc.array(invocation, { maxLength: 4 }) })
      .map((value) => JSON.stringify(value)),
  },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: anyText(100) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom("[", '{"a":', '"', "1", " ", '{"data":['), fc.nat(20_000))
      .map(([part, times]) => part.repeat(times)),
  },
);

const segment = fc.oneof(
  fc.constantFrom("probe", "orders", "..", ".", "%2F", "%00", "%", "a+b", "%C3%A4", "%ff", ""),
  fc.webSegment(),
);

const path = fc.oneof(
  { weight: 6, arbitrary: fc.constant("/v1.0/bindings/probe") },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...["/v1.0/bindings/orders", "/v1.0/bindings/", "/v1.0/metadata", "/v1.0/metadata/a"],
      ...[
        "/v1.0/healthz",
        "/v1.0/healthz/outbound",
        "/v1.0/healthz/ready",
        "/v1.0/healthz?appid=x",
      ],
      ...["/dapr.proto.runtime.v1.Dapr/InvokeBinding", "/dapr.proto.runtime.v1.Dapr/GetMetadata"],
      ...["/dapr.proto.runtime.v1.Dapr/GetState", "/cufflink.v1.Bindings/InvokeBindingBatch"],
      ...["/cufflink.v1.Bindings/InvokeBindingStream", "/cufflink.v1.Bindings/SubscribeBindings"],
      ...["/cufflink.v1.Operations/ListComponents", "/cufflink.v1.Operations/DescribeBindingType"],
      ...["/cufflink.v1.Operations/DescribeComponent", "/cufflink.v1.Operations/EmitEvent"],
      ...[
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      ],
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          "/v1.0/bindings/",
          "/v1.0/metadata/",
          "/",
          "/v1.0/",
          "/cufflink.v1.Operations/",
        ),
        fc.array(segment, { maxLength: 3 }),
        fc.oneof(
          fc.constant(""),
          fc.webQueryParameters().map((query) => `?${query}`),
        ),
      )
      .map(([prefix, parts, query]) => `${prefix}${parts.join("/")}${query}`),
  },
);

const header = fc.oneof(
  fc.tuple(
    fc.constantFrom(
      ...[
        "content-type",
        "accept",
        "accept-encoding",
        "content-encoding",
        "traceparent",
        "baggage",
      ],
      ...["tracestate", "grpc-trace-bin", "dapr-api-token", "connect-protocol-version", "te"],
      ...["connect-timeout-ms", "grpc-timeout", "x-a", "cookie", "authorization", "user-agent"],
      ...["connect-content-encoding", "grpc-encoding", "x-grpc-web", "range", "if-match"],
    ),
    headerValue,
  ),
  fc.constantFrom<[string, string]>(
    ...([
      ["content-type", "application/json"],
      ["content-type", "application/proto"],
      ["content-type", "application/grpc"],
      ["content-type", "application/grpc-web+proto"],
      ["content-type", "application/grpc-web-text"],
      ["content-type", "application/connect+json"],
      ["content-type", "application/connect+proto"],
      ["content-type", "application/json; charset=utf-16"],
      ["content-encoding", "gzip"],
      ["content-encoding", "br"],
      ["connect-timeout-ms", "1"],
      ["connect-timeout-ms", "99999999999"],
      ["grpc-timeout", "1n"],
      ["expect", "100-continue"],
      ["expect", "something"],
      ["upgrade", "h2c"],
      ["upgrade", "websocket"],
      ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
    ] as [string, string][]),
  ),
);

/** HTTP/1.1 as anyone may send it: Dapr's paths, Connect's, and none. */
export const http: Target<Input> = {
  name: "http",
  input: fc.record({
    method: fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom("POST", "PUT") },
      {
        weight: 2,
        arbitrary: fc.constantFrom("GET", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "PURGE"),
      },
    ),
    path,
    version: fc.oneof(
      { weight: 6, arbitrary: fc.constant("HTTP/1.1\r\nHost: x") },
      {
        weight: 1,
        arbitrary: fc.constantFrom("HTTP/1.0", "HTTP/1.1\r\nHost: [", "HTTP/1.1\r\nHost: a b:c"),
      },
    ),
    headers: fc.array(header, { maxLength: 5 }),
    body,
    bodyChanges: fc.oneof(fc.constant([]), mutations),
    wireChanges: fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: mutations },
    ),
    cuts: fc.array(fc.nat(9999), { maxLength: 3 }),
  }),
  async start() {
    const fixture = await startFixture({ maxBodySize: 64 * 1024 });
    const good = request({
      ...{ method: "POST", path: "/v1.0/bindings/probe", headers: [] },
      version: "HTTP/1.1\r\nHost: x",
      body: Buffer.from('{"operation":"create"}'),
    });
    return {
      async check(input) {
        const before = fixture.calls.length;
        const whole = request({
          ...input,
          body: mutate(Buffer.from(input.body), input.bodyChanges),
        });
        const isWhole = input.wireChanges.length === 0;
        const wire = isWhole ? whole : mutate(whole, input.wireChanges);
        const answer = await exchange(
          fixture.port,
          parts(wire, input.cuts),
          isWhole ? answerTimeout : 50,
        );
        // A call with a key is answered without being run when an earlier input was the same.
        const isKeyed = wire.includes("idempotency-key");
        const judged = isWhole ? oneReply(answer) : undefined;
        if (judged !== undefined && !isKeyed) judge(input, judged, fixture.calls.length - before);
        const reply = oneReply(await exchange(fixture.port, [good], answerTimeout));
        if (reply.status !== 204)
          throw new Error(`the next good request got ${reply.status}: ${reply.body.toString()}`);
        fixture.calls.length = 0;
      },
      [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
    };
  },
};

/** What was taken ran once, and what was refused did not run. */
function judge({ path: target, method }: Input, { status }: { status: number }, ran: number): void {
  if (!target.startsWith("/v1.0/")) return;
  const invoked = (method === "POST" || method === "PUT") && (status === 200 || status === 204);
  if (invoked && target === "/v1.0/bindings/probe" && ran !== 1)
    throw new Error(`answered ${status}, and ran ${ran} times`);
  if (status >= 400 && status < 500 && ran !== 0)
    throw new Error(`answered ${status}, and ran all the same`);
  if (ran > 1) throw new Error(`ran ${ran} times`);
}

function request(parts: {
  method: string;
  path: string;
  version: string;
  headers: readonly (readonly [string, string])[];
  body: Buffer;
}): Buffer {
  const { method, path: target, version, headers, body: bytes } = parts;
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = `${method} ${target} ${version}\r\nConnection: close\r\nContent-Length: ${bytes.length}\r\n${lines}\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), bytes]);
}

function parts(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = cuts.map((cut) => Math.floor((bytes.length * cut) / 10_000)).sort((a, b) => a - b);
  return [0, ...places].map((start, index) => bytes.subarray(start, places[index]));
}
