import { BindingError } from "../../errors.ts";
import { callFailure } from "../../nats-client/failures.ts";
import type { HistoryRecord } from "../records.ts";
import type { HistoryStore, HistoryStoreList, HistoryStorePage } from "../store.ts";
import type { StoreConnection } from "./connection.ts";
import type { StoredMessage } from "./messages.ts";
import { headerRoom } from "./publishing.ts";
import type { StreamReader } from "./reader.ts";
import { digestToken, subjectToken, type Subjects } from "./subjects.ts";
import type { StreamWriter } from "./writer.ts";

const most = 100;
/** So many sequences are looked at for one page. */
const mostLooked = 5_000;
/** The least and the most sequences of one look backwards. */
const window = { least: 256, most: 2_048 };

/** A token for what an event does not have. */
const none = "-";

/** What became of events: one message each in a stream of its own, which the server keeps as short as it should be. */
export class NatsHistory implements HistoryStore {
  readonly #connection: StoreConnection;
  readonly #reader: StreamReader;
  readonly #writer: StreamWriter;
  readonly #subjects: Subjects;
  #number = 0;
  readonly #run = `${process.pid}${Date.now()}`;

  constructor(
    connection: StoreConnection,
    reader: StreamReader,
    writer: StreamWriter,
    subjects: Subjects,
  ) {
    this.#connection = connection;
    this.#reader = reader;
    this.#writer = writer;
    this.#subjects = subjects;
  }

  async append(records: readonly HistoryRecord[]): Promise<void> {
    const link = await this.#connection.link();
    const room = link.largestMessage - headerRoom;
    const messages = records.map((record) => ({
      record,
      body: Buffer.from(JSON.stringify(record)),
    }));
    const last = messages.findLast(({ body }) => body.length <= room);
    for (const { record, body } of messages) {
      const subject = this.#subjectOf(record);
      if (body.length > room) {
        // Parts are of one record: its subject is its own.
        const own = `${subject}.${this.#run}-${++this.#number}`;
        await this.#writer.writeUnfenced("history", [{ subject: own, body }]);
      } else if (body !== last?.body) {
        link.publish(`${subject}.${none}`, body);
      } else {
        // The server has read those before it.
        await link.request(`${subject}.${none}`, body).catch((error: unknown) => {
          throw callFailure(error, "writing history to the store on NATS");
        });
      }
    }
  }

  async find(idOrTrace: string, component: string | undefined): Promise<HistoryRecord[]> {
    const { history } = this.#subjects;
    const of = component === undefined ? "*" : subjectToken(component);
    const filters = [
      `${history}.${of}.${digestToken(idOrTrace)}.*.*.*`,
      `${history}.${of}.*.${subjectToken(idOrTrace)}.*.*`,
    ];
    return this.#newest(
      filters,
      (record) =>
        (record.eventId === idOrTrace || record.traceId === idOrTrace) &&
        (component === undefined || record.component === component),
    );
  }

  async ofDeadLetter(id: string): Promise<HistoryRecord[]> {
    const filter = `${this.#subjects.history}.*.*.*.${subjectToken(id)}.*`;
    return this.#newest([filter], ({ deadLetter }) => deadLetter === id);
  }

  async list(page: HistoryStorePage): Promise<HistoryStoreList> {
    const { component, ends, endedBefore, below, limit } = page;
    const of = component === undefined ? "*" : subjectToken(component);
    const filter = `${this.#subjects.history}.${of}.*.*.*.*`;
    const { first, last } = await this.#bounds();
    const records: HistoryRecord[] = [];
    let high = Math.min(below, last + 1);
    let looked = 0;
    for (let size = window.least; high > first; size = Math.min(2 * size, window.most)) {
      const low = Math.max(first, high - size);
      const messages = await this.#between(filter, low, high);
      looked += high - low;
      for (const message of messages.toReversed()) {
        const record = await this.#recordOf(message);
        if (record === undefined || record.endedAt >= endedBefore) continue;
        if (component !== undefined && record.component !== component) continue;
        if (ends.length > 0 && !ends.includes(record.end)) continue;
        if (records.length === limit) return { records, below: message.sequence + 1 };
        records.push(record);
      }
      high = low;
      if (looked >= mostLooked && high > first) return { records, below: high };
    }
    return { records, below: undefined };
  }

  #subjectOf({ component, eventId, traceId, deadLetter }: HistoryRecord): string {
    return [
      this.#subjects.history,
      subjectToken(component),
      eventId === "" ? none : digestToken(eventId),
      traceId === "" ? none : subjectToken(traceId),
      deadLetter === undefined ? none : subjectToken(deadLetter),
    ].join(".");
  }

  /** Those of the filters that are meant, newest first. */
  async #newest(
    filters: readonly string[],
    isMeant: (record: HistoryRecord) => boolean,
  ): Promise<HistoryRecord[]> {
    const found = new Map<number, HistoryRecord>();
    for (const filter of filters) {
      for await (const message of this.#reader.scan(filter)) {
        const record = await this.#recordOf(message);
        if (record === undefined || !isMeant(record)) continue;
        found.set(message.sequence, record);
        // The oldest of one filter goes; of two, both may have as many.
        if (found.size > 2 * most) found.delete(Math.min(...found.keys()));
      }
    }
    return [...found]
      .sort(([a], [b]) => b - a)
      .slice(0, most)
      .map(([, record]) => record);
  }

  async #between(filter: string, low: number, high: number): Promise<StoredMessage[]> {
    const messages: StoredMessage[] = [];
    for (let next = low; next < high;) {
      const page = await this.#reader.page(filter, next, high - next);
      for (const message of page) if (message.sequence < high) messages.push(message);
      const reached = page.at(-1)?.sequence;
      if (reached === undefined) break;
      next = reached + 1;
    }
    return messages;
  }

  async #recordOf(message: StoredMessage): Promise<HistoryRecord | undefined> {
    const body = await this.#reader.body(message);
    if (body === undefined) return undefined;
    return JSON.parse(Buffer.from(body).toString()) as HistoryRecord;
  }

  async #bounds(): Promise<{ readonly first: number; readonly last: number }> {
    const link = await this.#connection.link();
    const stream = this.#subjects.historyStream;
    const { state } = await link.api<{ state?: { first_seq?: number; last_seq?: number } }>(
      `STREAM.INFO.${stream}`,
      undefined,
      `stream ${stream}`,
    );
    if (state?.last_seq === undefined)
      throw new BindingError("internal", `stream ${stream}: an answer without its state`);
    return { first: state.first_seq ?? 1, last: state.last_seq };
  }
}
