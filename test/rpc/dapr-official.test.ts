import { createRequire } from "node:module";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serve, type Served } from "../server/serve.ts";

// The gRPC that most of Node's clients are made of, as Dapr's SDK brings it along.
type Client = {
  makeUnaryRequest(
    path: string,
    serialize: (value: Buffer) => Buffer,
    deserialize: (value: Buffer) => Buffer,
    argument: Buffer,
    metadata: unknown,
    options: { deadline?: number },
    callback: (
      error: { code: number; details: string; metadata: { get(name: string): unknown[] } } | null,
      value?: Buffer,
    ) => void,
  ): {
    cancel(): void;
    on(event: "metadata", listener: (metadata: { get(name: string): unknown[] }) => void): void;
  };
  close(): void;
};
type GrpcJs = {
  Client: new (address: string, credentials: unknown) => Client;
  credentials: { createInsecure(): unknown };
  Metadata: new () => { set(name: string, value: string): void };
};
const requireOfSdk = createRequire(createRequire(import.meta.url).resolve("@dapr/dapr"));
const grpc = requireOfSdk("@grpc/grpc-js") as GrpcJs;

let served: Served;
let client: Client;
beforeAll(async () => {
  served = await serve({ maxBodySize: 4096 });
  client = new grpc.Client(`127.0.0.1:${served.port}`, grpc.credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await served[Symbol.asyncDispose]();
});

type Result = {
  code: number;
  text: string;
  value: Buffer | undefined;
  trailers: { get(name: string): unknown[] } | undefined;
};

function call(path: string, request: Buffer, options: { deadline?: number } = {}): Promise<Result> {
  const same = (value: Buffer): Buffer => value;
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      path,
      same,
      same,
      request,
      new grpc.Metadata(),
      options,
      (error, value) =>
        resolve({
          code: error?.code ?? 0,
          text: error?.details ?? "",
          value,
          trailers: error?.metadata,
        }),
    );
  });
}

const invoke = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";

/** An `InvokeBindingRequest` by hand: name and operation. */
function request(name: string, operation: string, data = Buffer.alloc(0)): Buffer {
  const field = (number: number, value: Buffer): Buffer => {
    const length =
      value.length < 128 ? [value.length] : [(value.length & 127) | 128, value.length >> 7];
    return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), value]);
  };
  return Buffer.concat([
    field(1, Buffer.from(name)),
    field(2, data),
    field(4, Buffer.from(operation)),
  ]);
}

test("a call and its answer", async () => {
  const { code, value } = await call(invoke, request("probe", "echo", Buffer.from("hello")));
  expect(code).toBe(0);
  expect(value).toEqual(Buffer.concat([Buffer.from([0x0a, 5]), Buffer.from("hello")]));
});

test("an error with its details", async () => {
  const { code, text, trailers } = await call(invoke, request("probe", "fail"));
  expect(code).toBe(13);
  expect(text).toBe("error invoking output binding probe: received status code 404");
  expect(String(trailers?.get("grpc-status-details-bin")[0])).toContain(
    "ERR_INVOKE_OUTPUT_BINDING",
  );
});

test("a deadline, a message over the limit, bytes that are no message", async () => {
  expect((await call(invoke, request("probe", "wait"), { deadline: Date.now() + 50 })).code).toBe(
    4,
  );
  expect((await call(invoke, request("probe", "create", Buffer.alloc(5000)))).code).toBe(8);
  const broken = await call(invoke, Buffer.from([0xff, 0xff]));
  expect(broken.code).toBe(13);
  expect(broken.text).toContain("grpc: error unmarshalling request");
});

test.each([
  ["/dapr.proto.runtime.v1.Dapr/GetState", "it is not part of Cufflink"],
  ["/dapr.proto.runtime.v1.Dapr/InvokeService", "it is not part of Cufflink"],
  ["/no.such.Service/Method", "unknown method /no.such.Service/Method"],
])("%s is UNIMPLEMENTED, and the connection lives", async (path, text) => {
  const refused = await call(path, Buffer.alloc(100));
  expect(refused).toMatchObject({ code: 12, text: expect.stringContaining(text) });
  expect((await call(invoke, request("probe", "create"))).code).toBe(0);
});

test("hundreds of cancelled calls a second do not end the connection", async () => {
  const same = (value: Buffer): Buffer => value;
  for (let round = 0; round < 10; round++) {
    const cancelled = Array.from({ length: 200 }, () => {
      const { promise, resolve } = Promise.withResolvers<number>();
      const started = client.makeUnaryRequest(
        invoke,
        same,
        same,
        request("probe", "wait"),
        new grpc.Metadata(),
        {},
        (error) => resolve(error?.code ?? 0),
      );
      setImmediate(() => started.cancel());
      return promise;
    });
    expect(new Set(await Promise.all(cancelled))).toEqual(new Set([1]));
  }
  expect((await call(invoke, request("probe", "create"))).code).toBe(0);
});
