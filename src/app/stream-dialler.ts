import { messageOf } from "../errors.ts";
import { longestTimer } from "../metadata/duration.ts";
import type { AnswerLimits } from "../grpc/answer-room.ts";
import { CallFailure, type GrpcClient } from "../grpc/client.ts";
import { Code } from "../grpc/status.ts";
import { createStream } from "./create-stream.ts";
import type { EventStreams } from "./event-streams.ts";

export type StreamDiallerOptions = {
  readonly client: GrpcClient;
  readonly streams: EventStreams;
  /** Sent with the call: the app's token. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of one reply. */
  readonly answers: AnswerLimits;
  /** Milliseconds after which an app that has not subscribed is asked no longer. */
  readonly timeout: number;
  /** Whether the app's health checks, if there are any, succeed. */
  readonly isHealthy: () => boolean;
  /** Called when {@link StreamDialler.unary} has changed. */
  readonly onChange: () => void;
};

/** Apps that say neither yes nor no get their events one by one after this long, in milliseconds. */
const streamTimeout = 250;
/** What a message may have beside one reply of the largest size: settlements of other events, and credit. */
const settlementBytes = 1024 * 1024;
const path = "/cufflink.v1.AppCallback/OnBindingEvents";
/** The pause before a stream that has ended is dialled again on the same connection; it doubles. Milliseconds. */
const pauses = { first: 50, longest: 1000 };

/**
 * Asks an app that listens, on each connection to it, for an event stream. One that fails before the
 * app has settled anything makes that connection a unary one.
 */
export class StreamDialler {
  readonly #options: StreamDiallerOptions;
  /** The connection that was found to be unary. */
  #unary: number | undefined;
  /** The connection that was asked last. */
  #asked = 0;
  #closed = false;

  constructor(options: StreamDiallerOptions) {
    this.#options = options;
    const { connection } = options.client;
    connection.onChange(() => this.#look());
    this.#look();
  }

  /** Whether events go to the app one by one, on the present connection. */
  get unary(): boolean {
    return this.#unary === this.#options.client.connection.generation;
  }

  close(): void {
    this.#closed = true;
  }

  #look(): void {
    const { ready, generation } = this.#options.client.connection;
    if (!ready || generation === this.#asked) return;
    this.#asked = generation;
    void this.#run(generation);
  }

  async #run(generation: number): Promise<void> {
    const { client } = this.#options;
    const isCurrent = (): boolean =>
      !this.#closed && client.connection.ready && client.connection.generation === generation;
    for (let pause = pauses.first; isCurrent(); pause = Math.min(pause * 2, pauses.longest)) {
      const hadSettled = await this.#stream(generation);
      if (!hadSettled) return this.#goUnary(generation);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  #goUnary(generation: number | undefined): void {
    if (this.#unary === generation) return;
    this.#unary = generation;
    this.#options.onChange();
  }

  /** Resolves when the stream has ended, to whether the app has settled anything on it. */
  async #stream(generation: number): Promise<boolean> {
    const { client, streams, headers, answers, timeout, isHealthy } = this.#options;
    const stream = createStream(streams, { isAvailable: isHealthy });
    const { maxBytes, setting } = answers;
    const maxMessageBytes = maxBytes + settlementBytes;
    const call = client.stream(path, stream.batches(), {
      headers: { ...headers, "cufflink-max-reply-bytes": String(maxBytes) },
      maxMessageBytes,
    });
    let subscribed = false;
    const unsure = setTimeout(() => this.#goUnary(generation), streamTimeout);
    const giveUp = (): void => call.cancel("the app did not subscribe in time");
    const late = setTimeout(giveUp, Math.min(timeout, longestTimer));
    let reason = "the app ended its event stream";
    let properly = false;
    try {
      for await (const message of call.messages) {
        stream.take(message);
        if (subscribed) continue;
        subscribed = true;
        clearTimeout(unsure);
        clearTimeout(late);
        streams.join(stream);
        this.#goUnary(undefined);
      }
      properly = true;
    } catch (error) {
      const isTooLarge = error instanceof CallFailure && error.code === Code.resourceExhausted;
      const hint = isTooLarge && setting !== undefined ? `; see ${setting}` : "";
      reason = `the app's event stream broke: ${messageOf(error)}${hint}`;
    } finally {
      clearTimeout(unsure);
      clearTimeout(late);
      call.cancel(reason);
      streams.leave(stream, reason, properly);
    }
    return stream.hasSettled;
  }
}
