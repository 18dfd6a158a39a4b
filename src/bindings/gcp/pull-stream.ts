import { setTimeout as pause } from "node:timers/promises";
import type { GrpcStream } from "../../grpc/client.ts";
import type { PubsubClient } from "./pubsub-client.ts";
import { decodeStreamAnswer, encodeOpening, type StreamAnswer } from "./pubsub-messages.ts";

export type PullStreamOptions = {
  readonly subscription: string;
  readonly clientId: string;
  readonly maxMessages: number;
  /** Seconds. */
  readonly ackDeadline: number;
};

/** Bytes that the server has out at one time; a message has 10 MB at most. */
const maxBytes = 64 * 1024 * 1024;
/** Milliseconds between signs of life: what is between here and there ends what is silent. */
const heartbeat = 30_000;
/** So long, in milliseconds, the server may take to end a stream that is ended here. */
const endTimeout = 1_000;
const empty = new Uint8Array();

/** One StreamingPull. */
export class PullStream {
  readonly maxMessages: number;
  readonly #client: PubsubClient;
  readonly #options: PullStreamOptions;
  readonly #openedAt = performance.now();
  readonly #over = new AbortController();
  #call: GrpcStream | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isReplaced = false;
  #isCancelled = false;

  constructor(client: PubsubClient, options: PullStreamOptions) {
    this.#client = client;
    this.#options = options;
    this.maxMessages = options.maxMessages;
  }

  /** Milliseconds since it was opened. */
  get age(): number {
    return performance.now() - this.#openedAt;
  }

  /** It was ended here, for another one with more room. */
  get isReplaced(): boolean {
    return this.#isReplaced;
  }

  /** What comes, to the end. Throws a `CallFailure`. */
  async *answers(): AsyncGenerator<StreamAnswer> {
    const route = ["subscription", this.#options.subscription] as const;
    const call = await this.#client.stream("Subscriber/StreamingPull", this.#requests(), { route });
    this.#call = call;
    if (this.#isCancelled) call.cancel();
    try {
      for await (const bytes of call.messages) yield decodeStreamAnswer(bytes);
    } catch (error) {
      if (!this.#over.signal.aborted) throw error;
    } finally {
      clearTimeout(this.#timer);
      this.#over.abort();
    }
  }

  replace(): void {
    this.#isReplaced = true;
    this.end();
  }

  /** Asks for no more; what is on its way still comes. */
  end(): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#timer = setTimeout(() => this.cancel(), endTimeout).unref();
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#over.abort();
    this.#call?.cancel();
  }

  async *#requests(): AsyncGenerator<Uint8Array> {
    yield encodeOpening({ ...this.#options, maxBytes });
    const { signal } = this.#over;
    for (;;) {
      await pause(heartbeat, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      yield empty;
    }
  }
}
