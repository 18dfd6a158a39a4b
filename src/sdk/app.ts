import { checkCount } from "../check-count.ts";
import { BindingError } from "../errors.ts";
import { GrpcClient } from "../grpc/client.ts";
import { defaultEndpoint, endpointForms, parseEndpoint } from "../grpc/endpoint.ts";
import { defaultMemoryBudget } from "../memory/budget.ts";
import { CallbackServer } from "./callback-server.ts";
import type { BindingEventHandler } from "../handler/event.ts";
import { EventStream } from "./event-stream.ts";
import type { InvokeAnswer, InvokeOptions } from "./invocation.ts";
import { Invoker } from "./invoker.ts";
import { RunningHandlers } from "./running-handlers.ts";
import { Subscription } from "./subscription.ts";
import { WorkerPool } from "./worker-pool.ts";

/** All of it may be left out. */
export type AppOptions = {
  /**
   * The runtime's gRPC endpoint: `host:port`, `https://host:port` for TLS, or `unix:path` of its socket, relative to
   * where the process is now. Default `DAPR_GRPC_ENDPOINT`, else `127.0.0.1:$DAPR_GRPC_PORT`, else port 50001.
   */
  readonly runtime?: string;
  /** PEM: speaks TLS, and trusts the certificates of this authority alone. */
  readonly ca?: string | undefined;
  /** Speaks TLS, and trusts whatever certificate the runtime shows. Default false. */
  readonly insecure?: boolean;
  /** Sent to the runtime as `dapr-api-token`. Default `DAPR_API_TOKEN`. */
  readonly token?: string | undefined;
  /** The most events that are handled at one time. Default 64. */
  readonly concurrency?: number;
  /**
   * The most events that the app holds of one stream, being handled or waiting for their turn. Default 16
   * times the concurrency.
   */
  readonly window?: number;
  /** Told what goes wrong between app and runtime, and that it is well again. Default: standard error. */
  readonly log?: (message: string) => void;
};

export type ServeOptions = {
  /** 0: any that is free. Default `APP_PORT`. */
  readonly port?: number;
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** What the runtime sends as `dapr-api-token`; calls without it are refused. Default `APP_API_TOKEN`. */
  readonly token?: string | undefined;
  /**
   * The most bytes of events that are on their way into the app or handled by unary calls, together; further calls
   * are answered UNAVAILABLE. Default 256 MiB.
   */
  readonly memory?: number;
};

/** An app that gets events of bindings and invokes bindings. */
export type BindingApp = AsyncDisposable & {
  /**
   * Handles the events of an input. At any time. Throws a `BindingError` when the input has a handler already. A
   * name that no input has is told to `log`, with the nearest one, once the runtime is there.
   */
  on(binding: string, handler: BindingEventHandler): BindingApp;
  /**
   * Runs an operation of an output, in order of nothing. Rejects with a `BindingError`: its `effect` tells
   * whether repeating is safe, its `retryAfter` when. While the runtime is not there it waits, as long as
   * its `timeout` allows.
   */
  invoke(component: string, operation: string, options?: InvokeOptions): Promise<InvokeAnswer>;
  /**
   * Dials the runtime and takes events from now on. Resolves at once: a runtime that is late, restarts or goes
   * away is waited for.
   */
  start(): Promise<void>;
  /**
   * Listens on a port for a runtime with `--app-port` to dial, and takes events from now on. Also answers Dapr's
   * unary calls, so it works behind daprd. Rejects with a `BindingError` when the port cannot be had.
   */
  serve(options?: ServeOptions): Promise<{ readonly port: number }>;
  /** Whether events can come now. */
  readonly connected: boolean;
  /**
   * Takes no more events, finishes and settles those being handled for at most `deadline` ms (default 30,000),
   * then ends everything. What was not finished is delivered again. Called again: the same closing.
   */
  close(options?: { readonly deadline?: number }): Promise<void>;
};

/** Makes an app. Throws a `BindingError` for options that cannot be meant. */
export function createApp(options: AppOptions = {}): BindingApp {
  return new App(options);
}

const defaultConcurrency = 64;
const mostNotices = 1000;

class App implements BindingApp {
  readonly #client: GrpcClient;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #invoker: Invoker;
  readonly #handlers = new Map<string, BindingEventHandler>();
  readonly #pool: WorkerPool;
  readonly #stillRunning = new RunningHandlers();
  readonly #window: number;
  readonly #log: (message: string) => void;
  /** What the runtime has said about the app's subscription. */
  readonly #notices = new Set<string>();
  #subscription: Subscription | undefined;
  #server: Promise<CallbackServer> | undefined;
  #listening: CallbackServer | undefined;
  #renewal: NodeJS.Immediate | undefined;
  #keepAlive: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: AppOptions) {
    const { concurrency = defaultConcurrency, window = 16 * concurrency } = options;
    checkCount("concurrency", concurrency);
    checkCount("window", window);
    const token = options.token ?? process.env["DAPR_API_TOKEN"];
    this.#headers = token ? { "dapr-api-token": token } : {};
    this.#pool = new WorkerPool(concurrency);
    this.#window = window;
    this.#log = options.log ?? logToStandardError;
    this.#client = new GrpcClient({ ...serverOf(options), userAgent: "cufflink-app" });
    this.#invoker = new Invoker(this.#client, this.#headers);
  }

  get connected(): boolean {
    return this.#subscription?.connected === true || this.#listening?.connected === true;
  }

  on(binding: string, handler: BindingEventHandler): this {
    if (typeof handler !== "function") {
      const text = `the handler of ${binding} is no function but ${typeof handler}`;
      throw new BindingError("invalid_argument", text);
    }
    if (this.#handlers.has(binding)) {
      const text = `the app has a handler for ${binding} already; an input has one handler`;
      throw new BindingError("already_exists", text);
    }
    this.#handlers.set(binding, handler);
    // Several calls in a row are one new subscription.
    const begun = this.#subscription !== undefined || this.#server !== undefined;
    if (begun) {
      this.#renewal ??= setImmediate(() => {
        this.#renewal = undefined;
        this.#subscription?.renew();
        this.#listening?.renew();
      });
    }
    return this;
  }

  invoke(component: string, operation: string, options: InvokeOptions = {}): Promise<InvokeAnswer> {
    return this.#invoker.invoke(component, operation, options);
  }

  async start(): Promise<void> {
    this.#refuseWhenClosed();
    this.#keepRunning();
    this.#subscription ??= new Subscription({
      client: this.#client,
      headers: this.#headers,
      createStream: () => this.#createStream(),
      log: this.#log,
      pause: { first: 100, longest: 5000 },
    });
  }

  async serve(options: ServeOptions = {}): Promise<{ readonly port: number }> {
    this.#refuseWhenClosed();
    if (this.#server !== undefined) {
      throw new BindingError(
        "failed_precondition",
        "serve() was called before: the app listens already",
      );
    }
    const { host = "127.0.0.1", port = Number(process.env["APP_PORT"] || "-1") } = options;
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      throw new BindingError(
        "invalid_argument",
        "no port to listen on; give serve() a `port`, or put APP_PORT into the environment",
      );
    }
    const { memory = defaultMemoryBudget } = options;
    checkCount("memory", memory);
    this.#server = CallbackServer.listen({
      memory,
      ...{ host, port, token: options.token ?? process.env["APP_API_TOKEN"] ?? "" },
      bindings: () => [...this.#handlers.keys()],
      handlerOf: (binding) => this.#handlers.get(binding),
      createStream: () => this.#createStream(),
      pool: this.#pool,
    });
    try {
      this.#listening = await this.#server;
      return { port: this.#listening.port };
    } catch (error) {
      this.#server = undefined;
      throw error;
    }
  }

  close({ deadline = 30_000 }: { readonly deadline?: number } = {}): Promise<void> {
    return (this.#closing ??= this.#close(deadline));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(deadline: number): Promise<void> {
    clearImmediate(this.#renewal);
    const server = await this.#server?.catch(() => undefined);
    const drained = Promise.all([this.#subscription?.drain(), server?.drain()]);
    await within(drained, deadline);
    server?.close();
    this.#invoker.close();
    await this.#client.close();
    clearInterval(this.#keepAlive);
  }

  #refuseWhenClosed(): void {
    if (this.#closing === undefined) return;
    throw new BindingError("failed_precondition", "the app was closed; make another one");
  }

  #createStream(): EventStream | undefined {
    // To the runtime no name at all means every input, so an app without a handler asks for nothing.
    if (this.#handlers.size === 0) return undefined;
    return new EventStream({
      bindings: [...this.#handlers.keys()],
      handlerOf: (binding) => this.#handlers.get(binding),
      window: this.#window,
      pool: this.#pool,
      stillRunning: this.#stillRunning,
      onNotice: (notice) => this.#notify(notice),
    });
  }

  /** Each stream is told of the same again. */
  #notify(notice: string): void {
    if (this.#notices.has(notice) || this.#notices.size >= mostNotices) return;
    this.#notices.add(notice);
    this.#log(notice);
  }

  /** A connection that is being made anew does not keep the process running, and an app that waits for one should. */
  #keepRunning(): void {
    this.#keepAlive ??= setInterval(() => {}, 2 ** 30);
  }
}

/** Resolves when the promise does, or after so many milliseconds. */
async function within(promise: Promise<unknown>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.min(milliseconds, 2 ** 31 - 1));
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}

function serverOf({ runtime = defaultEndpoint(process.env), ca, insecure = false }: AppOptions) {
  if (ca !== undefined && insecure) {
    const text = "`ca` and `insecure` contradict each other; give one of them";
    throw new BindingError("invalid_argument", text);
  }
  const endpoint = parseEndpoint(runtime, ca !== undefined || insecure);
  if (endpoint === undefined || endpoint.prefix !== "") {
    throw new BindingError(
      "invalid_argument",
      `cannot dial "${runtime}"; give the runtime's gRPC endpoint as ${endpointForms}`,
    );
  }
  const { secure, prefix: _, ...address } = endpoint;
  return { ...address, tls: secure ? { verify: !insecure, ca } : undefined };
}

function logToStandardError(message: string): void {
  process.stderr.write(`cufflink/app: ${message}\n`);
}
