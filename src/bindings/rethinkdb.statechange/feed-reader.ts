import type { Connection, RCursor } from "rethinkdb-ts";
import type { Reader, Reading } from "../../binding.ts";
import { connect, failureOf, type Driver } from "./connection.ts";
import type { rethinkdbFields } from "./fields.ts";
import { jsonOf, keyOf, type Change } from "./values.ts";

/** Numbers its events, which have no identity of their own at the server. */
let readings = 0;

/**
 * Reads the table's changes from now on. The server keeps none for who is away, and some 100,000 for who is slow; past
 * that it drops changes and says so by an error in the feed.
 */
export class FeedReader implements Reader {
  readonly #reading: Reading<typeof rethinkdbFields>;
  readonly #connection: Connection;
  readonly #cursor: RCursor<Change>;
  readonly #address: string;
  readonly #number = ++readings;
  #stopped = false;

  private constructor(
    reading: Reading<typeof rethinkdbFields>,
    connection: Connection,
    cursor: RCursor<Change>,
    address: string,
  ) {
    this.#reading = reading;
    this.#connection = connection;
    this.#cursor = cursor;
    this.#address = address;
    connection.on("close", (error: unknown) => this.#lost(error ?? new Error("it was closed")));
    void this.#pump();
  }

  static async start(
    driver: Driver,
    reading: Reading<typeof rethinkdbFields>,
  ): Promise<FeedReader> {
    const { metadata, signal } = reading;
    const { database, table } = metadata;
    const { connection, address } = await connect(driver, metadata, signal);
    try {
      const feed = driver.r.db(database).table<Change>(table).changes({ includeTypes: true });
      // Rows come as they are: the driver would make dates and buffers of the server's own types.
      const raw = { timeFormat: "raw", binaryFormat: "raw", groupFormat: "raw" } as const;
      const cursor = (await feed.getCursor(connection, raw)) as unknown as RCursor<Change>;
      return new FeedReader(reading, connection, cursor, address);
    } catch (error) {
      await connection.close().catch(() => undefined);
      throw failureOf(`reading the changes of ${database}.${table}`, error);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#cursor.close().catch(() => undefined);
  }

  flush(): void {}

  async close(): Promise<void> {
    this.#stopped = true;
    await this.#connection.close().catch(() => undefined);
  }

  /** Asks for changes as fast as there is room for them: the server is not asked for a batch before. */
  async #pump(): Promise<void> {
    const { metadata, component, deliver } = this.#reading;
    try {
      for (let number = 1; !this.#stopped; number++) {
        const change = await this.#cursor.next();
        if (this.#stopped) return;
        const key = keyOf(change, metadata.primaryKey);
        await deliver([
          {
            data: jsonOf(change),
            metadata: {
              "store-address": this.#address,
              "store-database": metadata.database,
              "store-table": metadata.table,
            },
            headers: [],
            ...(key === undefined ? {} : { key }),
            id: `${component.name}/${process.pid}/${this.#number}/${number}`,
            idIsMadeUp: true,
            // The server has forgotten it already.
            settle: () => undefined,
          },
        ]);
      }
    } catch (error) {
      // Where the server's first answer is a refusal, the driver keeps it here and throws that there are no more rows.
      const { lastError } = this.#cursor as unknown as { readonly lastError?: unknown };
      this.#lost(lastError ?? error);
    }
  }

  #lost(error: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#reading.logger.warn({}, "changes are missed until the feed is read again");
    this.#reading.lost(failureOf("the feed ended", error));
  }
}
