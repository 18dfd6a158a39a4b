import { request } from "node:http";
import { connect } from "node:net";
import { defineBinding, type AnyBinding } from "../../src/binding.ts";
import type { ComponentSpec } from "../../src/component.ts";
import { BindingError } from "../../src/errors.ts";
import { RuntimeDescription } from "../../src/rpc/description.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import type { RuntimeLogger } from "../../src/runtime/runtime-logger.ts";
import { createServer, type CufflinkServer, type ServerOptions } from "../../src/server/server.ts";

/** What the binding under the server was asked to do. */
export type SeenCall = {
  readonly operation: string;
  readonly data: string | undefined;
  readonly encoding: "bytes" | "json";
  readonly metadata: Record<string, string>;
};

export type Served = AsyncDisposable & {
  readonly port: number;
  readonly server: CufflinkServer;
  readonly runtime: Runtime;
  readonly calls: SeenCall[];
  /** Resolves when a call of `wait` was cancelled by its caller. */
  readonly abandoned: Promise<unknown>;
  /** Resolves when a call of `wait` or `pause` has begun. */
  readonly begun: Promise<void>;
  /** Lets calls of `pause` end. */
  readonly release: () => void;
  readonly shutdowns: () => number;
};

const silent: RuntimeLogger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** A server over a real runtime with the output `probe`, whose operations do what the tests need. */
export async function serve(
  options: Partial<ServerOptions> & {
    apply?: boolean;
    components?: readonly ComponentSpec[];
    /** Beside `probe`. */
    bindings?: readonly AnyBinding[];
  } = {},
): Promise<Served> {
  const { apply = true, components = [spec("probe")], bindings = [], ...rest } = options;
  const calls: SeenCall[] = [];
  const abandoned = Promise.withResolvers<unknown>();
  const begun = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let shutdowns = 0;
  const probe = defineBinding({
    name: "probe",
    status: "stable",
    summary: "Answers as the tests need it.",
    metadata: {},
    open: () => ({ async [Symbol.asyncDispose]() {} }),
    operations: {
      create: operation(async () => undefined),
      empty: operation(async () => ({})),
      echo: operation(async ({ data, properties }) => ({
        data,
        metadata: pick(properties, "echo-"),
      })),
      big: operation(async ({ properties }) => ({
        data: Buffer.alloc(Number(properties["size"]), 0x61),
      })),
      fail: operation(async ({ properties }) => {
        throw new BindingError("not_found", properties["text"] ?? "received status code 404", {
          effect: "rejected",
          systemCode: "404",
          retryAfter: 1500,
          metadata: { statusCode: "404" },
        });
      }),
      wait: operation(async ({ signal }) => {
        begun.resolve();
        await new Promise((_, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason as Error)),
        );
      }, abandoned.resolve),
      pause: operation(async () => {
        begun.resolve();
        await released.promise;
        return { data: Buffer.from("released") };
      }),
    },
  });

  function operation(
    run: (call: {
      data: Uint8Array | undefined;
      properties: Readonly<Record<string, string>>;
      signal: AbortSignal;
    }) => Promise<
      { data?: Uint8Array | undefined; metadata?: Record<string, string> } | undefined | void
    >,
    failed: (error: unknown) => void = () => undefined,
  ) {
    return {
      description: "For a test.",
      request: {},
      async invoke(
        _connection: unknown,
        call: {
          operation: string;
          data: Uint8Array | undefined;
          encoding: "bytes" | "json";
          properties: Readonly<Record<string, string>>;
          readonly signal: AbortSignal;
        },
      ) {
        calls.push({
          operation: call.operation,
          data: call.data === undefined ? undefined : Buffer.from(call.data).toString(),
          encoding: call.encoding,
          metadata: { ...call.properties },
        });
        try {
          return await run(call);
        } catch (error) {
          failed(error);
          throw error;
        }
      },
    };
  }

  const runtime = createRuntime({
    appId: "shop",
    bindings: [probe, ...bindings],
    logger: silent,
    http: { listen: () => Promise.reject(new Error("no test needs it")) },
  });
  const description = new RuntimeDescription({
    appId: "shop",
    version: "1.2.3",
    app: { protocol: "http", address: "127.0.0.1" },
    runtime,
    features: () => ["HotReload"],
  });
  const server = await createServer({
    runtime,
    description,
    addresses: [{ host: "127.0.0.1", port: 0 }],
    shutdown: () => shutdowns++,
    ...rest,
  });
  if (apply) await runtime.apply(components);
  return {
    port: server.ports[0] ?? 0,
    server,
    runtime,
    calls,
    abandoned: abandoned.promise,
    begun: begun.promise,
    release: released.resolve,
    shutdowns: () => shutdowns,
    async [Symbol.asyncDispose]() {
      released.resolve();
      await server.close(0);
      await runtime.close();
    },
  };
}

/** A component of the in-test binding, by default an output only. */
export function spec(
  name: string,
  values: Record<string, string> = { direction: "output" },
): ComponentSpec {
  return {
    name,
    type: "bindings.probe",
    version: "v1",
    initTimeout: 5000,
    origin: undefined,
    properties: [],
    resolve: async () => ({ values, secrets: [] }),
  };
}

function pick(values: Readonly<Record<string, string>>, prefix: string): Record<string, string> {
  const found = Object.entries(values).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(found.map(([name, value]) => [name.slice(prefix.length), value]));
}

export type HttpAnswer = {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: NodeJS.Dict<string | string[]>;
  /** Names and values by turns, as they were on the wire. */
  readonly raw: readonly string[];
  readonly body: Buffer;
  readonly text: string;
};

/** One HTTP/1.1 request on a connection of its own. */
export function send(
  port: number,
  path: string,
  options: {
    method?: string;
    body?: string | Buffer;
    headers?: Record<string, string | string[]>;
    socketPath?: string;
    signal?: AbortSignal;
  } = {},
): Promise<HttpAnswer> {
  const {
    body,
    socketPath,
    signal,
    headers = {},
    method = body === undefined ? "GET" : "POST",
  } = options;
  return new Promise((resolve, reject) => {
    const where = socketPath === undefined ? { host: "127.0.0.1", port } : { socketPath };
    const outgoing = request(
      { ...where, path, method, headers, agent: false, ...(signal && { signal }) },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("error", reject);
        answer.on("end", () => {
          const whole = Buffer.concat(chunks);
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            raw: answer.rawHeaders,
            body: whole,
            text: whole.toString(),
          });
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** Writes bytes to a connection as they are and resolves to all that comes back until the server closes it. */
export function sendRaw(port: number, ...parts: (string | Buffer)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, "127.0.0.1", () => {
      for (const part of parts) socket.write(part);
    });
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => resolve(Buffer.concat(chunks).toString("latin1")));
  });
}
