import { createHash, createHmac } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { startLoopback } from "../bindings/http/loopback-server.ts";
import type { LoopbackServer } from "../bindings/http/loopback-server.ts";
import { bytesOf, readMessage, textsOf, writeMessage } from "./tablestore/protobuf.ts";
import type { Message } from "./tablestore/protobuf.ts";
import { readRow, writeRow } from "./tablestore/row-bytes.ts";
import type { Column, RowBytes, Variant } from "./tablestore/row-bytes.ts";

type KeyType = "STRING" | "INTEGER" | "BINARY";
type Table = {
  readonly schema: Readonly<Record<string, KeyType>>;
  readonly rows: Map<string, { keys: readonly Column[]; columns: readonly Column[] }>;
};

class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const invalid = (message: string): Refusal => new Refusal(400, "OTSParameterInvalid", message);

/**
 * A stand-in for an instance of Alibaba Cloud's Tablestore, written from its reference: PutRow, GetRow, BatchGetRow,
 * DeleteRow, DescribeTable and ListTable with messages in protobuf and rows in PlainBuffer. It checks the signature and the MD5 of each request, the
 * checksums of its rows, and their primary keys by the table's schema.
 */
export class TablestoreServer implements AsyncDisposable {
  readonly instance = "shop";
  readonly accessKeyId = "LTAI5tStandIn";
  readonly secret = "the secret + of / the key";
  readonly tables = new Map<string, Table>();
  /** The actions that were taken. */
  readonly actions: string[] = [];
  /** Answered to the next request in place of what it asks for. */
  outage: { status: number; body: Buffer } | undefined;
  /** What is said of each row of the next BatchGetRow that has this text in its primary key. */
  rowOutage: { key: string; code: string; message: string } | undefined;
  /** Actions that the key may not take. */
  readonly denied = new Set<string>();
  #server: LoopbackServer | undefined;

  static async start(): Promise<TablestoreServer> {
    const tablestore = new TablestoreServer();
    tablestore.#server = await startLoopback(({ method, url, headers, body }, response) => {
      let status = 200;
      let answer: Buffer;
      try {
        if (method !== "POST") throw new Refusal(405, "OTSMethodNotAllowed", "Only POST requests.");
        answer = tablestore.#answer(url ?? "", headers, body);
      } catch (error) {
        const {
          code,
          message,
          status: refused,
        } = error instanceof Refusal ? error : invalid(String(error));
        status = refused;
        answer = writeMessage([1, code], [2, message]);
      }
      const { outage } = tablestore;
      tablestore.outage = undefined;
      response.writeHead(outage?.status ?? status, {
        "x-ots-requestid": "0005f55a-stand-in",
        "x-ots-date": new Date().toISOString(),
      });
      response.end(outage?.body ?? answer);
    });
    return tablestore;
  }

  get url(): string {
    return this.#server?.url ?? "";
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  /** How many requests came. */
  get requests(): number {
    return this.#server?.received.length ?? 0;
  }

  /** The table's rows: each column by its name. */
  rowsOf(table: string): Record<string, Variant>[] {
    return [...(this.tables.get(table)?.rows.values() ?? [])].map(({ keys, columns }) =>
      Object.fromEntries([...keys, ...columns]),
    );
  }

  makeTable(name: string, schema: Table["schema"]): void {
    this.tables.set(name, { schema, rows: new Map() });
  }

  /** Puts what no JSON can: binary values. */
  put(table: string, keys: readonly Column[], columns: readonly Column[]): void {
    this.tables.get(table)?.rows.set(idOf(keys), { keys, columns });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  #answer(path: string, headers: IncomingHttpHeaders, body: Buffer): Buffer {
    this.#authenticate(path, headers, body);
    const action = path.slice(1);
    if (this.denied.has(action))
      throw new Refusal(
        403,
        "OTSNoPermissionAccess",
        "You have no permission to access the resource.",
      );
    this.actions.push(action);
    const request = readMessage(body);
    switch (action) {
      case "PutRow":
        return this.#change(request, false);
      case "DeleteRow":
        return this.#change(request, true);
      case "GetRow": {
        const { table } = this.#tableOf(request);
        if (!request.has(4) && !request.has(5)) throw invalid("Neither versions nor a time range.");
        const asked = readRow(bytesOf(request, 2)[0] ?? Buffer.alloc(0));
        return writeMessage([1, consumed(1, 0)], [2, find(table, asked, textsOf(request, 3))]);
      }
      case "BatchGetRow":
        return writeMessage(
          ...bytesOf(request, 1).map((table) => [1, this.#getRows(readMessage(table))] as const),
        );
      case "DescribeTable":
        return writeMessage([1, writeMessage([1, this.#tableOf(request).name])]);
      case "ListTable":
        return writeMessage(...[...this.tables.keys()].map((name) => [1, name] as const));
      default:
        throw new Refusal(400, "OTSUnsupportOperation", `Unsupported operation: '${action}'.`);
    }
  }

  #authenticate(path: string, headers: IncomingHttpHeaders, body: Buffer): void {
    const own = Object.entries(headers)
      .filter(([name]) => name.startsWith("x-ots-") && name !== "x-ots-signature")
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    const text = `${path}\nPOST\n\n${own.map(([name, value]) => `${name}:${String(value).trim()}\n`).join("")}`;
    const header = (name: string): string => {
      const value = headers[`x-ots-${name}`];
      if (typeof value === "string") return value;
      throw new Refusal(403, "OTSAuthFailed", `Missing header: 'x-ots-${name}'.`);
    };
    if (header("accesskeyid") !== this.accessKeyId)
      throw new Refusal(403, "OTSAuthFailed", "The AccessKeyID does not exist.");
    const signature = createHmac("sha1", this.secret).update(text).digest("base64");
    if (header("signature") !== signature)
      throw new Refusal(403, "OTSAuthFailed", "Signature mismatch.");
    if (!(Math.abs(Date.now() - Date.parse(header("date"))) < 900_000))
      throw new Refusal(403, "OTSAuthFailed", "Mismatch between system time and x-ots-date.");
    if (header("contentmd5") !== createHash("md5").update(body).digest("base64"))
      throw new Refusal(
        403,
        "OTSAuthFailed",
        "Mismatch between MD5 value of request body and x-ots-contentmd5.",
      );
    if (header("apiversion") !== "2015-12-31")
      throw new Refusal(400, "OTSParameterInvalid", "Invalid API version.");
    if (header("instancename") !== this.instance)
      throw new Refusal(403, "OTSAuthFailed", "The instance is not found.");
  }

  #change(request: Message, deletes: boolean): Buffer {
    const { table } = this.#tableOf(request);
    const row = readRow(bytesOf(request, 2)[0] ?? Buffer.alloc(0));
    checkKeys(table, row);
    const [condition] = bytesOf(request, 3);
    if (condition === undefined || readMessage(condition).get(1)?.[0] !== 0)
      throw invalid("The condition is none that is known here.");
    if (row.deletes !== deletes) throw invalid("The row's delete marker is wrong.");
    for (const [name] of row.columns) checkName(name);
    if (deletes) table.rows.delete(idOf(row.keys));
    else table.rows.set(idOf(row.keys), row);
    return writeMessage([1, consumed(0, 1)]);
  }

  #getRows(request: Message): Buffer {
    const { name, table } = this.#tableOf(request);
    const keys = bytesOf(request, 2).map(readRow);
    if (keys.length === 0) throw invalid(`No row specified in table: '${name}'.`);
    if (keys.length > 100) throw invalid("Rows count exceeds the upper limit: 100.");
    if (!request.has(5) && !request.has(6)) throw invalid("Neither versions nor a time range.");
    const outage = this.rowOutage;
    this.rowOutage = undefined;
    const rows = keys.map((row) => {
      if (outage !== undefined && row.keys.some(([, { value }]) => value === outage.key)) {
        const error = writeMessage([1, outage.code], [2, outage.message]);
        return writeMessage([1, 0], [2, error]);
      }
      const found = find(table, row, textsOf(request, 4));
      return writeMessage([1, 1], [3, consumed(1, 0)], [4, found]);
    });
    return writeMessage([1, name], ...rows.map((row) => [2, row] as const));
  }

  #tableOf(request: Message): { name: string; table: Table } {
    const [name = ""] = textsOf(request, 1);
    if (!/^[a-z_]\w{0,254}$/i.test(name)) throw invalid(`Invalid table name: '${name}'.`);
    const table = this.tables.get(name);
    if (table !== undefined) return { name, table };
    throw new Refusal(404, "OTSObjectNotExist", "Requested table does not exist.");
  }
}

/** Nothing, if there is no such row; else its primary key, and what was asked for of the rest. */
function find(table: Table, asked: RowBytes, wanted: readonly string[]): Buffer {
  checkKeys(table, asked);
  if (asked.deletes || asked.columns.length > 0) throw invalid("More than a primary key.");
  if (wanted.length > 128) throw invalid("Too many columns are asked for.");
  for (const name of wanted) checkName(name);
  const found = table.rows.get(idOf(asked.keys));
  if (found === undefined) return Buffer.alloc(0);
  const columns = found.columns.filter(([name]) => wanted.length === 0 || wanted.includes(name));
  return writeRow(found.keys, columns);
}

function checkKeys({ schema }: Table, { keys }: RowBytes): void {
  const given = keys.map(([name, { kind }]) => `${name} ${kind === "BLOB" ? "BINARY" : kind}`);
  const meta = Object.entries(schema).map(([name, type]) => `${name} ${type}`);
  if (given.join() !== meta.join()) throw invalid("Validate PK failed: it is not the table's.");
  const isLong = keys.some(([, { value }]) => Buffer.byteLength(String(value)) > 1024);
  if (isLong) throw invalid("The length of a primary key column exceeds 1024 bytes.");
}

function checkName(name: string): void {
  if (!/^[a-z_]\w{0,254}$/i.test(name)) throw invalid(`Invalid column name: '${name}'.`);
}

function consumed(read: number, write: number): Buffer {
  return writeMessage([1, writeMessage([1, read], [2, write])]);
}

function idOf(keys: readonly Column[]): string {
  return JSON.stringify(keys.map(([, { kind, value }]) => [kind, String(value)]));
}
