import { createHash } from "node:crypto";
import type { InboundEvent, Logger } from "../binding.ts";
import { BindingError, messageOf } from "../errors.ts";
import { delay } from "../delay.ts";
import { moreRoom } from "../nats-client/room.ts";
import { messageId, partsOf } from "./envelope.ts";
import type { RelayLink } from "./link.ts";
import { beginEpoch, publish, type Outgoing } from "./publication.ts";
import type { RelayNames } from "./stream.ts";

/** An event on its way into the stream, for whoever keeps account of it. */
export type Hop = {
  readonly trace: Readonly<Record<string, string>>;
  /** The stream has it. */
  stored(reason: string): void;
  returned(reason: string): void;
};

export type WriterOptions = {
  readonly names: RelayNames;
  readonly partitions: number;
  /** The most bytes that the stream holds. */
  readonly maxBytes: number;
  readonly logger: Logger;
  /** The fencing token; `undefined`: several may write. */
  readonly token: number | undefined;
  /** Resolves once there is a connection. Rejects once the signal is aborted. */
  readonly link: (signal: AbortSignal) => Promise<RelayLink>;
  readonly keyOf: (event: InboundEvent) => string | undefined;
  /** Why a publication is not safe though the stream has acknowledged it; `undefined`: it is. */
  readonly unsafe: () => Promise<string | undefined>;
  readonly enter: (event: InboundEvent, source: string) => Hop;
  /** Says why nothing can be published now; empty: nothing is in the way. */
  readonly report: (text: string) => void;
  readonly published: (events: number, duplicates: number) => void;
  /** Another replica writes since. Called once. */
  readonly fenced: () => void;
};

type Held = {
  readonly event: InboundEvent;
  readonly hop: Hop;
  readonly messages: readonly Outgoing[] | undefined;
  readonly partition: number;
  readonly bytes: number;
  timer: NodeJS.Timeout | undefined;
};

/** What is gathered for one publication at most, and what waits for one before the source is asked to wait. */
const most = { messages: 500, bytes: 4 * 1024 * 1024 } as const;
const held = { events: 1_000, bytes: 16 * 1024 * 1024 } as const;
/** For the headers of a message. */
const headerRoom = 1_024;
/** How often a full stream is tried again, in milliseconds. */
const fullPause = 200;
const longestPause = 2_000;
/** One that is too large is so the next time, too. */
const tooLargePause = 60_000;
/** How often it is looked whether publications are durable now, in milliseconds. */
const unsafePause = 500;

/**
 * Takes the events of a source and has the stream store them, in their order: one publication after another, each of all
 * that has come meanwhile. An event is settled once the stream has it.
 */
export class RelayWriter {
  readonly #options: WriterOptions;
  readonly #ended = new AbortController();
  #queue: Held[] = [];
  #bytes = 0;
  #epoch: number | undefined;
  #isFenced = false;
  #isStopping = false;
  #running: Promise<void> | undefined;
  #room: (() => void)[] = [];
  /** Events without a key are spread over the partitions. */
  #next = 0;
  #limit = 1024 * 1024;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Becomes the one that writes. Rejects with a `BindingError`; `aborted`: another one does. */
  async begin(signal: AbortSignal): Promise<void> {
    const { link, names, token } = this.#options;
    const current = await link(signal);
    this.#limit = current.largestMessage;
    if (token !== undefined) this.#epoch = await beginEpoch(current, names, token);
  }

  /** Takes events, and resolves when there is room for more. */
  async deliver(events: readonly InboundEvent[], source = ""): Promise<void> {
    for (const event of events) this.#enter(event, source);
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
    while (this.#isCrowded) await new Promise<void>((resolve) => this.#room.push(resolve));
  }

  /** Takes nothing more; resolves once what is being published has ended. The rest is returned. */
  async stop(deadline: number): Promise<void> {
    this.#isStopping = true;
    const timer = setTimeout(() => this.#ended.abort(), deadline);
    await this.#running;
    clearTimeout(timer);
    this.#ended.abort();
    this.#returnAll("the runtime stops");
  }

  get #isCrowded(): boolean {
    const isOver = this.#isStopping || this.#isFenced || this.#ended.signal.aborted;
    return !isOver && (this.#queue.length >= held.events || this.#bytes >= held.bytes);
  }

  #enter(event: InboundEvent, source: string): void {
    const hop = this.#options.enter(event, source);
    const partition = this.#partitionOf(event);
    let messages: Outgoing[] | undefined;
    try {
      messages = this.#messagesOf(event, hop, partition);
    } catch (error) {
      // Nothing can be done about it: it stays with its source, and is said.
      const reason = messageOf(error);
      this.#options.logger.error({ event: event.id, reason }, "an event cannot be relayed");
      this.#options.report(reason);
    }
    const bytes = messages?.reduce((sum, { data }) => sum + data.length, 0) ?? 0;
    const one: Held = { event, hop, messages, partition, bytes, timer: undefined };
    if (messages === undefined)
      return this.#return(one, "it is too large to be relayed", tooLargePause);
    if (this.#isFenced || this.#isStopping) return this.#return(one, "it is not relayed any more");
    this.#queue.push(one);
    this.#bytes += bytes;
    this.#keep(one);
  }

  #messagesOf(event: InboundEvent, hop: Hop, partition: number): Outgoing[] {
    const subject = this.#options.names.subject(partition);
    const id = messageId(event);
    const parts = partsOf(event, hop.trace, this.#limit - headerRoom);
    const bytes = parts.reduce((sum, { length }) => sum + length + headerRoom, headerRoom);
    if (bytes > this.#options.maxBytes) {
      const text = `an event of ${bytes} bytes cannot be relayed: the stream holds ${this.#options.maxBytes}; make relayMaxBytes larger`;
      throw new BindingError("resource_exhausted", text);
    }
    return parts.map((data, index) => (index === 0 ? { subject, data, id } : { subject, data }));
  }

  #partitionOf(event: InboundEvent): number {
    const { keyOf, partitions } = this.#options;
    const key = keyOf(event);
    if (key === undefined) return this.#next++ % partitions;
    return createHash("sha1").update(key).digest().readUInt32BE(0) % partitions;
  }

  /** Renews the lease of an event that waits. */
  #keep(one: Held): void {
    const { lease } = one.event;
    if (lease?.extend === undefined) return;
    const { duration, extend } = lease;
    one.timer = setInterval(() => {
      extend().catch((error: unknown) => {
        const facts = { event: one.event.id, reason: messageOf(error) };
        this.#options.logger.warn(
          facts,
          "a lease was not renewed; its source may deliver the event again",
        );
      });
    }, duration / 3);
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (this.#queue.length > 0 && !this.#ended.signal.aborted && !this.#isFenced) {
      const unsafe = await this.#options.unsafe();
      if (unsafe !== undefined) {
        this.#options.report(unsafe);
        if (!(await this.#rest(unsafePause))) break;
        continue;
      }
      this.#dropRevoked();
      const batch = this.#gather();
      if (batch.length === 0) break;
      try {
        const isStored = await this.#publish(batch);
        failures = 0;
        if (isStored) this.#options.report("");
        else if (!this.#isFenced && !(await this.#rest(fullPause))) break;
      } catch (error) {
        if (this.#ended.signal.aborted) break;
        const reason = messageOf(error);
        failures++;
        if (failures > 1) this.#options.report(`events wait to be relayed: ${reason}`);
        if (!(await this.#rest(Math.min(longestPause, 50 * 2 ** failures)))) break;
      }
    }
    if (this.#isFenced || this.#ended.signal.aborted) this.#returnAll("it is not relayed any more");
  }

  /** What its source wants no more is not published. */
  #dropRevoked(): void {
    const revoked = this.#queue.filter(({ event }) => event.revoked?.aborted);
    if (revoked.length === 0) return;
    this.#leave(revoked);
    for (const one of revoked) this.#return(one, "revoked by its source");
  }

  #gather(): readonly Held[] {
    let [messages, bytes, count] = [0, 0, 0];
    for (const one of this.#queue) {
      messages += one.messages?.length ?? 0;
      bytes += one.bytes;
      if (count > 0 && (messages > most.messages || bytes > most.bytes)) break;
      count++;
    }
    return this.#queue.slice(0, count);
  }

  /** False: nothing more is stored now, which is said. */
  async #publish(batch: readonly Held[]): Promise<boolean> {
    const { link, names } = this.#options;
    const current = await link(this.#ended.signal);
    const messages = batch.flatMap((one) => one.messages ?? []);
    const result = await publish(current, names, messages, this.#epoch);
    const [only] = batch;
    switch (result.kind) {
      case "stored":
        this.#settle(batch, result.sequence);
        return true;
      case "duplicate":
        if (batch.length === 1) {
          this.#settle(batch, undefined);
          return true;
        }
        // Which one it is the server does not say.
        for (const one of batch) if (!(await this.#publish([one]))) return false;
        return true;
      case "full":
        if (batch.length > 1 && only !== undefined) return this.#publish([only]);
        this.#options.report(
          result.noRoom === undefined
            ? "the relay is full: its source waits until events were delivered"
            : `the NATS servers have no room for what is relayed (${result.noRoom}): the source waits; ${moreRoom}`,
        );
        return false;
      case "fenced":
        this.#isFenced = true;
        this.#options.fenced();
        return false;
    }
  }

  /** `sequence`: of the last message; `undefined`: it was there already. */
  #settle(batch: readonly Held[], sequence: number | undefined): void {
    this.#leave(batch);
    this.#options.published(batch.length, sequence === undefined ? batch.length : 0);
    const place = sequence === undefined ? "it was there already" : `up to sequence ${sequence}`;
    for (const { event, hop, partition } of batch) {
      event.settle({ outcome: "handled" });
      hop.stored(`stored in the relay, partition ${partition}, ${place}`);
    }
  }

  #leave(batch: readonly Held[]): void {
    const gone = new Set(batch);
    this.#queue = this.#queue.filter((one) => !gone.has(one));
    for (const one of batch) {
      clearInterval(one.timer);
      this.#bytes -= one.bytes;
    }
    if (!this.#isCrowded) for (const resolve of this.#room.splice(0)) resolve();
  }

  #returnAll(reason: string): void {
    const rest = this.#queue;
    this.#leave(rest);
    for (const one of rest) this.#return(one, reason);
  }

  #return({ event, hop }: Held, reason: string, after?: number): void {
    const settlement = { outcome: "returned", reason, unattempted: true } as const;
    event.settle(after === undefined ? settlement : { ...settlement, after });
    hop.returned(reason);
  }

  /** False: it is over. */
  async #rest(milliseconds: number): Promise<boolean> {
    await delay(milliseconds, this.#ended.signal);
    return !this.#ended.signal.aborted && !this.#isStopping;
  }
}

/** Whether another replica writes. */
export function isFenced(error: unknown): boolean {
  return error instanceof BindingError && error.reason === "aborted";
}
