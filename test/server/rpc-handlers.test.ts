import { createClient, Code, ConnectError, type Transport } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { Kinds } from "../grpc/kinds.ts";
import { call as rawCall, connect, frame } from "../grpc/raw-client.ts";
import { until } from "../until.ts";
import { serveKinds, type SeenCall, type ServedKinds } from "./serve-kinds.ts";

const limit = 100_000;

let served: ServedKinds;
let base: { baseUrl: string };
beforeAll(async () => {
  served = await serveKinds(limit);
  base = { baseUrl: `http://127.0.0.1:${served.port}` };
});
afterAll(() => served[Symbol.asyncDispose]());
beforeEach(() => served.seen.clear());

const gzip = { sendCompression: compressionGzip, compressMinBytes: 0 };
const lanes: readonly (readonly [string, () => Transport])[] = [
  ["the fast path", () => createGrpcTransport(base)],
  ["the fast path, gzip", () => createGrpcTransport({ ...base, ...gzip })],
  ["gRPC with JSON", () => createGrpcTransport({ ...base, useBinaryFormat: false })],
  ["gRPC-Web", () => createGrpcWebTransport({ ...base, httpVersion: "2" })],
  ["Connect", () => createConnectTransport({ ...base, httpVersion: "2" })],
  [
    "Connect with JSON",
    () => createConnectTransport({ ...base, httpVersion: "2", useBinaryFormat: false }),
  ],
];

type Answers = {
  readonly values: string[];
  readonly header: Headers;
  readonly trailer: Headers;
  readonly error: ConnectError | undefined;
};
type CallOptions = { headers?: Record<string, string>; signal?: AbortSignal; timeoutMs?: number };
type Ask = (
  transport: Transport,
  values: readonly (string | Uint8Array)[],
  options?: CallOptions,
) => Promise<Answers>;

/** Calls a method and gathers all that came back, up to its failure. */
function asking(
  run: (
    transport: Transport,
    values: { value: Uint8Array }[],
    options: CallOptions & {
      onHeader: (header: Headers) => void;
      onTrailer: (trailer: Headers) => void;
    },
    take: (answer: { value: Uint8Array }) => void,
  ) => Promise<void>,
): Ask {
  return async (transport, values, options = {}) => {
    const answers: string[] = [];
    let header = new Headers();
    let trailer = new Headers();
    let error: ConnectError | undefined;
    try {
      await run(
        transport,
        values.map((value) => ({ value: Buffer.from(value) })),
        {
          ...options,
          onHeader: (received) => (header = received),
          onTrailer: (received) => (trailer = received),
        },
        ({ value }) => answers.push(Buffer.from(value).toString()),
      );
    } catch (thrown) {
      error = ConnectError.from(thrown);
    }
    return { values: answers, header, trailer, error };
  };
}

async function* each<Value>(values: readonly Value[]): AsyncGenerator<Value> {
  yield* values;
}

const kinds: readonly (readonly [string, string, Ask])[] = [
  [
    "unary",
    "Unary",
    asking(async (transport, [first], options, take) => {
      take(await createClient(Kinds, transport).unary(first!, options));
    }),
  ],
  [
    "server streaming",
    "Read",
    asking(async (transport, [first], options, take) => {
      for await (const answer of createClient(Kinds, transport).read(first!, options)) take(answer);
    }),
  ],
  [
    "client streaming",
    "Write",
    asking(async (transport, values, options, take) => {
      take(await createClient(Kinds, transport).write(each(values), options));
    }),
  ],
  [
    "bidirectional streaming",
    "Both",
    asking(async (transport, values, options, take) => {
      for await (const answer of createClient(Kinds, transport).both(each(values), options))
        take(answer);
    }),
  ],
];

describe.each(lanes)("%s", (_, createTransport) => {
  let shared: Transport;
  const transport = (): Transport => shared;
  beforeAll(async () => {
    shared = createTransport();
    // Connect is loaded at the first call that needs it.
    await createClient(Kinds, shared).unary({});
  });

  describe.each(kinds)("%s", (kind, name, ask) => {
    const seen = (): SeenCall | undefined => served.seen.get(name);
    const hasManyRequests = kind === "client streaming" || kind === "bidirectional streaming";

    test("messages both ways", async () => {
      const requests = hasManyRequests ? ["a", "", "ü".repeat(30_000)] : ["a"];
      const { values, error } = await ask(transport(), requests);
      expect(error).toBeUndefined();
      const expected: Record<string, string[]> = {
        unary: ["a"],
        "server streaming": ["a", "1", "2"],
        "client streaming": requests.slice(-1),
        "bidirectional streaming": requests,
      };
      expect(values).toEqual(expected[kind]);
      expect(seen()?.requests).toEqual(requests);
    });

    test("metadata both ways, repeated and binary", async () => {
      const headers = { "x-test": "one, two", "x-test-bin": "AAE" };
      const { header, trailer, error } = await ask(transport(), ["metadata"], { headers });
      expect(error).toBeUndefined();
      expect(seen()).toMatchObject({
        header: "one, two",
        raw: "one, two",
        timeout: undefined,
      });
      expect(seen()?.context.requestHeader.get("x-test-bin")).toBe("AAE");
      expect(header.get("first")).toBe("1, 2");
      expect(header.get("first-bin")).toBe("AAE");
      expect(header.get("added")).toBe("3, 4");
      expect(trailer.get("last")).toBe("5, 6");
      expect(trailer.get("last-bin")).toBe("/w");
      expect(trailer.get("first")).toBeNull();
    });

    test("a failure: code, text, details, metadata, and the headers before it", async () => {
      const { error } = await ask(transport(), ["fail"]);
      expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "not found: 100% ü" });
      expect(error?.findDetails(ErrorInfoSchema)).toMatchObject([
        { reason: "TEST", domain: "here" },
      ]);
      expect(error?.metadata.get("beside-it")).toBe("yes");
      expect(error?.metadata.get("beside-it-bin")).toBe("AAE");
    });

    test("a failure of ours, and one that nobody foresaw", async () => {
      const ours = (await ask(transport(), ["refuse"])).error;
      expect(ours).toMatchObject({
        code: Code.FailedPrecondition,
        rawMessage: "a precondition failed",
      });
      expect(ours?.metadata.get("beside-it")).toBe("yes");
      const other = (await ask(transport(), ["throw"])).error;
      expect(other).toMatchObject({ code: Code.Unknown, rawMessage: "TypeError: unforeseen" });
    });

    test("a refused call does not reach its method", async () => {
      const { error } = await ask(transport(), ["a"], { headers: { refused: "yes" } });
      expect(error?.code).toBe(Code.Unauthenticated);
      expect(error?.rawMessage).toMatch(/^not \/test\.Kinds\/(Unary|Read|Write|Both)$/);
      expect(seen()).toBeUndefined();
    });

    test("a cancellation reaches the method", async () => {
      const giveUp = new AbortController();
      const call = ask(transport(), ["wait"], { signal: giveUp.signal });
      await until(() => seen()?.requests.length === 1, { what: "the call to begin" });
      expect(seen()?.isOver).toBe(false);
      giveUp.abort();
      expect((await call).error?.code).toBe(Code.Canceled);
      await until(() => seen()?.isOver === true, { what: "the method to end" });
    });

    test("a request and an answer over the limit are RESOURCE_EXHAUSTED", async () => {
      const { error } = await ask(transport(), [new Uint8Array(limit + 1)]);
      expect(error?.code).toBe(Code.ResourceExhausted);
      expect((await ask(transport(), ["large"])).error?.code).toBe(Code.ResourceExhausted);
      expect((await ask(transport(), [new Uint8Array(limit / 2)])).error).toBeUndefined();
    });

    test("the context tells what is called, and keeps values", async () => {
      const { values } = await ask(transport(), ["values"]);
      expect(values[0]).toBe("default set default");
      const { context } = seen()!;
      expect(context.service.typeName).toBe("test.Kinds");
      expect(context.requestMethod).toBe("POST");
      expect(context.url).toBe(`${base.baseUrl}/test.Kinds/${context.method.name}`);
      expect(["grpc", "grpc-web", "connect"]).toContain(context.protocolName);
    });
  });

  test("a deadline reaches the method, and ends the call", async () => {
    await Promise.all(
      kinds.map(async ([, name, ask]) => {
        const { error } = await ask(shared, ["wait"], { timeoutMs: 1000 });
        expect(error?.code).toBe(Code.DeadlineExceeded);
        await until(() => served.seen.get(name)?.isOver === true, { what: `${name} to end` });
        const { timeout, context } = served.seen.get(name)!;
        expect(timeout).toBeGreaterThan(0);
        expect(timeout).toBeLessThanOrEqual(1000);
        expect(context.signal.aborted).toBe(true);
      }),
    );
  });

  test("a stream on encoded messages is called like any other", async () => {
    const client = createClient(Kinds, shared);
    const values: string[] = [];
    let header = new Headers();
    let trailer = new Headers();
    const answers = client.raw(each(["a", "b"].map((value) => ({ value: Buffer.from(value) }))), {
      timeoutMs: 60_000,
      onHeader: (received) => (header = received),
      onTrailer: (received) => (trailer = received),
    });
    for await (const { value } of answers) values.push(Buffer.from(value).toString());
    expect(values).toEqual(["a", "b"]);
    expect(header.get("first")).toBe("raw");
    expect(trailer.get("last")).toBe("a deadline");
    const refused = client.raw(each([{ value: Buffer.from("refuse") }]));
    const error = await refused[Symbol.asyncIterator]()
      .next()
      .then(
        () => undefined,
        (thrown: unknown) => ConnectError.from(thrown),
      );
    expect(error?.code).toBe(Code.FailedPrecondition);
  });

  test("a method that nobody implements is UNIMPLEMENTED", async () => {
    const call = createClient(Kinds, shared).absent({});
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => ConnectError.from(thrown),
    );
    expect(error?.code).toBe(Code.Unimplemented);
  });
});

describe("the fast path alone", () => {
  test.each([
    ["Unary", Buffer.alloc(0), 12],
    ["Read", Buffer.alloc(0), 12],
    ["Unary", Buffer.concat([frame(""), frame("")]), 12],
    ["Read", Buffer.concat([frame(""), frame("")]), 12],
    ["Unary", frame(Buffer.from([0xff])), 13],
    ["Read", frame(Buffer.from([0xff])), 13],
    ["Write", frame(Buffer.from([0xff])), 13],
    ["Both", frame(Buffer.from([0xff])), 13],
    ["Nothing", frame(""), 12],
  ])(
    "%s with another number of messages, or what is none: %j is %i",
    async (name, body, status) => {
      const session = connect(served.port);
      try {
        expect((await rawCall(session, `/test.Kinds/${name}`, body)).status).toBe(status);
      } finally {
        session.destroy();
      }
    },
  );

  test("paths of no service are somebody else's, by whatever protocol but gRPC", async () => {
    const session = connect(served.port);
    try {
      const headers = { "content-type": "application/json" };
      const answer = await rawCall(session, "/no.such.Service/Method", Buffer.from("{}"), headers);
      expect(answer.headers[":status"]).toBe(404);
      expect((await rawCall(session, "/no.such.Service/Method", frame(""))).status).toBe(12);
    } finally {
      session.destroy();
    }
  });
});
