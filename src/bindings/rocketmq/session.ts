import { delay } from "../../delay.ts";
import { BindingError } from "../../errors.ts";
import { CallFailure } from "../../grpc/client.ts";
import { statusCodes, telemetryAnswer } from "./answers.ts";
import type { RocketmqClient } from "./client.ts";
import { callFailure, statusFailure } from "./failures.ts";
import { consumerSettings, heartbeatRequest, terminationRequest } from "./requests.ts";
import type { Resource, Subscription } from "./requests.ts";

export type SessionOptions = {
  readonly group: Resource;
  readonly subscriptions: readonly Subscription[];
  /** Milliseconds. */
  readonly wait: number;
  readonly lost: (reason: unknown) => void;
};

/** Milliseconds, as RocketMQ's own clients have it. */
const heartbeatEvery = 10_000;
/** A stream that lasted so long was ended by what is between here and the proxy. Milliseconds. */
const steady = 10_000;
const pause = 1_000;
const farewell = 2_000;

/** A consumer at one proxy: its settings, which it must tell before it receives, and its sign of life. */
export class ConsumerSession {
  readonly #client: RocketmqClient;
  readonly #options: SessionOptions;
  readonly #ending = new AbortController();
  readonly #heartbeat: NodeJS.Timeout;
  readonly #ready = Promise.withResolvers<void>();

  constructor(client: RocketmqClient, options: SessionOptions) {
    this.#client = client;
    this.#options = options;
    this.#ready.promise.catch(() => undefined);
    this.#heartbeat = setInterval(() => void this.#beat(), heartbeatEvery).unref();
    void this.#run();
  }

  /** Resolves once the proxy has taken the settings. Rejects with a `BindingError`. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    if (this.#ending.signal.aborted) return;
    const options = { what: "taking leave", timeout: farewell };
    const message = terminationRequest(this.#options.group);
    // It is forgotten soon, too, where it does not take leave.
    await this.#client.call("NotifyClientTermination", message, options).catch(() => undefined);
    this.#ending.abort();
  }

  async #run(): Promise<void> {
    for (;;) {
      const begunAt = performance.now();
      const failure = await this.#tell();
      if (this.#ending.signal.aborted) return;
      if (performance.now() - begunAt < steady) {
        this.#ready.reject(failure);
        this.#options.lost(failure);
        return;
      }
      await delay(pause, this.#ending.signal);
    }
  }

  /** Resolves to why the stream has ended. */
  async #tell(): Promise<BindingError> {
    const what = "binding-rocketmq: the consumer's settings";
    const { signal } = this.#ending;
    try {
      const messages = this.#client.stream("Telemetry", this.#settings(), { signal });
      for await (const bytes of messages) {
        const { status, hasSettings } = telemetryAnswer(bytes);
        if (status !== undefined && status.code !== statusCodes.ok && status.code !== 0)
          return statusFailure(status, what);
        if (hasSettings && (await this.#beat())) this.#ready.resolve();
      }
    } catch (error) {
      return error instanceof CallFailure ? callFailure(error, what) : BindingError.from(error);
    }
    return new BindingError("unavailable", "the proxy has ended the consumer's session", {
      effect: "unsent",
    });
  }

  async *#settings(): AsyncGenerator<Uint8Array> {
    const { signal } = this.#ending;
    yield consumerSettings(this.#client.address, this.#options);
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  async #beat(): Promise<boolean> {
    const what = "binding-rocketmq: the consumer's sign of life";
    const { signal } = this.#ending;
    try {
      const message = heartbeatRequest(this.#options.group);
      await this.#client.call("Heartbeat", message, { what, signal });
      return true;
    } catch (error) {
      if (!signal.aborted) {
        this.#ready.reject(error);
        this.#options.lost(error);
      }
      return false;
    }
  }
}
