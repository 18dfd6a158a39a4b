import type { AppProtocol } from "../../src/app/app-protocol.ts";
import { createApp } from "../../src/app/app.ts";
import { defineBinding, type InboundEvent, type Reading } from "../../src/binding.ts";
import type { ComponentSpec } from "../../src/component.ts";
import { BindingError } from "../../src/errors.ts";
import type { MemoryBudget } from "../../src/memory/budget.ts";
import { RuntimeDescription } from "../../src/rpc/description.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import type { RuntimeLogger } from "../../src/runtime/runtime-logger.ts";
import { createStore } from "../../src/store/open-store.ts";
import { createServer } from "../../src/server/server.ts";

export const silent: RuntimeLogger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silent,
};

/** A whole runtime in this process: an output, an input whose events the trial makes, a server, an app. */
export type Fixture = AsyncDisposable & {
  readonly runtime: Runtime;
  readonly port: number;
  /** Resolves to the input once it reads. */
  reading(): Promise<Reading<Record<never, never>>>;
  /** What the output was asked to do. */
  readonly calls: string[];
};

/** Operations of the output; `text` of the metadata is what `fail` says. */
export const operations = ["create", "echo", "fail", "throw"] as const;

export async function startFixture(
  options: {
    app?: { protocol: AppProtocol; port: number };
    /** Of the input. */
    metadata?: Readonly<Record<string, string>>;
    maxBodySize?: number;
    memory?: MemoryBudget;
  } = {},
): Promise<Fixture> {
  const calls: string[] = [];
  let reading = Promise.withResolvers<Reading<Record<never, never>>>();
  const operation = (
    run: (call: { data: Uint8Array | undefined; properties: Readonly<Record<string, string>> }) =>
      | {
          data?: Uint8Array | undefined;
          metadata?: Record<string, string>;
        }
      | undefined,
  ) => ({
    description: "For the fuzzer.",
    request: {},
    async invoke(_: unknown, call: Parameters<typeof run>[0] & { operation: string }) {
      calls.push(call.operation);
      return run(call);
    },
  });
  const output = defineBinding({
    name: "probe",
    status: "alpha",
    summary: "An output of the fuzzer.",
    metadata: {},
    open: () => ({ async [Symbol.asyncDispose]() {} }),
    operations: {
      create: operation(() => undefined),
      echo: operation(({ data, properties }) => ({ data, metadata: { ...properties } })),
      fail: operation(({ properties }) => {
        throw new BindingError("not_found", properties["text"] ?? "there is none", {
          metadata: { ...properties },
          systemCode: properties["code"],
          retryAfter: 1500,
        });
      }),
      throw: operation(({ properties }) => {
        throw new Error(properties["text"] ?? "");
      }),
    },
  });
  const input = defineBinding({
    name: "source",
    status: "alpha",
    summary: "An input of the fuzzer.",
    metadata: {},
    open: () => ({ async [Symbol.asyncDispose]() {} }),
    read(_: AsyncDisposable, one: Reading<Record<never, never>>) {
      reading.resolve(one);
      return {
        stop: () => void (reading = Promise.withResolvers()),
        flush() {},
        close() {},
      };
    },
  });
  const app = await createApp({
    protocol: options.app?.protocol ?? "grpc",
    port: options.app?.port,
    logger: silent,
  });
  // Dead letters and calls with a key of theirs go their whole way.
  const store = createStore({ folder: ":memory:" });
  const runtime = createRuntime({
    appId: "fuzz",
    bindings: [output, input],
    app,
    store,
    logger: silent,
    http: { listen: () => Promise.reject(new Error("nothing is served")) },
  });
  const description = new RuntimeDescription({
    appId: "fuzz",
    version: "0.0.0",
    app: { protocol: "http", address: "127.0.0.1" },
    runtime,
  });
  const server = await createServer({
    runtime,
    description,
    addresses: [{ host: "127.0.0.1", port: 0 }],
    shutdown: () => undefined,
    subscribe: (messages) => app.streams.accept(messages),
    ...(options.maxBodySize !== undefined && { maxBodySize: options.maxBodySize }),
    ...(options.memory !== undefined && { memory: options.memory }),
  });
  await runtime.apply([
    spec("probe", "probe", {}),
    spec("orders", "source", {
      ...{ backOffInitialInterval: "1ms", backOffMaxInterval: "5ms", backOffMaxRetries: "-1" },
      ...options.metadata,
    }),
  ]);
  return {
    runtime,
    port: server.ports[0] ?? 0,
    reading: () => reading.promise,
    calls,
    async [Symbol.asyncDispose]() {
      await runtime.drain(0);
      await app.close();
      await server.close(0);
      await runtime.close();
      await store.close();
    },
  };
}

function spec(name: string, type: string, values: Readonly<Record<string, string>>): ComponentSpec {
  return {
    name,
    type: `bindings.${type}`,
    version: "v1",
    initTimeout: 5000,
    origin: undefined,
    properties: [],
    resolve: async () => ({ values, secrets: [] }),
  };
}

/** Events of the trial, and how often each was settled and how. */
export class Settlements {
  readonly #outcomes = new Map<string, string[]>();

  /** An event whose settlements are kept under its name. */
  event(name: string, facts: Omit<InboundEvent, "settle">): InboundEvent {
    const outcomes: string[] = [];
    this.#outcomes.set(name, outcomes);
    return { ...facts, settle: ({ outcome }) => void outcomes.push(outcome) };
  }

  get open(): string[] {
    return [...this.#outcomes].filter(([, list]) => list.length === 0).map(([name]) => name);
  }

  /** Throws unless each was settled once, as handled. */
  assertAllHandledOnce(): void {
    for (const [name, list] of this.#outcomes) {
      if (list.length === 1 && list[0] === "handled") continue;
      throw new Error(`event ${name} was settled as ${JSON.stringify(list)}`);
    }
  }
}
