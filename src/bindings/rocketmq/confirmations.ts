import { setTimeout as pause } from "node:timers/promises";
import { BindingError } from "../../errors.ts";
import { ackAnswer, invisibleAnswer, statusCodes } from "./answers.ts";
import type { RocketmqClient } from "./client.ts";
import { statusFailure } from "./failures.ts";
import type { Held } from "./held-messages.ts";
import { ackRequest, deadLetterRequest, invisibleRequest } from "./requests.ts";
import type { Resource } from "./requests.ts";

/** What was handled within so many milliseconds is acknowledged together. */
const gather = 10;
const mostEntries = 32;
const callTimeout = 10_000;
/** What may pass is tried again so long, in milliseconds, with pauses that double. */
const patience = 20_000;
const firstPause = 100;
const longestPause = 3_000;
/** The shortest time that is asked for. Milliseconds. */
const soonest = 1;

type Acknowledged = { readonly held: Held; readonly done: (failure?: BindingError) => void };

/** Tells the brokers what was handled, what is given back, and what is held on to. */
export class Confirmations {
  readonly #group: Resource;
  readonly #running = new Set<Promise<void>>();
  readonly #ended = new AbortController();
  #acknowledged: Acknowledged[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(group: Resource) {
    this.#group = group;
  }

  /** `done` is told when the broker has it; a failure that is `rejected`: it will come again. */
  acknowledge(held: Held, done: Acknowledged["done"]): void {
    if (this.#acknowledged.push({ held, done }) >= mostEntries) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), gather);
  }

  /** Hides a message for so many milliseconds from now on. Rejects with a `BindingError`. */
  hideFor(held: Held, milliseconds: number): Promise<void> {
    const { topic, client } = held;
    const before = held.changing ?? Promise.resolve();
    const change = before
      .catch(() => undefined)
      .then(async () => {
        const time = Math.max(soonest, Math.round(milliseconds));
        const message = invisibleRequest(this.#group, topic, held, time);
        const options = { what: "the message's time", timeout: callTimeout };
        try {
          const answer = await client.call("ChangeInvisibleDuration", message, options);
          const receipt = invisibleAnswer(answer);
          if (receipt !== "") held.receipt = ownReceipt(receipt);
        } catch (error) {
          if (BindingError.from(error).effect === "ambiguous") held.isUncertain = true;
          throw error;
        }
      });
    const settled = change
      .catch(() => undefined)
      .finally(() => {
        if (held.changing === settled) held.changing = undefined;
        this.#running.delete(settled);
      });
    held.changing = settled;
    this.#running.add(settled);
    return change;
  }

  /** Moves a message that is none to the group's dead letters. Rejects with a `BindingError`. */
  async moveToDeadLetters(held: Held, attempt: number): Promise<void> {
    const message = deadLetterRequest(this.#group, held.topic, { ...held, attempt });
    const options = { what: "moving a message to the dead letters", timeout: callTimeout };
    await held.client.call("ForwardMessageToDeadLetterQueue", message, options);
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

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batches = new Map<RocketmqClient, Map<string, Acknowledged[]>>();
    for (const one of this.#acknowledged.splice(0)) {
      const { client, topic } = one.held;
      const topics = batches.get(client) ?? new Map<string, Acknowledged[]>();
      batches.set(client, topics);
      const list = topics.get(topic.name) ?? [];
      topics.set(topic.name, list);
      list.push(one);
    }
    for (const [client, topics] of batches)
      for (const list of topics.values())
        for (let at = 0; at < list.length; at += mostEntries) {
          const batch = list.slice(at, at + mostEntries);
          const run = this.#tell(client, batch).finally(() => this.#running.delete(run));
          this.#running.add(run);
        }
  }

  async #tell(client: RocketmqClient, batch: readonly Acknowledged[]): Promise<void> {
    for (const { held } of batch) await held.changing;
    const { signal } = this.#ended;
    const giveUp = performance.now() + patience;
    let left = batch;
    for (let wait = firstPause; ; wait = Math.min(2 * wait, longestPause)) {
      const { kept, failure } = await this.#ask(client, left);
      if (kept.length === 0) return;
      left = kept;
      if (signal.aborted || performance.now() > giveUp || failure.effect === "rejected") {
        for (const { done } of left) done(failure);
        return;
      }
      await pause(wait, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** Asks once. What is left was not done, for the reason. */
  async #ask(
    client: RocketmqClient,
    batch: readonly Acknowledged[],
  ): Promise<{ readonly kept: readonly Acknowledged[]; readonly failure: BindingError }> {
    const [first] = batch;
    const what = "acknowledging messages";
    let failure = new BindingError("internal", `${what}: the answer names no status`);
    if (first === undefined) return { kept: [], failure };
    const entries = batch.map(({ held }) => held);
    const message = ackRequest(this.#group, first.held.topic, entries);
    const options = { what, signal: this.#ended.signal, timeout: callTimeout };
    try {
      const statuses = ackAnswer(await client.call("AckMessage", message, options, true));
      const kept = batch.filter(({ held, done }) => {
        const status = statuses.get(held.receipt);
        if (status === undefined || status.code === statusCodes.ok) {
          done();
          return false;
        }
        const refused = statusFailure(status, what);
        if (refused.effect === "rejected") {
          done(refused);
          return false;
        }
        failure = refused;
        return true;
      });
      return { kept, failure };
    } catch (error) {
      return { kept: batch, failure: BindingError.from(error, "unavailable") };
    }
  }
}

/**
 * The receipt of a message whose time was changed. A proxy that has its broker in itself (5.3.3) answers the place of
 * the first message that had come with it, where the broker looks for the message's own: an acknowledgement with that
 * does nothing, and the message comes again.
 */
export function ownReceipt(receipt: string): string {
  return receipt.replace(/^\d+( \d+ \d+ \d+ \d+ \S+ \d+ (\d+) .*)$/, "$2$1");
}
