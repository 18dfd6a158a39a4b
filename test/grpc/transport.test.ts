import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { create, type DescService } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createClient,
  createContextKey,
  createContextValues,
  type Interceptor,
  type ServiceImpl,
} from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { expect, onTestFinished, test } from "vitest";
import { Bindings } from "../../gen/cufflink/v1/bindings_pb.ts";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../gen/grpc/health/v1/health_pb.ts";
import {
  createGrpcTransport,
  type GrpcTransport,
  type GrpcTransportOptions,
} from "../../src/grpc/transport.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";

type Served = { readonly port: number; readonly sessions: Set<ServerHttp2Session> };

/** A server of Connect's own, so that the transport is tested against somebody else's gRPC. */
async function serve(
  implementations: {
    dapr?: Partial<ServiceImpl<typeof Dapr>>;
    health?: Partial<ServiceImpl<typeof Health>>;
    bindings?: Partial<ServiceImpl<typeof Bindings>>;
  },
  port?: number,
): Promise<Served & AsyncDisposable> {
  const { dapr = {}, health = {}, bindings = {} } = implementations;
  const server: Http2Server = createServer(
    connectNodeAdapter({
      routes(router) {
        router.service(Dapr, dapr).service(Health, health).service(Bindings, bindings);
      },
    }),
  );
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  const used = port ?? (await reservePort());
  server.listen(used, "127.0.0.1");
  await once(server, "listening");
  return {
    port: used,
    sessions,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}

function transportTo(port: number, options: Partial<GrpcTransportOptions> = {}): GrpcTransport {
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}`, ...options });
  onTestFinished(() => transport.close());
  return transport;
}

function clientOf<Service extends DescService>(
  service: Service,
  port: number,
  options?: Partial<GrpcTransportOptions>,
) {
  return createClient(service, transportTo(port, options));
}

const echo: Partial<ServiceImpl<typeof Dapr>> = {
  invokeBinding({ name, data }, { requestHeader, responseHeader, responseTrailer }) {
    responseHeader.set("x-first", requestHeader.get("x-own") ?? "");
    responseTrailer.set("x-last", name);
    return { data, metadata: { encoding: requestHeader.get("grpc-encoding") ?? "identity" } };
  },
};

async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  return ConnectError.from(
    await call.then(
      () => expect.fail("the call ended well"),
      (error: unknown) => error,
    ),
  );
}

test("a unary call, with its metadata both ways", async () => {
  await using server = await serve({ dapr: echo });
  const client = clientOf(Dapr, server.port);
  const seen: (string | null)[] = [];
  const answer = await client.invokeBinding(
    { name: "a", data: Buffer.from("hello") },
    {
      headers: [
        ["X-Own", "1"],
        ["x-own", "2"],
      ],
      onHeader: (headers) => seen.push(headers.get("x-first")),
      onTrailer: (trailers) => seen.push(trailers.get("x-last"), trailers.get("grpc-status")),
    },
  );
  expect(Buffer.from(answer.data).toString()).toBe("hello");
  expect(seen).toEqual(["1, 2", "a", null]);
});

test("gzip, and a limit of what is taken", async () => {
  await using server = await serve({ dapr: echo });
  const client = clientOf(Dapr, server.port, { compress: true, readMaxBytes: 100_000 });
  const answer = await client.invokeBinding({ name: "a", data: Buffer.alloc(99_000, "abc") });
  expect(answer.data).toHaveLength(99_000);
  expect(answer.metadata["encoding"]).toBe("gzip");
  const failure = await failureOf(
    client.invokeBinding({ name: "a", data: Buffer.alloc(101_000, "abc") }),
  );
  expect(failure.code).toBe(Code.ResourceExhausted);
});

test("an error with its code, text, metadata and details", async () => {
  await using server = await serve({
    dapr: {
      invokeBinding() {
        throw new ConnectError("nö", Code.NotFound, { "x-more": "1" }, [
          { desc: ErrorInfoSchema, value: { reason: "WHY" } },
        ]);
      },
    },
  });
  const failure = await failureOf(clientOf(Dapr, server.port).invokeBinding({ name: "a" }));
  expect(failure).toMatchObject({ code: Code.NotFound, rawMessage: "nö" });
  expect(failure.metadata.get("x-more")).toBe("1");
  expect(failure.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "WHY" }]);
});

test("the answers of a server stream, until it is cancelled", async () => {
  const given = Promise.withResolvers<void>();
  await using server = await serve({
    health: {
      async *watch(_, { signal, responseHeader }) {
        responseHeader.set("x-first", "1");
        yield { status: ServingStatus.SERVING };
        yield { status: ServingStatus.NOT_SERVING };
        await once(signal, "abort");
        given.resolve();
      },
    },
  });
  const abort = new AbortController();
  const seen: number[] = [];
  let first: string | null = null;
  const read = async (): Promise<void> => {
    const answers = clientOf(Health, server.port).watch(
      {},
      { signal: abort.signal, onHeader: (headers) => (first = headers.get("x-first")) },
    );
    for await (const { status } of answers) {
      seen.push(status);
      if (seen.length === 2) abort.abort();
    }
  };
  expect((await failureOf(read())).code).toBe(Code.Canceled);
  expect(seen).toEqual([1, 2]);
  expect(first).toBe("1");
  await given.promise;
});

test("a stream both ways, one answer at a time", async () => {
  await using server = await serve({
    bindings: {
      async *invokeBindingStream(requests, { responseTrailer }) {
        for await (const { chunks } of requests) {
          yield { chunks: chunks.map(({ invocation, data }) => ({ invocation, data })) };
        }
        responseTrailer.set("x-last", "1");
      },
    },
  });
  const seen: number[] = [];
  let wake = Promise.withResolvers<void>();
  let last: string | null = null;
  async function* requests() {
    for (const invocation of [1, 2, 3]) {
      wake = Promise.withResolvers();
      yield { chunks: [{ invocation, data: Buffer.from("x") }] };
      await wake.promise;
    }
  }
  const answers = clientOf(Bindings, server.port).invokeBindingStream(requests(), {
    onTrailer: (trailers) => (last = trailers.get("x-last")),
  });
  for await (const { chunks } of answers) {
    seen.push(...chunks.map(({ invocation }) => invocation));
    wake.resolve();
  }
  expect(seen).toEqual([1, 2, 3]);
  expect(last).toBe("1");
});

test("a deadline of the call and one of the transport", async () => {
  await using server = await serve({
    dapr: {
      async invokeBinding(_, { signal }) {
        await once(signal, "abort");
        return {};
      },
    },
  });
  const slow = { name: "a" };
  const own = clientOf(Dapr, server.port);
  expect(await failureOf(own.invokeBinding(slow, { timeoutMs: 30 }))).toMatchObject({
    code: Code.DeadlineExceeded,
  });
  const short = clientOf(Dapr, server.port, { defaultTimeoutMs: 30 });
  expect((await failureOf(short.invokeBinding(slow))).code).toBe(Code.DeadlineExceeded);
  const passed: Interceptor = (next) => (request) => next(request);
  const watched = clientOf(Dapr, server.port, { interceptors: [passed], defaultTimeoutMs: 30 });
  expect((await failureOf(watched.invokeBinding(slow))).code).toBe(Code.DeadlineExceeded);
});

test("a cancelled call rejects with the signal's reason", async () => {
  await using server = await serve({ dapr: { invokeBinding: () => new Promise(() => {}) } });
  const client = clientOf(Dapr, server.port);
  const abort = new AbortController();
  const call = client.invokeBinding({ name: "a" }, { signal: abort.signal });
  abort.abort(new Error("changed my mind"));
  expect(await failureOf(call)).toMatchObject({
    code: Code.Canceled,
    rawMessage: "changed my mind",
  });
  const late = await failureOf(client.invokeBinding({ name: "a" }, { signal: abort.signal }));
  expect(late.code).toBe(Code.Canceled);
});

test("interceptors see and change requests and answers, unary and streams, the last innermost", async () => {
  await using server = await serve({
    dapr: echo,
    health: {
      async *watch(_, { requestHeader }) {
        const asked = requestHeader.get("x-own") === "2";
        yield { status: asked ? ServingStatus.NOT_SERVING : ServingStatus.SERVING };
      },
    },
  });
  const seen: string[] = [];
  const key = createContextKey("none");
  const interceptor =
    (name: string): Interceptor =>
    (next) =>
    async (request) => {
      seen.push(`${name} ${request.url.split("/").at(-1)} ${request.contextValues.get(key)}`);
      request.header.set("x-own", "2");
      const response = await next(request);
      if (!response.stream) {
        seen.push(`${name} ${response.trailer.get("x-last")}`);
        return { ...response, header: new Headers({ "x-first": `${name} was here` }) };
      }
      return response;
    };
  const interceptors = [interceptor("outer"), interceptor("inner")];
  const transport = transportTo(server.port, { interceptors });
  let first: string | null = null;
  await createClient(Dapr, transport).invokeBinding(
    { name: "a" },
    {
      onHeader: (headers) => (first = headers.get("x-first")),
      contextValues: createContextValues().set(key, "value"),
    },
  );
  expect(seen).toEqual([
    "outer InvokeBinding value",
    "inner InvokeBinding value",
    "inner a",
    "outer a",
  ]);
  expect(first).toBe("outer was here");
  const statuses: number[] = [];
  for await (const { status } of createClient(Health, transport).watch({})) statuses.push(status);
  expect(statuses).toEqual([2]);
  expect(seen.slice(4)).toEqual(["outer Watch none", "inner Watch none"]);
});

test("connects at the first call and again when that is needed; without a server it says so", async () => {
  const port = await reservePort();
  const client = clientOf(Dapr, port);
  const failure = await failureOf(client.invokeBinding({ name: "a" }));
  expect(failure).toMatchObject({ code: Code.Unavailable });
  expect(failure.rawMessage).toContain(`cannot connect to 127.0.0.1:${port}`);
  {
    await using first = await serve({ dapr: echo }, port);
    await client.invokeBinding({ name: "a" });
    expect(first.sessions.size).toBe(1);
  }
  await using second = await serve({ dapr: echo }, port);
  expect(second.sessions.size).toBe(0);
  await client.invokeBinding({ name: "a" });
  expect(second.sessions.size).toBe(1);
});

test("a server that ends idle connections costs no call", async () => {
  await using server = await serve({ dapr: echo });
  const client = clientOf(Dapr, server.port);
  for (let count = 0; count < 5; count += 1) {
    await client.invokeBinding({ name: "a" });
    for (const session of server.sessions) session.close();
    await until(() => server.sessions.size === 0, { what: "the idle connection to end" });
  }
});

test("a message that cannot be encoded, and an answer that cannot be read, fail their call alone", async () => {
  await using server = await serve({ dapr: echo });
  const client = clientOf(Dapr, server.port);
  const lone = await failureOf(client.invokeBinding({ name: "\ud800" }));
  expect(lone.code).toBe(Code.Internal);
  expect(
    await client.invokeBinding(create(Dapr.method.invokeBinding.input, { name: "a" })),
  ).toBeDefined();
});

test("an idle transport keeps no process running", async () => {
  await using server = await serve({ dapr: echo });
  const root = join(import.meta.dirname, "../..");
  const script = `
    import { createClient } from "@connectrpc/connect";
    import { createGrpcTransport } from "${root}/src/grpc/transport.ts";
    import { GrpcClient } from "${root}/src/grpc/client.ts";
    import { Dapr } from "${root}/gen/dapr/proto/runtime/v1/dapr_pb.ts";
    new GrpcClient({ host: "127.0.0.1", port: ${server.port} });
    new GrpcClient({ host: "127.0.0.1", port: 1 });
    const transport = createGrpcTransport({ baseUrl: "http://127.0.0.1:${server.port}" });
    const { data } = await createClient(Dapr, transport).invokeBinding({ data: Buffer.from("done") });
    console.log(Buffer.from(data).toString());
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (chunk) => (said += String(chunk)));
  const [code] = (await once(child, "close")) as [number];
  expect(said).toBe("done\n");
  expect(code).toBe(0);
});
