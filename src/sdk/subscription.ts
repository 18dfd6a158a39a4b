import { messageOf } from "../errors.ts";
import { CallFailure, type GrpcClient } from "../grpc/client.ts";
import { Code } from "../grpc/status.ts";
import type { EventStream } from "./event-stream.ts";
import { lacksStreams } from "./failure.ts";

const path = "/cufflink.v1.Bindings/SubscribeBindings";
/** A stream that lived shorter, in milliseconds, counts as a failed try: the next one waits longer. */
const steadyAfter = 1000;
/** A runtime that starts beside the app is not worth a word before, in milliseconds. */
const warningDelay = 3000;

export type SubscriptionOptions = {
  readonly client: GrpcClient;
  readonly headers: Readonly<Record<string, string>>;
  /** Makes a stream for what the app wants now; `undefined` while that is nothing. */
  readonly createStream: () => EventStream | undefined;
  /** Told once about each new state of affairs. */
  readonly log: (message: string) => void;
  /** The pause before another try, in milliseconds; it doubles. */
  readonly pause: { readonly first: number; readonly longest: number };
};

/** Keeps an event stream open to a runtime that may be late, restart or go away. */
export class Subscription {
  readonly #options: SubscriptionOptions;
  readonly #open = new Set<EventStream>();
  readonly #unsubscribe: () => void;
  #current: EventStream | undefined;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #complaint: NodeJS.Timeout | undefined;
  #said = "";
  #closed = false;
  #allEnded: (() => void) | undefined;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.#unsubscribe = options.client.connection.onChange(() => this.#begin());
    this.#begin();
  }

  /** Whether a stream is open. */
  get connected(): boolean {
    return this.#current !== undefined;
  }

  /** The app wants other events than before: a new stream takes over, the old one finishes what it has. */
  renew(): void {
    this.#current?.drain();
    this.#current = undefined;
    this.#begin();
  }

  /** Takes no more events and resolves when those that run are handled and settled. */
  async drain(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    clearTimeout(this.#timer);
    clearTimeout(this.#complaint);
    this.#current = undefined;
    for (const stream of this.#open) stream.drain();
    if (this.#open.size > 0) await new Promise<void>((resolve) => (this.#allEnded = resolve));
  }

  #begin(): void {
    const { client, createStream } = this.#options;
    if (this.#closed || this.#current !== undefined || this.#timer !== undefined) return;
    if (!client.connection.ready) {
      this.#complaint ??= setTimeout(() => this.#complain(), warningDelay);
      return;
    }
    const stream = createStream();
    if (stream === undefined) return;
    this.#current = stream;
    this.#open.add(stream);
    void this.#carry(stream);
  }

  async #carry(stream: EventStream): Promise<void> {
    const { client, headers } = this.#options;
    const call = client.stream(path, stream.messages(), { headers });
    call.headers.then(
      (headers) => stream.meet(headers),
      () => undefined,
    );
    let reason = "the runtime ended the stream";
    const steady = setTimeout(() => {
      this.#failures = 0;
      this.#say("");
    }, steadyAfter);
    try {
      for await (const message of call.messages) stream.receive(message);
    } catch (thrown) {
      reason = reasonOf(thrown);
    }
    clearTimeout(steady);
    stream.end(reason);
    this.#open.delete(stream);
    if (this.#open.size === 0) this.#allEnded?.();
    if (this.#current !== stream) return;
    this.#current = undefined;
    if (client.connection.ready) this.#say(reason);
    this.#beginLater();
  }

  #beginLater(): void {
    const { first, longest } = this.#options.pause;
    const pause = Math.min(first * 2 ** this.#failures, longest);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#begin();
      },
      pause * (0.8 + Math.random() * 0.2),
    );
  }

  #complain(): void {
    this.#complaint = undefined;
    const { ready, reason } = this.#options.client.connection;
    if (!ready) this.#say(reason);
  }

  /** Says a reason once, and that all is well again after one. */
  #say(reason: string): void {
    if (reason === this.#said || this.#closed) return;
    const wasWrong = this.#said !== "";
    this.#said = reason;
    if (reason !== "") this.#options.log(`no events for now: ${reason}`);
    else if (wasWrong) this.#options.log("the runtime is there; events come");
  }
}

function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof CallFailure)) return messageOf(thrown);
  if (lacksStreams(thrown)) {
    return "this runtime has no event streams; let the app listen with serve(), and start the runtime with --app-port";
  }
  if (thrown.code === Code.unauthenticated) {
    return `${thrown.message}; put the runtime's DAPR_API_TOKEN into the environment, or give it to createApp as \`token\``;
  }
  return thrown.message;
}
