import { setTimeout as pause } from "node:timers/promises";
import { BindingError } from "../../errors.ts";
import { CallFailure } from "../../grpc/client.ts";
import { Code } from "../../grpc/status.ts";
import type { PubsubClient } from "./pubsub-client.ts";
import { mayPass } from "../../grpc-service/failure.ts";
import { decodeAckFailures, encodeAcknowledge, encodeDeadline } from "./pubsub-messages.ts";

/** What is told together was noted within so many milliseconds. */
const gather = 10;
/** Sooner than that, once so much of what the server gives out at one time is noted: it gives no more until it hears. */
const enough = 1 / 4;
/** A request has 512 KiB at most, an id some 200 bytes. */
const mostIds = 1_000;
/** What may pass is tried again so long, in milliseconds, with pauses that double. */
const patience = 20_000;
const firstPause = 100;
const longestPause = 3_000;
const callTimeout = 10_000;
/** The longest deadline that the server takes, in seconds. */
const longestDeadline = 600;

type Done = (failure?: BindingError) => void;
type Told = { readonly ackId: string; readonly done: Done };

/**
 * Tells a subscription in batches what was handled, what is given back and what is held on to. Each is done once the
 * server has answered; what it refuses for good is `rejected`.
 */
export class Confirmations {
  readonly #client: PubsubClient;
  readonly #subscription: string;
  readonly #acknowledged: Told[] = [];
  readonly #deadlines = new Map<number, Told[]>();
  readonly #running = new Set<Promise<void>>();
  readonly #ended = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #most = mostIds;

  constructor(client: PubsubClient, subscription: string) {
    this.#client = client;
    this.#subscription = subscription;
  }

  /** Tells how many messages the server gives out at one time. */
  expect(messages: number): void {
    this.#most = Math.min(mostIds, Math.max(1, Math.ceil(messages * enough)));
  }

  /** `done` is told when the server has answered. */
  acknowledge(ackId: string, done: Done): void {
    this.#note(this.#acknowledged, { ackId, done });
  }

  /** Holds on to a message for so many seconds from now on; 0 gives it back. */
  deadline(ackId: string, seconds: number): Promise<void> {
    const rounded = Math.max(0, Math.min(longestDeadline, Math.ceil(seconds)));
    let list = this.#deadlines.get(rounded);
    if (list === undefined) this.#deadlines.set(rounded, (list = []));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#note(list, { ackId, done: (failure) => (failure ? reject(failure) : resolve()) });
    return promise;
  }

  /** Sends what was noted, and resolves when all that was sent is answered. Never rejects. */
  async flush(): Promise<void> {
    this.#send();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Gives up what is under way. */
  close(): void {
    clearTimeout(this.#timer);
    this.#ended.abort();
  }

  #note(list: Told[], told: Told): void {
    if (list.push(told) >= this.#most) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), gather);
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const batch of batches(this.#acknowledged.splice(0)))
      this.#start("Acknowledge", batch, (ids) => encodeAcknowledge(this.#subscription, ids));
    for (const [seconds, list] of this.#deadlines)
      for (const batch of batches(list))
        this.#start("ModifyAckDeadline", batch, (ids) =>
          encodeDeadline(this.#subscription, seconds, ids),
        );
    this.#deadlines.clear();
  }

  #start(
    method: string,
    batch: readonly Told[],
    encode: (ackIds: readonly string[]) => Uint8Array,
  ): void {
    const run = this.#tell(method, batch, encode).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  async #tell(
    method: string,
    batch: readonly Told[],
    encode: (ackIds: readonly string[]) => Uint8Array,
  ): Promise<void> {
    const { signal } = this.#ended;
    const giveUp = performance.now() + patience;
    let left = batch;
    for (let wait = firstPause; ; wait = Math.min(2 * wait, longestPause)) {
      const failure = await this.#ask(method, encode(left.map(({ ackId }) => ackId)));
      if (failure === undefined) return tellAll(left);
      left = settled(left, failure);
      if (left.length === 0) return;
      const isOver = signal.aborted || performance.now() > giveUp;
      if (isOver || !isPassing(failure)) return tellAll(left, failure);
      await pause(wait, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  async #ask(method: string, message: Uint8Array): Promise<BindingError | undefined> {
    const what = `${method} of ${this.#subscription}`;
    const route = ["subscription", this.#subscription] as const;
    const options = { what, route, signal: this.#ended.signal, timeout: callTimeout };
    try {
      await this.#client.call(`Subscriber/${method}`, message, options);
      return undefined;
    } catch (error) {
      return BindingError.from(error, "unavailable");
    }
  }
}

function tellAll(told: readonly Told[], failure?: BindingError): void {
  for (const { done } of told) done(failure);
}

/** With exactly-once delivery each id has an answer of its own; what is left may be tried again. */
function settled(batch: readonly Told[], failure: BindingError): readonly Told[] {
  const { cause } = failure;
  const failures = decodeAckFailures(cause instanceof CallFailure ? cause.details : undefined);
  if (failures.size === 0) return batch;
  return batch.filter(({ ackId, done }) => {
    const why = failures.get(ackId);
    if (why === undefined) done();
    else if (why.startsWith("PERMANENT"))
      done(new BindingError("failed_precondition", why, { systemCode: why }));
    else return true;
    return false;
  });
}

/** Another token may help where one has ended. */
function isPassing({ cause, effect }: BindingError): boolean {
  if (!(cause instanceof CallFailure)) return effect === "unsent";
  const isLogin = cause.kind === "failed" && cause.code === Code.unauthenticated;
  return isLogin || mayPass(cause) || decodeAckFailures(cause.details).size > 0;
}

function* batches(list: readonly Told[]): Generator<readonly Told[]> {
  for (let from = 0; from < list.length; from += mostIds) yield list.slice(from, from + mostIds);
}
