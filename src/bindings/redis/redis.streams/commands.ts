import { BindingError } from "../../../errors.ts";
import type { RedisConnection } from "../connection.ts";
import { entriesOf, listOf, readEntries, textOf, type Entries } from "./entries.ts";

type Argument = string | number | Buffer;

/** The commands of a consumer group, on one connection. */
export class GroupCommands {
  readonly #connection: RedisConnection;
  readonly #stream: string;
  readonly #group: string;
  readonly #consumer: string;

  constructor(connection: RedisConnection, stream: string, group: string, consumer: string) {
    this.#connection = connection;
    this.#stream = stream;
    this.#group = group;
    this.#consumer = consumer;
  }

  /** Makes the group, and the stream, if it is not there. False: it was. */
  async create(from: string): Promise<boolean> {
    try {
      await this.#run("XGROUP", "CREATE", this.#stream, this.#group, from, "MKSTREAM");
      return true;
    } catch (error) {
      // Who may not make it may read it all the same, if somebody has made it.
      if (isCode(error, "BUSYGROUP", "NOPERM")) return false;
      throw error;
    }
  }

  /** Waits for new entries, so many milliseconds at most. */
  async next(count: number, block: number): Promise<Entries> {
    const reply = await this.#run(
      ...["XREADGROUP", "GROUP", this.#group, this.#consumer, "COUNT", count],
      ...["BLOCK", block, "STREAMS", this.#stream, ">"],
    );
    return readEntries(reply);
  }

  /** What this consumer had before and has not acknowledged, behind an id, with how often each was delivered. */
  async pending(
    after: string,
    count: number,
  ): Promise<Entries & { readonly counts: ReadonlyMap<string, number> }> {
    const counts = await this.deliveries(after === "" ? "-" : `(${after}`, "+", count);
    const ids = [...counts.keys()];
    // XREADGROUP would count that as a delivery.
    const found = await Promise.all(ids.map((id) => this.entry(id)));
    const entries = found.flatMap((one) => one.entries);
    const there = new Set(entries.map(({ id }) => id));
    return { counts, entries, deleted: ids.filter((id) => !there.has(id)) };
  }

  /** How often each of these was delivered: those of this consumer, from one id to another. */
  async deliveries(from: string, to: string, count: number): Promise<Map<string, number>> {
    const rows = await this.#run(
      ...["XPENDING", this.#stream, this.#group, from, to, count, this.#consumer],
    );
    return new Map(
      listOf(rows).map((row) => {
        const [id, , , times] = listOf(row);
        return [textOf(id), Number(times)] as const;
      }),
    );
  }

  /** Who has an entry; `undefined`: it is not pending. */
  async ownerOf(id: string): Promise<string | undefined> {
    const [row] = listOf(await this.#run("XPENDING", this.#stream, this.#group, id, id, 1));
    return row === undefined ? undefined : textOf(listOf(row)[1]);
  }

  /** Sets how long entries were idle, by default not at all, without counting a delivery. Resolves to those that are there. */
  async touch(ids: readonly string[], idle = 0): Promise<string[]> {
    const reply = await this.#run(
      ...["XCLAIM", this.#stream, this.#group, this.#consumer, 0, ...ids],
      ...["IDLE", Math.round(idle), "JUSTID"],
    );
    return listOf(reply).map(textOf);
  }

  /** Claims entries that were idle for so long, from a cursor on. */
  async claim(
    idle: number,
    cursor: string,
    count: number,
  ): Promise<Entries & { readonly cursor: string }> {
    const reply = await this.#run(
      ...["XAUTOCLAIM", this.#stream, this.#group, this.#consumer],
      ...[Math.round(idle), cursor, "COUNT", count],
    );
    const [next, entries, gone] = listOf(reply);
    const { entries: claimed, deleted } = entriesOf(entries);
    // Redis 7 tells those that are gone, and has forgotten that they were pending.
    const forgotten = gone === undefined ? [] : listOf(gone).map(textOf);
    return { cursor: textOf(next), entries: claimed, deleted: [...deleted, ...forgotten] };
  }

  /** One entry; none: it is deleted. */
  async entry(id: string): Promise<Entries> {
    return entriesOf(await this.#run("XRANGE", this.#stream, id, id));
  }

  async acknowledge(ids: readonly string[]): Promise<void> {
    await this.#run("XACK", this.#stream, this.#group, ...ids);
  }

  async delete(ids: readonly string[]): Promise<void> {
    await this.#run("XDEL", this.#stream, ...ids);
  }

  /** How many entries the group has not delivered; `undefined`: the server cannot tell. */
  async lag(): Promise<number | undefined> {
    return numberOf((await this.#describe())?.get("lag"));
  }

  /**
   * How many entries the group has not acknowledged, delivered or not. Without the group: all, where the first reader
   * begins with the oldest, else 1 if there are any. A server that cannot tell (before Redis 7, and where entries were
   * deleted) counts as 1 what may be many.
   */
  async unsettled(fromOldest: boolean): Promise<number> {
    const group = await this.#describe();
    if (group === undefined) {
      const all = numberOf(await this.#run("XLEN", this.#stream)) ?? 0;
      return fromOldest ? all : Math.min(all, 1);
    }
    const pending = numberOf(group.get("pending")) ?? 0;
    return pending + (numberOf(group.get("lag")) ?? (await this.#anyBehind(group)));
  }

  /** 1: there are entries behind the last one that the group has delivered. */
  async #anyBehind(group: ReadonlyMap<string, unknown>): Promise<number> {
    const last = textOf(group.get("last-delivered-id"));
    const { entries } = entriesOf(
      await this.#run("XRANGE", this.#stream, `(${last}`, "+", "COUNT", 1),
    );
    return entries.length;
  }

  /** What the server says of the group; `undefined`: there is no such group, or no stream. */
  async #describe(): Promise<ReadonlyMap<string, unknown> | undefined> {
    let groups: unknown;
    try {
      groups = await this.#run("XINFO", "GROUPS", this.#stream);
    } catch (error) {
      if (error instanceof BindingError && error.message.includes("no such key")) return undefined;
      throw error;
    }
    for (const group of listOf(groups)) {
      const pairs = listOf(group);
      const named = new Map(
        pairs.flatMap((name, at) => (at % 2 === 0 ? [[textOf(name), pairs[at + 1]] as const] : [])),
      );
      if (textOf(named.get("name")) === this.#group) return named;
    }
    return undefined;
  }

  #run(command: string, ...args: Argument[]): Promise<unknown>;
  #run(...words: Argument[]): Promise<unknown>;
  #run(command: Argument, ...args: Argument[]): Promise<unknown> {
    return this.#connection.run((client) => client.callBuffer(String(command), ...args));
  }
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof BindingError && codes.includes(error.systemCode ?? "");
}
