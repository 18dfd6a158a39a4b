import { create, toBinary, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { connect, type ClientHttp2Session } from "node:http2";
import { gzipSync } from "node:zlib";
import {
  InvokeBindingBatchRequestSchema,
  InvokeBindingStreamRequestSchema,
} from "../../../gen/cufflink/v1/bindings_pb.ts";
import { AppMessageSchema } from "../../../gen/cufflink/v1/event_streams_pb.ts";
import {
  DescribeBindingTypeRequestSchema,
  EmitEventRequestSchema,
} from "../../../gen/cufflink/v1/operations_pb.ts";
import { InvokeBindingRequestSchema } from "../../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { SetMetadataRequestSchema } from "../../../gen/dapr/proto/runtime/v1/metadata_pb.ts";
import { HealthCheckRequestSchema } from "../../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflectionRequestSchema } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { anyText, mutate, mutations, plainText, someBytes, type Mutation } from "../mutation.ts";
import type { Target } from "../target.ts";
import { operations, startFixture } from "../fixture.ts";

type Frame = {
  readonly message: Uint8Array;
  readonly changes: readonly Mutation[];
  readonly flags: number;
  readonly gzip: boolean;
  /** Added to the true length. */
  readonly lie: number;
};

type Input = {
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly frames: readonly Frame[];
  /** What is sent of the body, in ten thousandths; the call then ends, or is reset. */
  readonly share: number;
  readonly ending: "end" | "reset" | "wait";
};

const text = fc.oneof(
  anyText(20),
  fc.constantFrom("", "probe", "orders", "__proto__", "idempotency-key", "text", "code"),
);
const data = fc.uint8Array({ maxLength: 200 });
const texts = fc.dictionary(text, text, { maxKeys: 4 });
const operation = fc.oneof(fc.constantFrom(...operations), text);
const name = fc.oneof(
  { weight: 4, arbitrary: fc.constant("probe") },
  { weight: 1, arbitrary: text },
);
const small = fc.oneof(fc.nat(5), fc.constantFrom(0xffff_ffff));

const bytesOf = <Schema extends DescMessage>(
  schema: Schema,
  shape: fc.Arbitrary<MessageInitShape<Schema>>,
): fc.Arbitrary<Uint8Array> => shape.map((init) => toBinary(schema, create(schema, init)));

const invoke = bytesOf(
  InvokeBindingRequestSchema,
  fc.record({ name, operation, data, metadata: texts }),
);
const batch = bytesOf(
  InvokeBindingBatchRequestSchema,
  fc.record({
    invocations: fc.array(fc.record({ name, operation, data, metadata: texts }), { maxLength: 5 }),
  }),
);
const chunks = bytesOf(
  InvokeBindingStreamRequestSchema,
  fc.record({
    chunks: fc.array(
      fc.record({
        invocation: small,
        start: fc.option(fc.record({ name, operation, metadata: texts }), { nil: undefined }),
        data,
        last: fc.boolean(),
      }) as fc.Arbitrary<object>,
      { maxLength: 6 },
    ),
  }),
);
const appMessage = bytesOf(
  AppMessageSchema,
  fc.record({
    subscription: fc.option(fc.record({ bindings: fc.array(text, { maxLength: 2 }) }), {
      nil: undefined,
    }),
    credit: small,
    handled: fc.array(small, { maxLength: 5 }),
  }) as fc.Arbitrary<object>,
);
const reflection = bytesOf(
  ServerReflectionRequestSchema,
  text.chain((value) =>
    fc.constantFrom(
      { messageRequest: { case: "fileByFilename" as const, value } },
      { messageRequest: { case: "fileContainingSymbol" as const, value } },
      { messageRequest: { case: "listServices" as const, value } },
      { messageRequest: { case: "allExtensionNumbersOfType" as const, value } },
      {
        messageRequest: {
          case: "fileContainingExtension" as const,
          value: { containingType: value, extensionNumber: -1 },
        },
      },
    ),
  ),
);

const methods: readonly (readonly [path: string, message: fc.Arbitrary<Uint8Array>])[] = [
  ["/dapr.proto.runtime.v1.Dapr/InvokeBinding", invoke],
  ["/dapr.proto.runtime.v1.Dapr/GetMetadata", someBytes],
  [
    "/dapr.proto.runtime.v1.Dapr/SetMetadata",
    bytesOf(
      SetMetadataRequestSchema,
      fc.record({ key: fc.constantFrom("a", "__proto__", "ü\0"), value: text }),
    ),
  ],
  ["/dapr.proto.runtime.v1.Dapr/GetState", someBytes],
  ["/cufflink.v1.Bindings/InvokeBindingBatch", batch],
  ["/cufflink.v1.Bindings/InvokeBindingStream", chunks],
  ["/cufflink.v1.Bindings/SubscribeBindings", appMessage],
  [
    "/cufflink.v1.Operations/EmitEvent",
    bytesOf(EmitEventRequestSchema, fc.record({ component: name })),
  ],
  [
    "/cufflink.v1.Operations/DescribeBindingType",
    bytesOf(DescribeBindingTypeRequestSchema, fc.record({ name: text })),
  ],
  ["/cufflink.v1.Operations/ListComponents", someBytes],
  ["/grpc.health.v1.Health/Check", bytesOf(HealthCheckRequestSchema, fc.record({ service: text }))],
  ["/grpc.health.v1.Health/Watch", bytesOf(HealthCheckRequestSchema, fc.record({ service: text }))],
  ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", reflection],
  ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", reflection],
];

const frameOf = (message: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Frame> =>
  fc.record({
    message,
    changes: fc.oneof(fc.constant([]), mutations),
    flags: fc.oneof(
      { weight: 6, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.nat(255) },
    ),
    gzip: fc.oneof(
      { weight: 5, arbitrary: fc.constant(false) },
      { weight: 1, arbitrary: fc.boolean() },
    ),
    lie: fc.oneof(
      { weight: 6, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.constantFrom(-1, 1, 5, 1000, 0x7fff_ffff, 0xffff_ffff) },
    ),
  });

const header = fc.oneof(
  fc.constantFrom<[string, string]>(
    ...([
      ["grpc-timeout", "1n"],
      ["grpc-timeout", "99999999H"],
      ["grpc-timeout", "x"],
      ["grpc-timeout", ""],
      ["grpc-encoding", "gzip"],
      ["grpc-encoding", "identity"],
      ["grpc-encoding", "br"],
      ["grpc-accept-encoding", "gzip,br,identity"],
      ["content-type", "application/grpc+proto"],
      ["content-type", "application/grpc+json"],
      ["content-type", "application/grpc-web"],
      ["content-type", "application/json"],
      ["content-type", "application/connect+proto"],
      ["content-type", "application/proto"],
      ["content-type", "text/html"],
      ["content-length", "3"],
      ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
      ["grpc-trace-bin", "AAAK92UZFs1D3YRI6yEcgDGcAbete3FpIDMxAgE"],
      ["baggage", "a=1,=2"],
    ] as [string, string][]),
  ),
  fc.tuple(
    fc.constantFrom("x-a", "x-b-bin", "traceparent", "tracestate", "baggage", "user-agent"),
    plainText(30),
  ),
);

/** Calls of every service, with messages, frames and headers that nobody checked. */
export const grpc: Target<Input> = {
  name: "grpc",
  input: fc.oneof(
    ...methods.map(([path, message]) =>
      fc.record({
        path: fc.oneof(
          { weight: 9, arbitrary: fc.constant(path) },
          {
            weight: 1,
            arbitrary: fc.constantFrom("/", "/a", "//", `${path}/`, `${path}?a=b`, "/%"),
          },
        ),
        headers: fc.array(header, { maxLength: 3 }),
        frames: fc.oneof(
          { weight: 4, arbitrary: fc.array(frameOf(message), { minLength: 1, maxLength: 1 }) },
          { weight: 1, arbitrary: fc.array(frameOf(message), { maxLength: 4 }) },
        ),
        share: fc.oneof(
          { weight: 3, arbitrary: fc.constant(10_000) },
          { weight: 1, arbitrary: fc.nat(9999) },
        ),
        ending: fc.oneof(
          { weight: 6, arbitrary: fc.constant<"end" | "reset" | "wait">("end") },
          { weight: 1, arbitrary: fc.constantFrom<"reset" | "wait">("reset", "wait") },
        ),
      }),
    ),
  ),
  async start() {
    const fixture = await startFixture({ maxBodySize: 64 * 1024 });
    let session = open(fixture.port);
    const good = framed({
      message: toBinary(
        InvokeBindingRequestSchema,
        create(InvokeBindingRequestSchema, { name: "probe", operation: "create" }),
      ),
      ...{ changes: [], flags: 0, gzip: false, lie: 0 },
    });
    const invokePath = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";
    /** A call with a key goes on when its caller cancels, so that the next one cannot count what ran. */
    let lingering = false;
    return {
      async check(input) {
        if (session.closed || session.destroyed) session = open(fixture.port);
        const before = fixture.calls.length;
        const all = Buffer.concat(input.frames.map(framed));
        const body = all.subarray(0, Math.ceil((all.length * input.share) / 10_000));
        const answer = await call(session, { ...input, body });
        const ran = fixture.calls.length - before;
        const isKeyed = all.includes("idempotency-key");
        const isCounted = input.path === invokePath && !lingering && !isKeyed;
        lingering =
          input.ending !== "end" ||
          answer === undefined ||
          input.headers.some(([header]) => header === "grpc-timeout");
        if (answer === undefined && input.ending === "end" && !isEndless(input.path))
          throw new Error(`${input.path} was never answered`);
        if (isCounted && answer?.status === 0 && ran !== 1)
          throw new Error(`answered OK, and ran ${ran} times`);
        if (isCounted && ran > 1) throw new Error(`ran ${ran} times`);
        const goodCall = {
          ...{ path: invokePath, headers: [], body: good, ending: "end" as const },
        };
        if (session.closed || session.destroyed) session = open(fixture.port);
        let next = await call(session, goodCall);
        // HTTP/2 lets a server end the connection of one that breaks its rules.
        if (next?.status === undefined && (session.closed || session.destroyed)) {
          session = open(fixture.port);
          next = await call(session, goodCall);
        }
        if (next?.status !== 0) throw new Error(`the next good call got ${JSON.stringify(next)}`);
        fixture.calls.length = 0;
      },
      async [Symbol.asyncDispose]() {
        session.destroy();
        await fixture[Symbol.asyncDispose]();
      },
    };
  },
};

/** Streams that go on until their caller ends them. */
function isEndless(path: string): boolean {
  return /Watch|SubscribeBindings/.test(path);
}

function open(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  return session;
}

function framed({ message, changes, flags, gzip, lie }: Frame): Buffer {
  const plain = mutate(message, changes);
  const body = gzip ? gzipSync(plain) : plain;
  const prefix = Buffer.alloc(5);
  prefix[0] = flags | (gzip ? 1 : 0);
  prefix.writeUInt32BE((body.length + lie + 2 ** 32) % 2 ** 32, 1);
  return Buffer.concat([prefix, body]);
}

type CallAnswer = { readonly status: number | undefined; readonly how: string };

/** Resolves to how the call ended; `undefined`: it did not, and was abandoned. */
function call(
  session: ClientHttp2Session,
  {
    path,
    headers,
    body,
    ending,
  }: Pick<Input, "path" | "headers" | "ending"> & { body: Uint8Array },
): Promise<CallAnswer | undefined> {
  return new Promise((resolve) => {
    const all: Record<string, string> = { "content-type": "application/grpc", te: "trailers" };
    for (const [key, value] of headers) all[key] = value.replaceAll(/[^\t -~]/g, "");
    const stream = session.request({ ":method": "POST", ":path": path, ...all });
    let seen: NodeJS.Dict<string | string[] | number> = {};
    const timeout = ending === "end" && !isEndless(path) ? 40_000 : 30;
    const timer = setTimeout(() => {
      stream.close(8);
      resolve(undefined);
    }, timeout);
    stream.on("response", (received) => (seen = { ...seen, ...received }));
    stream.on("trailers", (received) => (seen = { ...seen, ...received }));
    let how = "closed";
    stream.on("error", (error) => (how = error.message));
    stream.on("close", () => {
      clearTimeout(timer);
      const status = seen["grpc-status"];
      resolve({
        status: status === undefined ? undefined : Number(status),
        how: `${how} ${String(seen[":status"])}`,
      });
    });
    stream.resume();
    if (ending === "end") stream.end(body);
    else stream.write(body);
    if (ending === "reset") setImmediate(() => stream.close(8));
  });
}
