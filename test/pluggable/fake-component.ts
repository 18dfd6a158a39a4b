import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { onTestFinished } from "vitest";
import { InputBinding, OutputBinding } from "../../gen/dapr/proto/components/v1/bindings_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";

/** How long a test waits for what is to come: a machine may be slow. */
export const eventually = { timeout: 20_000, interval: 10 };

export type FakeOptions = {
  readonly folder: string;
  /** The socket's file. Default: `queue.sock`. */
  readonly file?: string;
  readonly offers?: readonly ("input" | "output")[];
  /** Default true: `v1alpha`, as Dapr's own SDKs had it for long. */
  readonly reflection?: boolean;
};

type Initialized = {
  readonly direction: "input" | "output";
  readonly instance: string;
  readonly properties: Record<string, string>;
};

type Invoked = {
  readonly operation: string;
  readonly data: string;
  readonly metadata: Record<string, string>;
  readonly instance: string;
};

type Message = { readonly data: Uint8Array; readonly metadata: Record<string, string> };

type Acknowledged = { readonly data: string; readonly error: string | undefined };

/** A folder for sockets, gone after the test. */
export async function socketsFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "cufflink-sockets-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * A pluggable component by Connect's server. As an input it is a queue: a message is gone once it was acknowledged, and
 * is sent again after an error or the end of the stream.
 */
export class FakeComponent {
  readonly inits: Initialized[] = [];
  readonly calls: Invoked[] = [];
  readonly acknowledged: Acknowledged[] = [];
  pings = 0;
  reads = 0;
  /** The acknowledgements' stream ended before the answer was given up. */
  cleanEnds = 0;
  operations: readonly string[] = ["create", "get"];
  onInit: (init: Initialized) => void = () => {};
  onInvoke: (call: Invoked) => object | undefined | Promise<object> = () => undefined;
  onRead: () => void = () => {};
  readonly #options: Required<FakeOptions>;
  readonly #waiting: Message[] = [];
  #wake = Promise.withResolvers<void>();
  #server: Http2Server | undefined;
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(options: FakeOptions) {
    this.#options = {
      file: "queue.sock",
      offers: ["input", "output"],
      reflection: true,
      ...options,
    };
  }

  static async start(options: FakeOptions): Promise<FakeComponent> {
    const fake = new FakeComponent(options);
    onTestFinished(() => fake.crash());
    await fake.listen();
    return fake;
  }

  get socket(): string {
    return join(this.#options.folder, this.#options.file);
  }

  async listen(): Promise<void> {
    await rm(this.socket, { force: true });
    const server = createServer(connectNodeAdapter({ routes: (router) => this.#routes(router) }));
    server.on("session", (session) => {
      this.#sessions.add(session);
      session.once("close", () => this.#sessions.delete(session));
    });
    server.listen(this.socket);
    await once(server, "listening");
    this.#server = server;
  }

  /** Cuts all connections and is gone. What was not acknowledged is kept. */
  async crash(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = server && new Promise((resolve) => server.close(resolve));
    this.cut();
    await closed;
  }

  /** Cuts all connections, and takes new ones. */
  cut(): void {
    for (const session of this.#sessions) session.destroy();
  }

  send(data: Uint8Array | string, metadata: Record<string, string> = {}): void {
    this.#enqueue({ data: Buffer.from(data), metadata });
  }

  #enqueue(message: Message): void {
    this.#waiting.push(message);
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  #routes(router: ConnectRouter): void {
    const { offers, reflection } = this.#options;
    if (offers.includes("input"))
      router.service(InputBinding, {
        init: ({ metadata }, context) => this.#init("input", metadata?.properties, context),
        ping: () => this.#ping(),
        read: (acknowledgements, context) => this.#read(acknowledgements, context),
      });
    if (offers.includes("output"))
      router.service(OutputBinding, {
        init: ({ metadata }, context) => this.#init("output", metadata?.properties, context),
        ping: () => this.#ping(),
        listOperations: () => ({ operations: [...this.operations] }),
        invoke: async ({ data, metadata, operation }, context) => {
          const call = {
            ...{ operation, metadata, data: Buffer.from(data).toString() },
            instance: instanceOf(context),
          };
          this.calls.push(call);
          return (await this.onInvoke(call)) ?? {};
        },
      });
    if (reflection) router.service(ServerReflection, { serverReflectionInfo: listing(offers) });
  }

  #init(
    direction: "input" | "output",
    properties: Record<string, string> = {},
    context: HandlerContext,
  ) {
    const init = { direction, properties, instance: instanceOf(context) };
    this.inits.push(init);
    this.onInit(init);
    return {};
  }

  #ping() {
    this.pings++;
    return {};
  }

  async *#read(
    acknowledgements: AsyncIterable<{
      messageId: string;
      responseData: Uint8Array;
      responseError?: { message: string } | undefined;
    }>,
    { signal }: HandlerContext,
  ) {
    this.reads++;
    this.onRead();
    const sent = new Map<string, Message>();
    const ended = new AbortController();
    const over = (): void => {
      if (ended.signal.aborted) return;
      ended.abort();
      for (const message of sent.values()) this.#enqueue(message);
      sent.clear();
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    };
    signal.addEventListener("abort", over);
    const reading = (async () => {
      for await (const { messageId, responseData, responseError } of acknowledgements) {
        const message = sent.get(messageId);
        sent.delete(messageId);
        const data = Buffer.from(responseData).toString();
        this.acknowledged.push({ data, error: responseError?.message });
        if (responseError !== undefined && message !== undefined) this.#enqueue(message);
      }
      this.cleanEnds++;
    })();
    reading.then(over, over);
    try {
      for (let number = 1; !ended.signal.aborted;) {
        const message = this.#waiting.shift();
        if (message === undefined) {
          await this.#wake.promise;
          continue;
        }
        const messageId = `m${number++}`;
        sent.set(messageId, message);
        yield { ...message, messageId };
      }
    } finally {
      over();
    }
  }
}

function instanceOf({ requestHeader }: HandlerContext): string {
  return requestHeader.get("x-component-instance") ?? "";
}

/** Answers `list_services` alone, which is all that a host asks. */
function listing(offers: readonly string[]) {
  const services = [
    ...["dapr.proto.components.v1.StateStore", ServerReflection.typeName],
    ...(offers.includes("input") ? [InputBinding.typeName] : []),
    ...(offers.includes("output") ? [OutputBinding.typeName] : []),
  ];
  return async function* (
    requests: AsyncIterable<{ messageRequest: { case?: string | undefined } }>,
  ) {
    for await (const { messageRequest } of requests) {
      if (messageRequest.case !== "listServices")
        throw new ConnectError("only services are listed", Code.InvalidArgument);
      yield {
        messageResponse: {
          case: "listServicesResponse" as const,
          value: { service: services.map((name) => ({ name })) },
        },
      };
    }
  };
}
