import { jsonText } from "../../sql/json-text.ts";
import { readColumn, sentJson, textJson, writesNull, type Column } from "./columns.ts";
import type { DriverCommand, DriverConnection, DriverPacket } from "./driver.ts";
import { endHasMore, isEnd, PacketReader, readError, readOk, sendCommand } from "./packets.ts";
import type { Zone } from "./times.ts";

/** What a statement brought. */
export type Outcome = {
  /** The rows of the first result that has columns, each as JSON. */
  readonly rows: readonly string[];
  /** By the last statement that ran. */
  readonly affected: string;
};

/** What is said to a packet's payload next; `undefined`: the command has ended. */
type Step = (payload: Buffer, connection: DriverConnection) => Step | undefined;

/** One command for the driver to run, with the steps of its answer. */
export abstract class Command<Answer> implements DriverCommand {
  readonly done: Promise<Answer>;
  protected resolve: (answer: Answer) => void;
  protected reject: (reason: unknown) => void;
  #step: Step;

  protected constructor(first: Step) {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.done = promise;
    this.done.catch(() => undefined);
    this.resolve = resolve;
    this.reject = reject;
    this.#step = first;
  }

  protected abstract send(connection: DriverConnection): void;

  execute(packet: DriverPacket | undefined, connection: DriverConnection): boolean {
    if (packet === undefined) {
      this.send(connection);
      return false;
    }
    const payload = packet.buffer.subarray(packet.start + 4, packet.end);
    if (payload[0] === 0xff) {
      this.reject(readError(payload));
      return true;
    }
    const next = this.#step(payload, connection);
    if (next !== undefined) this.#step = next;
    return next === undefined;
  }

  onResult(error: unknown): void {
    this.reject(error);
  }
}

export type StatementOptions = {
  /** As text, or as a prepared statement runs. */
  readonly payload: Buffer;
  readonly isPrepared: boolean;
  /** False: rows are passed over. */
  readonly keepsRows: boolean;
  readonly namesTables: boolean;
  readonly zone: Zone;
  /** A row has come whole. */
  readonly onRow: () => void;
};

/** Runs a statement. A row is turned into JSON as it comes. */
export class Statement extends Command<Outcome> {
  readonly #options: StatementOptions;
  readonly #rows: string[] = [];
  #columns: Column[] = [];
  #places: readonly Place[] = [];
  #expected = 0;
  #results = 0;
  #affected = 0n;
  #localFile: string | undefined;

  constructor(options: StatementOptions) {
    super((payload, connection) => this.#header(payload, connection));
    this.#options = options;
  }

  protected send(connection: DriverConnection): void {
    sendCommand(connection, this.#options.payload);
  }

  #header(payload: Buffer, connection: DriverConnection): Step | undefined {
    if (payload[0] === 0) {
      const { affected, hasMore } = readOk(payload);
      this.#affected = affected;
      return this.#next(hasMore);
    }
    if (payload[0] === 0xfb) {
      // The server asks for a file of this machine: it gets none, whatever it names.
      this.#localFile = payload.subarray(1).toString("utf8").slice(0, 200);
      const { sequenceId } = connection;
      connection.sequenceId = (sequenceId + 1) % 256;
      connection.write(Buffer.of(0, 0, 0, sequenceId));
      return (answer, on) => this.#header(answer, on);
    }
    this.#affected = 0n;
    this.#columns = [];
    this.#expected = new PacketReader(payload).number() ?? 0;
    this.#results++;
    return (column, on) => this.#column(column, on);
  }

  #column(payload: Buffer, { _mariadbExtendedMetadata }: DriverConnection): Step {
    if (isEnd(payload)) {
      if (this.#columns.length !== this.#expected) throw new Error("malformed packet");
      this.#places = placesOf(this.#columns, this.#options.namesTables);
      return (row) => this.#row(row);
    }
    this.#columns.push(readColumn(payload, _mariadbExtendedMetadata));
    return (column, on) => this.#column(column, on);
  }

  #row(payload: Buffer): Step | undefined {
    if (isEnd(payload)) return this.#next(endHasMore(payload));
    this.#options.onRow();
    if (this.#options.keepsRows && this.#results === 1) {
      const cells = this.#options.isPrepared ? this.#sentCells(payload) : this.#textCells(payload);
      this.#rows.push(objectJson(this.#places, cells));
    }
    return (row) => this.#row(row);
  }

  #textCells(payload: Buffer): (string | undefined)[] {
    const reader = new PacketReader(payload);
    return this.#columns.map((column) => {
      const value = reader.counted();
      return value === undefined ? undefined : textJson(column, value, this.#options.zone);
    });
  }

  #sentCells(payload: Buffer): (string | undefined)[] {
    const reader = new PacketReader(payload, 1);
    // Its first two bits are none of a column.
    const nulls = reader.bytes((this.#columns.length + 9) >> 3);
    return this.#columns.map((column, at) => {
      const isNull = (((nulls[(at + 2) >> 3] ?? 0) >> ((at + 2) & 7)) & 1) === 1;
      return isNull ? undefined : sentJson(column, reader, this.#options.zone);
    });
  }

  #next(hasMore: boolean): Step | undefined {
    if (hasMore) return (payload, connection) => this.#header(payload, connection);
    if (this.#localFile === undefined)
      this.resolve({ rows: this.#rows, affected: String(this.#affected) });
    else this.reject(new LocalFileRefused(this.#localFile));
    return undefined;
  }
}

/** The server has asked for a file. */
export class LocalFileRefused extends Error {
  constructor(name: string) {
    // As Dapr's driver words it.
    super(`local file '${name}' is not registered`);
  }
}

/** A member of a row's object: its name as JSON, and the columns that have it, the last first. */
type Place = {
  readonly key: string;
  readonly columns: readonly { readonly at: number; readonly writesNull: boolean }[];
};

/** Names sorted as Go sorts them. */
function placesOf(columns: readonly Column[], namesTables: boolean): Place[] {
  const byName = new Map<string, Place["columns"]>();
  for (const [at, column] of columns.entries()) {
    const name = namesTables ? column.fullName : column.name;
    const others = byName.get(name) ?? [];
    byName.set(name, [{ at, writesNull: writesNull(column) }, ...others]);
  }
  return [...byName]
    .toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([name, of]) => ({ key: jsonText(name), columns: of }));
}

/** Of columns with one name the last counts that is not left out. */
function objectJson(places: readonly Place[], cells: readonly (string | undefined)[]): string {
  const members: string[] = [];
  for (const { key, columns } of places) {
    const column = columns.find(({ at, writesNull }) => cells[at] !== undefined || writesNull);
    if (column !== undefined) members.push(`${key}:${cells[column.at] ?? "null"}`);
  }
  return `{${members.join(",")}}`;
}
