import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Reader, Reading } from "../../../binding.ts";
import { delay } from "../../../delay.ts";
import { BindingError } from "../../../errors.ts";
import { BackOff } from "../../../feed/back-off.ts";
import { formatDuration } from "../../../metadata/duration.ts";
import { registerConsumer } from "./consumer.ts";
import type { kinesisFields } from "./fields.ts";
import { HeldShard, transient } from "./held-shard.ts";
import type { Ended } from "./held-shard.ts";
import { shardEnd } from "./lease-table.ts";
import type { LeaseTable, Row } from "./lease-table.ts";
import { timeOf, timeText } from "./lease-time.ts";
import { Progress } from "./progress.ts";
import { Lineage, Observations, planOf, workerPrefix } from "./shard-plan.ts";
import type { Position, Shard, Stream } from "./stream.ts";

type KinesisReading = Reading<typeof kinesisFields>;

/** How often the stream's shards are listed, in milliseconds, if nothing says that there are others. */
const listInterval = 60_000;
/** What the library's leases last, in milliseconds. */
const libraryLease = 10_000;
/** Milliseconds that an answer may take. */
const patience = 10_000;

/** What this process knows of a component's stream. It outlasts a connection, not the process. */
type Memory = { readonly worker: string; readonly progress: Map<string, Progress> };

const memories = new Map<string, Memory>();

function memoryOf(identity: string): Memory {
  let memory = memories.get(identity);
  if (memory === undefined) {
    const worker = `${workerPrefix}${hostname()}-${randomUUID()}`;
    memories.set(identity, (memory = { worker, progress: new Map() }));
  }
  return memory;
}

/** Reads the shards of a stream that this reader has leases of, and takes its part of them. */
export class StreamReader implements Reader {
  readonly #stream: Stream;
  readonly #table: LeaseTable;
  readonly #reading: KinesisReading;
  readonly #memory: Memory;
  readonly #held = new Map<string, HeldShard>();
  readonly #conditions = new Map<string, string>();
  readonly #observations = new Observations();
  readonly #stopping = new AbortController();
  readonly #backOff = new BackOff();
  #shards: readonly Shard[] = [];
  #listedAt = Number.NEGATIVE_INFINITY;
  /** Shards that the table says have ended, though the stream says that they have not, and since when. */
  readonly #contradictions = new Map<string, number>();
  /** Those that nobody has read before, as of this pass, and that begin with the newest. */
  readonly #new = new Set<string>();
  #claimed: string | undefined;
  #consumer: string | undefined;
  #wake: () => void = () => undefined;
  #isWoken = false;
  #running: Promise<void> = Promise.resolve();
  #isLost = false;
  #mayRemove = true;

  constructor(stream: Stream, table: LeaseTable, reading: KinesisReading) {
    this.#stream = stream;
    this.#table = table;
    this.#reading = reading;
    const { appId, name } = reading.component;
    this.#memory = memoryOf(JSON.stringify([appId, name, stream.identity, table.name]));
  }

  /** Resolves once the shards that are free are read. */
  async start(): Promise<void> {
    const signal = AbortSignal.any([this.#reading.signal, this.#stopping.signal]);
    await this.#table.prepare(signal);
    const { mode, consumerName = "" } = this.#reading.metadata;
    if (mode === "extended")
      this.#consumer = await registerConsumer(this.#stream, consumerName, signal);
    await this.#pass();
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#running;
    await this.#unclaim();
    await Promise.all([...this.#held.values()].map((held) => held.stop()));
  }

  async flush(): Promise<void> {
    await Promise.all([...this.#held.values()].map((held) => held.flush()));
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    const held = [...this.#held.values()];
    this.#held.clear();
    await Promise.all(held.map((one) => one.release()));
    for (const one of held) one.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { leaseDuration } = this.#reading.metadata;
    while (!this.#isOver) {
      const isWaiting = this.#claimed !== undefined;
      // Many readers do not look at the same moment.
      const spread = 0.75 + Math.random() / 2;
      await this.#rest((leaseDuration / (isWaiting ? 10 : 3)) * spread);
      if (signal.aborted) return;
      try {
        await this.#pass();
        this.#backOff.reset();
      } catch (thrown) {
        const error = BindingError.from(thrown, "unavailable");
        if (this.#isOver) return;
        if (!transient.has(error.reason)) return this.#lose(error);
        this.#condition("", error.message);
        const pause = this.#backOff.next(error.retryAfter);
        const facts = { reason: error.message, pause: formatDuration(pause) };
        this.#reading.logger.warn(facts, "the shards cannot be looked up, trying again");
        await delay(pause, signal);
      }
    }
  }

  /** Looks which shards there are and who has them, and takes this reader's part. */
  async #pass(): Promise<void> {
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(patience)]);
    if (performance.now() - this.#listedAt >= listInterval) await this.#list(signal);
    let rows = await this.#rows(signal);
    if (this.#seemsOpen(rows).length > 0) {
      // It has ended since they were listed, and there are others in its place.
      await this.#list(signal);
      rows = await this.#rows(signal);
    }
    rows = this.#withoutContradictions(rows);
    const known = { shards: this.#shards, rows, initial: this.#reading.metadata.initialPosition };
    let lineage = new Lineage(known);
    const unknown = lineage.unknown(Date.now());
    this.#new.clear();
    if (unknown.length > 0) {
      for (const { shard, start } of unknown) {
        const isOurs = await this.#table.register(shard, start, signal);
        if (isOurs && timeOf(start) !== undefined) this.#new.add(shard.id);
      }
      rows = this.#withoutContradictions(await this.#rows(signal));
      lineage = new Lineage({ ...known, rows });
    }
    await this.#share(lineage, rows, signal);
    await this.#remove(lineage, signal);
    this.#condition("", "");
  }

  async #list(signal: AbortSignal): Promise<void> {
    this.#shards = await this.#stream.shards(signal);
    this.#listedAt = performance.now();
  }

  async #rows(signal: AbortSignal): Promise<ReadonlyMap<string, Row>> {
    const ids = this.#shards.map(({ id }) => id);
    const rows = await this.#table.rows(ids, signal);
    this.#observations.look(rows.values(), performance.now());
    return rows;
  }

  #seemsOpen(rows: ReadonlyMap<string, Row>): Shard[] {
    return this.#shards.filter(
      ({ id, isClosed }) => !isClosed && rows.get(id)?.checkpoint === shardEnd,
    );
  }

  /** The rows, without what they say of a stream that had this one's name before. */
  #withoutContradictions(rows: ReadonlyMap<string, Row>): ReadonlyMap<string, Row> {
    const now = performance.now();
    const open = new Set(this.#seemsOpen(rows).map(({ id }) => id));
    for (const id of this.#contradictions.keys())
      if (!open.has(id)) this.#contradictions.delete(id);
    const result = new Map(rows);
    for (const { id, first, isClosed } of this.#shards) {
      const row = rows.get(id);
      if (row?.checkpoint === undefined) continue;
      if (open.has(id)) {
        const since = this.#contradictions.get(id) ?? now;
        this.#contradictions.set(id, since);
        // What the stream says may be old.
        if (now - since < this.#reading.metadata.leaseDuration) result.delete(id);
        else result.set(id, { ...row, checkpoint: undefined, start: "TRIM_HORIZON" });
      } else if (isOlder(row.checkpoint, first) && !isClosed)
        result.set(id, { ...row, checkpoint: undefined, start: "TRIM_HORIZON" });
    }
    return result;
  }

  async #share(
    lineage: Lineage,
    rows: ReadonlyMap<string, Row>,
    signal: AbortSignal,
  ): Promise<void> {
    const { metadata } = this.#reading;
    const { ready } = lineage;
    const { worker } = this.#memory;
    const now = performance.now();
    const plan = planOf({
      ...{ rows, ready, worker, held: new Set(this.#held.keys()) },
      consumer: metadata.consumerName ?? "",
      leaseDuration: metadata.leaseDuration,
      unchanged: (shard) => this.#observations.unchanged(shard, now),
      now: Date.now(),
      random: Math.random(),
    });
    const shards = new Map(ready.map((shard) => [shard.id, shard]));
    for (const row of plan.take) {
      const shard = shards.get(row.shard);
      if (shard !== undefined && !this.#isOver) await this.#take(shard, row, signal);
    }
    if (!plan.isWaiting) this.#claimed = undefined;
    if (plan.claim !== undefined && !this.#isOver) {
      this.#claimed = plan.claim.shard;
      await this.#table.claim(plan.claim, worker, signal);
    }
    const text = ready.length > 0 && this.#held.size === 0;
    this.#conditions.set("share", text ? "all shards are read by others" : "");
  }

  async #take(shard: Shard, row: Row, signal: AbortSignal): Promise<void> {
    const { metadata, logger } = this.#reading;
    const { worker, progress: all } = this.#memory;
    const { leaseDuration } = metadata;
    const takenAt = performance.now();
    const start = row.start ?? this.#startOf(row);
    const lease = { owner: worker, until: Date.now() + leaseDuration, start };
    const taken = await this.#table.take(row, lease, signal);
    if (taken === undefined) return;
    // What it was in the table is not true where the plan has it otherwise.
    const checkpoint = row.checkpoint === undefined ? undefined : taken.checkpoint;
    let progress = all.get(shard.id);
    if (progress?.continues(checkpoint)) progress.restart();
    else all.set(shard.id, (progress = new Progress(checkpoint)));
    const held: HeldShard = new HeldShard({
      ...{ stream: this.#stream, table: this.#table, shard, worker, progress, logger, takenAt },
      ...{ start: positionOf(start), isNew: this.#new.has(shard.id) },
      ...{ leaseDuration, pollInterval: metadata.pollInterval, consumer: this.#consumer },
      deliver: (events, source) => this.#reading.deliver(events, source),
      ended: (why) => this.#ended(held, why),
      failed: (error) => this.#lose(error),
      condition: (text) => this.#condition(shard.id, text),
    });
    this.#held.set(shard.id, held);
    logger.info({ shard: shard.id, from: progress.handled ?? start }, "a shard is read");
    await held.start();
  }

  /** Where a shard begins of which the library has not written a checkpoint: nothing was handled since its last renewal. */
  #startOf({ timeout }: Row): string {
    const now = Date.now();
    const until = timeOf(timeout) ?? Number.POSITIVE_INFINITY;
    return timeText(Math.min(now, until - libraryLease));
  }

  #ended(held: HeldShard, why: Ended): void {
    if (this.#held.get(held.id) === held) this.#held.delete(held.id);
    const level = why === "lease expired" || why === "taken by another" ? "warn" : "info";
    this.#reading.logger[level]({ shard: held.id, why }, "a shard is read no more");
    if (why === "read to its end") this.#listedAt = Number.NEGATIVE_INFINITY;
    if (why === "handed over") return;
    this.#isWoken = true;
    this.#wake();
  }

  /** Deletes what the table has of shards that the stream has no more, where that is allowed. */
  async #remove({ outlived }: Lineage, signal: AbortSignal): Promise<void> {
    for (const shard of this.#mayRemove ? outlived : []) {
      try {
        await this.#table.remove(shard, signal);
        this.#memory.progress.delete(shard);
      } catch (error) {
        if (BindingError.from(error).reason !== "permission_denied") throw error;
        this.#mayRemove = false;
      }
    }
  }

  /** A claim that nobody waits for would keep others from the shard. */
  async #unclaim(): Promise<void> {
    const shard = this.#claimed;
    this.#claimed = undefined;
    if (shard === undefined) return;
    const unclaimed = this.#table.unclaim(shard, this.#memory.worker, AbortSignal.timeout(2_000));
    await unclaimed.catch(() => undefined);
  }

  #condition(of: string, text: string): void {
    if (text === "") this.#conditions.delete(of);
    else this.#conditions.set(of, text);
    const { share = "", ...failing } = Object.fromEntries(this.#conditions);
    const [first] = Object.values(failing);
    const isStalled = Object.keys(failing).length >= Math.max(1, this.#held.size);
    this.#reading.report?.(first ?? share, first !== undefined && isStalled);
  }

  #lose(error: BindingError): void {
    if (this.#isOver) return;
    this.#isLost = true;
    this.#wake();
    this.#reading.lost(error);
  }

  async #rest(milliseconds: number): Promise<void> {
    if (this.#isWoken) {
      this.#isWoken = false;
      return;
    }
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await delay(milliseconds, AbortSignal.any([woken.signal, this.#stopping.signal]));
    this.#isWoken = false;
  }

  get #isOver(): boolean {
    return this.#stopping.signal.aborted || this.#isLost;
  }
}

function positionOf(start: string): Position {
  const time = timeOf(start);
  return time === undefined ? "TRIM_HORIZON" : { at: time };
}

/** Whether a checkpoint is of before the shard began. */
function isOlder(checkpoint: string, first: string): boolean {
  const numbers = [checkpoint, first].every((text) => /^\d{1,200}$/.test(text));
  return numbers && BigInt(checkpoint) < BigInt(first);
}
