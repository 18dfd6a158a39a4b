import type { InboundEvent, Reader, Reading } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { ChangeStream, type StreamMessage } from "./change-stream.ts";
import { rowChange, truncation, type Change, type ChangePlace } from "./change-events.ts";
import type { postgresFields } from "./fields.ts";
import { HandledTransactions, type Transaction } from "./handled-transactions.ts";
import type { InputClient } from "./input-client.ts";
import { Intake } from "./intake.ts";
import type { HandledChanges } from "./handled-changes.ts";
import { lsnText } from "./lsn.ts";
import { readOutput, type OutputMessage } from "./pgoutput.ts";
import { readingFailure, type ServerIdentity } from "./replication-slot.ts";
import { tableOf, type AskCatalog, type Table } from "./tables.ts";

export type ChangeReaderOptions = {
  readonly client: InputClient;
  readonly reading: Reading<typeof postgresFields>;
  readonly what: string;
  readonly ask: AskCatalog;
  readonly server: ServerIdentity;
  readonly handled: HandledChanges;
  /** Asks, on another connection, whether the server still has this one. */
  readonly isServed: () => Promise<boolean>;
  /** How often the server is to hear of this reader, in milliseconds. */
  readonly interval: number;
};

/** Events that were handled are told to the server together, after this long, in milliseconds. */
const confirmPause = 100;
/** After so many signs of life that were asked for and did not come it is looked where the server is. */
const silentIntervals = 3;
/** How long the server may take to answer the last confirmation, in milliseconds. */
const flushTimeout = 5_000;

/** The transaction that is coming in. */
type Current = {
  readonly transaction: Transaction;
  readonly place: Omit<ChangePlace, "lsn">;
  /** How many of its changes have come. */
  changes: number;
};

/** Reads a slot's changes. */
export class ChangeReader implements Reader {
  readonly #options: ChangeReaderOptions;
  readonly #intake: Intake<StreamMessage>;
  readonly #transactions: HandledTransactions;
  readonly #tables = new Map<number, Table>();
  readonly #stream: ChangeStream;
  #current: Current | undefined;
  #batch: InboundEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #confirming: NodeJS.Timeout | undefined;
  #answered: (() => void) | undefined;
  /** How often nothing was heard in a row. */
  #unheard = 0;
  #isExamining = false;
  #isStopped = false;
  /** Whether it is known, after the stop, where the last transaction ended. */
  #isDecided = false;
  #isCutShort = false;
  #isOver = false;

  constructor(options: ChangeReaderOptions) {
    this.#options = options;
    const { client, reading } = options;
    this.#transactions = new HandledTransactions(() => this.#confirmSoon());
    this.#intake = new Intake(
      client.connection.stream,
      (messages) => this.#take(messages),
      (error) => this.lose(error),
    );
    this.#stream = new ChangeStream({
      client,
      memory: reading.memory,
      take: (message) => this.#arrived(message),
      ended: (error) => this.lose(error),
    });
  }

  /** Begins to read. Rejects with the server's error; then it may be tried again. */
  async start(command: (from: string) => string): Promise<void> {
    await this.#stream.start(command(lsnText(this.#options.handled.start)));
    this.#timer = setInterval(() => this.#tick(), this.#options.interval);
  }

  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#intake.stop();
    this.#intake.resume();
    this.#transactions.wake();
    if (!this.#isOver) void this.#examine();
  }

  async flush(): Promise<void> {
    await this.#options.handled.flush();
    if (this.#isOver || this.#timer === undefined) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#answered = resolve;
    const text = `${this.#options.what}: the server has not answered what was confirmed`;
    const timer = setTimeout(
      () => reject(new BindingError("unavailable", text, { effect: "ambiguous" })),
      flushTimeout,
    );
    this.#tell(true);
    // What comes from now on is not looked at, but for the answer.
    if (this.#isStopped) this.#intake.resume();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#answered = undefined;
    }
  }

  async close(): Promise<void> {
    this.#end();
    await this.#options.client.close();
  }

  /** The connection is gone, or what it brought cannot be read. */
  lose(error: unknown): void {
    if (this.#isOver) return;
    this.#end();
    const { reading, client, what } = this.#options;
    client.lose(error);
    reading.lost(readingFailure(client.failure(error), what));
  }

  #end(): void {
    this.#isOver = true;
    this.stop();
    clearInterval(this.#timer);
    clearTimeout(this.#confirming);
    this.#answered?.();
  }

  #arrived(message: StreamMessage): void {
    if (!this.#isStopped) return this.#intake.add(message);
    if (message.kind === "alive") return this.#answered?.();
    // Whether the last transaction has ended where reading stopped is all that matters still.
    if (this.#isDecided) {
      if (this.#answered === undefined) this.#intake.pause();
      return;
    }
    if (!decides(message)) return;
    this.#isDecided = true;
    this.#intake.add(message);
  }

  async #take(messages: readonly StreamMessage[]): Promise<void> {
    for (const message of messages) {
      if (this.#isStopped) this.#passOver(message);
      else if (message.kind === "alive") this.#takeSign(message);
      else await this.#takeOutput(readOutput(message.bytes), message.lsn);
    }
    await this.#deliver();
  }

  /** The end of a transaction of which all was delivered is confirmed, so that it does not come again for its sake. */
  #passOver(message: StreamMessage): void {
    if (message.kind === "alive" || !decides(message)) return;
    this.#isDecided = true;
    const current = this.#current;
    this.#current = undefined;
    const output = readOutput(message.bytes);
    if (current === undefined || output.kind !== "commit" || this.#isCutShort) return;
    this.#transactions.commit(current.transaction, output.endLsn);
    this.#tell(false);
  }

  #takeSign({ lsn }: StreamMessage & { kind: "alive" }): void {
    this.#transactions.passed(lsn);
    this.#answered?.();
  }

  async #takeOutput(message: OutputMessage, lsn: bigint): Promise<void> {
    switch (message.kind) {
      case "begin":
        this.#current = {
          transaction: this.#transactions.begin(),
          place: message,
          changes: 0,
        };
        return;
      case "commit": {
        const { transaction, changes } = this.#running;
        this.#current = undefined;
        if (changes > 0) this.#options.handled.commit(message.endLsn);
        this.#transactions.commit(transaction, message.endLsn);
        return;
      }
      case "relation":
        this.#tables.set(message.relation.id, await tableOf(message.relation, this.#options.ask));
        return;
      case "truncate":
        for (const id of message.relations)
          await this.#add((place) => truncation(this.#table(id), message, place), lsn);
        return;
      case "insert":
      case "update":
      case "delete":
        await this.#add((place) => rowChange(this.#table(message.relation), message, place), lsn);
        return;
      case "other":
    }
  }

  async #add(make: (place: ChangePlace) => Change, lsn: bigint): Promise<void> {
    const current = this.#running;
    const number = ++current.changes;
    if (this.#options.handled.passes(current.place.commitLsn, number)) return;
    if (this.#isStopped) return this.#cutShort();
    const change = make({ ...current.place, lsn });
    if (!change.standsAlone) {
      this.#batch.push(this.#eventOf(change, current, number));
      return;
    }
    // It is about more than one key: what was before it is handled first, and what follows it after it.
    await this.#deliver();
    await this.#allHandled(change);
    if (this.#isStopped) return this.#cutShort();
    this.#batch.push(this.#eventOf(change, current, number));
    await this.#deliver();
    await this.#allHandled(change);
  }

  /** The transaction has a change that is not delivered. */
  #cutShort(): void {
    this.#isCutShort = true;
  }

  #eventOf({ data, key, metadata }: Change, current: Current, number: number): InboundEvent {
    const { transaction, place } = current;
    const { server } = this.#options;
    const id = `${server.system}-${server.timeline}-${lsnText(place.commitLsn)}-${number}`;
    const handled = this.#options.handled.deliver(place.commitLsn, number);
    this.#transactions.deliver(transaction);
    return {
      ...{ data, metadata, key, id, headers: [] },
      settle: ({ outcome }) => {
        if (outcome !== "handled") return;
        handled();
        this.#transactions.handle(transaction);
      },
    };
  }

  async #deliver(): Promise<void> {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    await this.#options.reading.deliver(batch);
  }

  async #allHandled({ metadata }: Change): Promise<void> {
    const { reading } = this.#options;
    const { operation, schema, table } = metadata;
    const text = `all changes are waited for that were sent before the ${operation} of ${schema}.${table}, and for itself, since it is about several keys`;
    reading.report?.(text, false);
    await this.#transactions.allHandled();
    reading.report?.("", false);
  }

  get #running(): Current {
    if (this.#current === undefined) throw unexpected("a change is in no transaction");
    return this.#current;
  }

  #table(id: number): Table {
    const table = this.#tables.get(id);
    if (table === undefined) throw unexpected("a change is of a table that was not described");
    return table;
  }

  #confirmSoon(): void {
    if (this.#isOver) return;
    this.#confirming ??= setTimeout(() => {
      this.#confirming = undefined;
      this.#tell(false);
    }, confirmPause);
  }

  /**
   * The server hears of this reader also while that waits for the app, and else is asked for a sign of life. What is
   * counted is how often it was asked: a process that was held up itself has not read what is there.
   */
  #tick(): void {
    const waits = this.#intake.isBusy || this.#isStopped;
    this.#unheard = waits || this.#stream.heard() ? 0 : this.#unheard + 1;
    this.#tell(!waits);
    // A server that is shut down says so on no connection that is not read.
    if (waits || this.#unheard >= silentIntervals) void this.#examine();
  }

  /** A server that is busy with a large transaction may say nothing for long, and is not to begin it anew. */
  async #examine(): Promise<void> {
    if (this.#isExamining) return;
    this.#isExamining = true;
    const { client, reading, isServed } = this.#options;
    try {
      if (await isServed()) return;
      const { slot } = reading.metadata;
      throw new Error(
        `the server is silent, and slot ${slot} is not read by this connection any more`,
      );
    } catch (error) {
      // Heard of meanwhile: the question went astray. A server that ends waits until this connection has read all.
      if (this.#unheard > 0 || endsNow(error)) this.lose(client.failure(error));
    } finally {
      this.#isExamining = false;
    }
  }

  #tell(asksForReply: boolean): void {
    const { received, confirmed } = this.#transactions;
    this.#stream.tell(received, confirmed, asksForReply);
  }
}

/** The server is being shut down: it takes no connection any more. */
function endsNow(error: unknown): boolean {
  return error instanceof BindingError && error.systemCode === "57P03";
}

function unexpected(what: string): BindingError {
  return new BindingError("internal", `the server sent what is not expected: ${what}`);
}

/** Whether it is a change, or the begin or end of a transaction. */
function decides({ bytes }: StreamMessage & { kind: "data" }): boolean {
  return "BCIUDT".includes(String.fromCharCode(bytes[0] ?? 0));
}
