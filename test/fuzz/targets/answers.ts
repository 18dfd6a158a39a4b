import { create, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { createServer, type AddressInfo, type Socket } from "node:net";
import {
  BindingEventResponseSchema,
  ListInputBindingsResponseSchema,
} from "../../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { framed, startHttp2Server, type ServedCall } from "../../grpc/http2-server.ts";
import { until } from "../../until.ts";
import { mutate, mutations, plainText, someBytes, type Mutation } from "../mutation.ts";
import type { Target } from "../target.ts";
import { Settlements, startFixture } from "../fixture.ts";

/** What an app answers to one event by HTTP/1.1. */
type HttpAnswer = { readonly bytes: Uint8Array; readonly changes: readonly Mutation[] };

/** What an app answers to one event by gRPC. */
type GrpcAnswer = {
  readonly status: number;
  readonly contentType: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly message: Uint8Array;
  readonly changes: readonly Mutation[];
  readonly lie: number;
  /** `undefined`: no trailers. */
  readonly grpcStatus: string | undefined;
  readonly grpcMessage: string;
  readonly reset: boolean;
};

type Input = { readonly http: readonly HttpAnswer[]; readonly grpc: readonly GrpcAnswer[] };

const httpAnswer: fc.Arbitrary<HttpAnswer> = fc.record({
  bytes: fc.constantFrom(
    ...[
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
      "HTTP/1.1 500 No\r\nContent-Length: 3\r\nRetry-After: 99999999999\r\n\r\nno!",
      "HTTP/1.1 422 No\r\nCufflink-Outcome: dead_letter; no%20%C3%\r\nContent-Length: 3\r\n\r\nno!",
      "HTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nno",
      '{"to":["probe"],"data":1}',
      "",
    ].map((text) => Buffer.from(text)),
  ),
  changes: fc.oneof(fc.constant([]), mutations),
});

const reply = fc
  .record({
    to: fc.array(fc.constantFrom("probe", "nosuch", "", "orders"), { maxLength: 2 }),
    data: fc.uint8Array({ maxLength: 20 }),
    concurrency: fc.constantFrom(0, 1),
    storeName: plainText(5),
  })
  .map(({ concurrency, ...init }) => {
    const response = create(BindingEventResponseSchema, init);
    response.concurrency = concurrency;
    return toBinary(BindingEventResponseSchema, response);
  });

const grpcAnswer: fc.Arbitrary<GrpcAnswer> = fc.record({
  status: fc.oneof(
    { weight: 5, arbitrary: fc.constant(200) },
    { weight: 1, arbitrary: fc.constantFrom(404, 503, 302, 204) },
  ),
  contentType: fc.oneof(
    { weight: 5, arbitrary: fc.constant("application/grpc") },
    {
      weight: 1,
      arbitrary: fc.constantFrom("application/grpc+json", "text/html", "application/grpc-web", ""),
    },
  ),
  headers: fc.array(
    fc.constantFrom<readonly [string, string]>(
      ["grpc-encoding", "gzip"],
      ["grpc-encoding", "x"],
      ["grpc-status", "0"],
      ["grpc-retry-pushback-ms", "99999999999"],
      ["grpc-status-details-bin", "!!!"],
      ["x-bin", "%"],
      ["content-length", "1"],
      ["cufflink-outcome", "dead_letter; %zz%F0"],
      ["cufflink-outcome", "drop"],
      ["cufflink-outcome", ";"],
    ),
    { maxLength: 2 },
  ),
  message: reply,
  changes: fc.oneof(fc.constant([]), mutations),
  lie: fc.oneof(
    { weight: 4, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constantFrom(1, -1, 0xffff_fff0) },
  ),
  grpcStatus: fc.option(fc.constantFrom("0", "2", "14", "16", "17", "-1", "x", "", "99999999999"), {
    nil: undefined,
  }),
  grpcMessage: fc.oneof(
    plainText(20),
    fc.constantFrom("%", "%zz", "%F0%9F", "%00"),
    someBytes.map((bytes) => Buffer.from(bytes).toString("hex")),
  ),
  reset: fc.oneof(
    { weight: 5, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constant(true) },
  ),
});

/** Apps that answer events with nonsense for a while, and then as they should: nothing is lost, nothing settled twice. */
export const answers: Target<Input> = {
  name: "answers",
  input: fc.record({
    http: fc.array(httpAnswer, { maxLength: 4 }),
    grpc: fc.array(grpcAnswer, { maxLength: 4 }),
  }),
  async start() {
    let http: HttpAnswer[] = [];
    let grpc: GrpcAnswer[] = [];
    const httpApp = await startHttpApp(() => http.shift());
    const grpcApp = await startGrpcApp(() => grpc.shift());
    // A reply to a target that is not there is never handled: it becomes a dead letter.
    const metadata = { replyFanOut: "true", backOffMaxRetries: "20" };
    const fixtures = await Promise.all([
      startFixture({ app: { protocol: "http", port: httpApp.port }, metadata }),
      startFixture({ app: { protocol: "grpc", port: grpcApp.port }, metadata }),
    ]);
    return {
      async check(input) {
        http = [...input.http];
        grpc = [...input.grpc];
        for (const fixture of fixtures) {
          const settlements = new Settlements();
          const reading = await fixture.reading();
          const event = settlements.event("one", {
            ...{ data: Buffer.from("x"), metadata: {}, headers: [], key: "k", id: "one" },
          });
          await reading.deliver([event]);
          await until(() => settlements.open.length === 0, { what: "the event", within: 20_000 });
          settlements.assertAllHandledOnce();
        }
      },
      async [Symbol.asyncDispose]() {
        for (const fixture of fixtures) await fixture[Symbol.asyncDispose]();
        httpApp.close();
        await grpcApp.close();
      },
    };
  },
};

async function startHttpApp(next: () => HttpAnswer | undefined) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      // Requests are small: each comes whole, head and body apart at most.
      if (!/^(POST|OPTIONS) /.test(chunk.toString("latin1"))) return;
      const answer = chunk.toString("latin1").startsWith("POST") ? next() : undefined;
      if (answer === undefined)
        return void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      socket.write(mutate(answer.bytes, answer.changes));
      setTimeout(() => socket.destroy(), 5);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

async function startGrpcApp(next: () => GrpcAnswer | undefined) {
  const listing = toBinary(
    ListInputBindingsResponseSchema,
    create(ListInputBindingsResponseSchema, { bindings: ["orders"] }),
  );
  const server = await startHttp2Server((call) => {
    // It keeps them for tests that look at them.
    server.calls.length = 0;
    if (call.path.endsWith("/ListInputBindings")) return call.ok(listing);
    if (!call.path.endsWith("/OnBindingEvent")) return call.fail(12);
    const answer = next();
    if (answer === undefined) call.ok(new Uint8Array());
    else play(call, answer);
  });
  return { port: server.port, close: () => server.stop() };
}

function play({ stream }: ServedCall, answer: GrpcAnswer): void {
  const { status, contentType, headers, message, changes, lie, grpcStatus, grpcMessage } = answer;
  if (answer.reset) return stream.close(2);
  const bytes = framed(mutate(message, changes));
  if (lie !== 0) bytes.writeUInt32BE((bytes.readUInt32BE(1) + lie + 2 ** 32) % 2 ** 32, 1);
  const head = { ...Object.fromEntries(headers), ":status": status };
  stream.respond(contentType === "" ? head : { ...head, "content-type": contentType }, {
    waitForTrailers: grpcStatus !== undefined,
  });
  stream.on("wantTrailers", () => {
    stream.sendTrailers({ "grpc-status": grpcStatus, "grpc-message": grpcMessage });
  });
  stream.end(status === 204 ? undefined : bytes);
}
