import { setImmediate as turn } from "node:timers/promises";
import type { InboundEvent, Reader, Reading, Settlement } from "../../../binding.ts";
import { BindingError } from "../../../errors.ts";
import { longestTimer } from "../../../metadata/duration.ts";
import type { GroupCommands } from "./commands.ts";
import {
  compareIds,
  eventOf,
  sizeOf,
  type Entries,
  type Shape,
  type StreamEntry,
} from "./entries.ts";
import type { streamFields } from "./fields.ts";
import type { UnacknowledgedEntries } from "./unacknowledged-entries.ts";

/** The longest wait of the server for new entries, in milliseconds. */
const longestBlock = 1_000;
/** The most bytes that are asked for at one time, as far as that can be told before. */
const mostBytes = 8 * 1024 * 1024;
const mostEntries = 500;
/** The most entries that one command acknowledges. */
const mostAtOnce = 1_000;
const firstEntries = 8;

export type ReaderParts = {
  readonly reading: Reading<typeof streamFields>;
  /** On the connection that all share. */
  readonly commands: GroupCommands;
  /** On one of the reader's own, which waits. */
  readonly waiting: GroupCommands;
  /** Has the reader's own connection wait no more, where that can be. */
  readonly unblock: () => Promise<void>;
  /** Ends the reader's own connection. */
  readonly disconnect: () => Promise<void>;
  readonly consumer: string;
  readonly unacknowledged: UnacknowledgedEntries;
};

/** A consumer of a group: first what it had before, then what others left, and what is new. */
export class GroupReader implements Reader {
  readonly #parts: ReaderParts;
  readonly #unacknowledged: UnacknowledgedEntries;
  readonly #shape: Shape;
  readonly #ended = new AbortController();
  /** Returned, and to come again after a pause: its timer, by the entry's id. */
  readonly #pauses = new Map<string, NodeJS.Timeout>();
  #credit: number;
  #room = Promise.withResolvers<void>();
  #claimAt = 0;
  #cursor = "0-0";
  /** How many entries are asked for at most, by how large they were. */
  #batch = firstEntries;
  #scheduled = false;
  #acknowledging: Promise<void> = Promise.resolve();
  /** Returned while the reading ends: they are to be claimed by others at once. */
  readonly #released: string[] = [];
  #running: Promise<void> = Promise.resolve();
  #missed = 0;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
    this.#unacknowledged = parts.unacknowledged;
    this.#credit = parts.reading.maxInFlight;
    const { stream, consumerGroup: group, dataField, keyField } = parts.reading.metadata;
    this.#shape = { stream, group, consumer: parts.consumer, dataField, keyField };
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => this.#fail(error));
  }

  credit(events: number): void {
    this.#credit = events;
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    this.#wake();
    for (const timer of this.#pauses.values()) clearTimeout(timer);
    // What is under way may still come.
    await this.#parts.unblock();
    await this.#running;
  }

  async flush(): Promise<void> {
    this.#acknowledge();
    await this.#acknowledging;
    const released = this.#released.splice(0);
    if (released.length > 0)
      await this.#parts.commands.touch(released, this.#parts.reading.metadata.claimAfter);
    if (this.#unacknowledged.handled.size > 0)
      throw new BindingError("unavailable", "the acknowledgements were not confirmed");
  }

  async close(): Promise<void> {
    this.#ended.abort();
    this.#wake();
    for (const timer of this.#pauses.values()) clearTimeout(timer);
    await this.#parts.disconnect();
    // What is unsettled stays pending under this consumer's name.
    this.#unacknowledged.open.clear();
  }

  get #isEnding(): boolean {
    return this.#ended.signal.aborted;
  }

  async #run(): Promise<void> {
    const { reading, waiting } = this.#parts;
    const { readTimeout } = reading.metadata;
    if (this.#unacknowledged.handled.size > 0) {
      this.#acknowledge();
      await this.#acknowledging;
    }
    await this.#readPending();
    this.#claimAt = performance.now();
    const limit =
      readTimeout > 0 ? readTimeout : readTimeout < 0 ? Number.POSITIVE_INFINITY : 3_000;
    const block = Math.max(1, Math.min(longestBlock, Math.round(limit / 2)));
    while (!this.#isEnding) {
      const room = await this.#untilRoom();
      if (this.#isEnding) return;
      if (performance.now() >= this.#claimAt) {
        await this.#claim(room);
        continue;
      }
      const left = Math.max(1, Math.round(this.#claimAt - performance.now()));
      await this.#take(await waiting.next(Math.min(room, this.#batch), Math.min(block, left)));
    }
  }

  /** Resolves to how many there is room for, at least one; 0: the reading ends. */
  async #untilRoom(): Promise<number> {
    for (;;) {
      if (this.#isEnding) return 0;
      const room = this.#credit - this.#unacknowledged.open.size;
      if (room > 0) return room;
      this.#room = Promise.withResolvers();
      await this.#room.promise;
      // What is settled together makes room together.
      await turn();
    }
  }

  /** What this consumer had when it ended last, in the order of the stream, before all that is new. */
  async #readPending(): Promise<void> {
    const { commands } = this.#parts;
    let after = "";
    while (!this.#isEnding) {
      const room = await this.#untilRoom();
      if (this.#isEnding) return;
      const found = await commands.pending(after, Math.min(room, this.#batch));
      const last = [...found.counts.keys()].at(-1);
      if (last === undefined) return;
      const ids = found.entries.map(({ id }) => id);
      if (ids.length > 0) await commands.touch(ids);
      await this.#take(found, (id) => found.counts.get(id) ?? 1, true);
      after = last;
    }
  }

  /** What others have left, or have lost. */
  async #claim(room: number): Promise<void> {
    const { commands, reading } = this.#parts;
    const { claimAfter } = reading.metadata;
    const claimed = await commands.claim(claimAfter, this.#cursor, Math.min(room, this.#batch));
    this.#cursor = claimed.cursor;
    const ids = claimed.entries.map(({ id }) => id).sort(compareIds);
    const [first] = ids;
    const counts =
      first === undefined
        ? new Map<string, number>()
        : await commands.deliveries(first, ids.at(-1) ?? first, 1_000);
    // Its own that wait for their pause are claimed too, which keeps them from others.
    const entries = claimed.entries.filter(({ id }) => !this.#pauses.has(id));
    await this.#take({ ...claimed, entries }, (id) => counts.get(id) ?? 2);
    // Once around, and again after a while.
    if (this.#cursor === "0-0")
      this.#claimAt = performance.now() + Math.min(claimAfter / 2, longestTimer);
  }

  /** Hands over what has come, and waits until there is room for more. */
  async #take(
    { entries, deleted }: Entries,
    deliveriesOf?: (id: string) => number,
    isPending = false,
  ): Promise<void> {
    if (deleted.length > 0) await this.#miss(deleted, isPending);
    const events: InboundEvent[] = [];
    let largest = 0;
    for (const entry of entries) {
      largest = Math.max(largest, sizeOf(entry));
      if (this.#unacknowledged.take(entry.id))
        events.push(this.#eventOf(entry, deliveriesOf?.(entry.id)));
    }
    if (entries.length > 0) {
      const fitting = Math.floor(mostBytes / Math.max(1, largest));
      this.#batch = Math.max(1, Math.min(mostEntries, fitting, this.#batch * 2));
    }
    if (events.length > 0) await this.#parts.reading.deliver(events);
  }

  /** `before`: how often it was delivered, where it is not new. */
  #eventOf(entry: StreamEntry, before: number | undefined): InboundEvent {
    const deliveries = before ?? 1;
    const { reading, consumer } = this.#parts;
    const { claimAfter } = reading.metadata;
    const { id } = entry;
    let isDeleted = false;
    const extend = async (): Promise<void> => {
      // One that was deleted nobody else can get.
      if (isDeleted) return;
      const { commands } = this.#parts;
      const owner = await commands.ownerOf(id);
      if (owner !== consumer) throw new BindingError("aborted", `entry ${id} is ${whose(owner)}`);
      isDeleted = (await commands.touch([id])).length === 0;
    };
    return eventOf(entry, this.#shape, {
      deliveries,
      // A group that was set back delivers what it has delivered before as new.
      redelivered: before === undefined ? undefined : true,
      lease: { duration: claimAfter, extend },
      settle: (settlement) => this.#settle(id, deliveries, settlement),
    });
  }

  #settle(id: string, deliveries: number, settlement: Settlement): void {
    if (!this.#unacknowledged.open.delete(id)) return;
    if (settlement.outcome === "handled") {
      this.#unacknowledged.handled.add(id);
      if (!this.#scheduled) {
        this.#scheduled = true;
        setImmediate(() => this.#acknowledge());
      }
    } else if (this.#isEnding) this.#released.push(id);
    else this.#redeliverLater(id, deliveries, settlement.after ?? 0);
    this.#wake();
  }

  /** It stays pending under this consumer's name, which has it delivered again without counting that. */
  #redeliverLater(id: string, deliveries: number, after: number): void {
    const timer = setTimeout(
      () => {
        this.#pauses.delete(id);
        this.#redeliver(id, deliveries).catch((error: unknown) => this.#fail(error));
      },
      Math.min(after, longestTimer),
    );
    this.#pauses.set(id, timer);
  }

  async #redeliver(id: string, deliveries: number): Promise<void> {
    const { commands, consumer } = this.#parts;
    if ((await commands.ownerOf(id)) !== consumer) return;
    const { entries } = await commands.entry(id);
    if (this.#isEnding) return;
    const deleted = entries.length === 0 ? [id] : [];
    await this.#take({ entries, deleted }, () => deliveries, true);
  }

  /** Acknowledges what was handled; what was in one turn of the event loop shares a command. */
  #acknowledge(): void {
    this.#scheduled = false;
    const { handled } = this.#unacknowledged;
    this.#acknowledging = this.#acknowledging.then(async () => {
      const { commands, reading } = this.#parts;
      try {
        while (handled.size > 0) {
          const ids = [...handled].slice(0, mostAtOnce);
          await commands.acknowledge(ids);
          if (reading.metadata.deleteHandled) await commands.delete(ids);
          for (const id of ids) handled.delete(id);
        }
      } catch (error) {
        // They are acknowledged on the next connection.
        this.#fail(error);
      }
    });
  }

  /** Entries that were trimmed or deleted before they were handled. */
  async #miss(ids: readonly string[], isPending: boolean): Promise<void> {
    const { reading, commands } = this.#parts;
    if (isPending) await commands.acknowledge(ids);
    this.#missed += ids.length;
    reading.missed?.(ids.length, "retention");
    reading.notice(
      `${this.#missed} entries of stream ${reading.metadata.stream} were trimmed or deleted before they were handled, the last ${ids.at(-1)}: keep the stream longer`,
    );
  }

  #wake(): void {
    this.#room.resolve();
  }

  #fail(error: unknown): void {
    if (this.#isEnding) return;
    this.#parts.reading.lost(BindingError.from(error, "unavailable"));
  }
}

function whose(owner: string | undefined): string {
  return owner === undefined ? "not pending any more" : `claimed by consumer ${owner}`;
}
