/** A column's text; null: NULL; undefined: not sent, for it is stored elsewhere (TOAST) and has not changed. */
export type Value = string | null | undefined;
export type Row = readonly Value[];

export type RelationColumn = {
  readonly name: string;
  readonly type: number;
  /** Part of the replica identity; with `full` every column is. */
  readonly isIdentity: boolean;
};

/** A table as the server describes it, before its first change on a connection and after each change of it. */
export type Relation = {
  readonly id: number;
  readonly schema: string;
  readonly name: string;
  /** By which its rows are known: `d` primary key, `i` another index, `f` all columns, `n` nothing. */
  readonly identity: string;
  readonly columns: readonly RelationColumn[];
};

export type RowChange = {
  readonly kind: "insert" | "update" | "delete";
  readonly relation: number;
  /** The old row, as far as the replica identity gives it. */
  readonly before: Row | undefined;
  /** Of the old row there are the columns of the replica identity alone. */
  readonly beforeIsIdentity: boolean;
  readonly after: Row | undefined;
};

export type Truncation = {
  readonly kind: "truncate";
  readonly relations: readonly number[];
  readonly cascade: boolean;
  readonly restartIdentity: boolean;
};

/** What the server's plug-in `pgoutput` sends, in its protocol 1: whole transactions in the order of their commits. */
export type OutputMessage =
  | {
      readonly kind: "begin";
      /** Of the commit. */
      readonly commitLsn: bigint;
      /** Microseconds since 1970. */
      readonly committedAt: number;
      readonly transaction: number;
    }
  | { readonly kind: "commit"; /** Behind the commit. */ readonly endLsn: bigint }
  | { readonly kind: "relation"; readonly relation: Relation }
  | RowChange
  | Truncation
  /** A type, an origin, or what a later server sends. */
  | { readonly kind: "other" };

/** 2000-01-01, from which the server counts, in microseconds since 1970. */
export const serverEpoch = 946_684_800_000_000;

export function readOutput(bytes: Buffer): OutputMessage {
  const reader = new Reader(bytes);
  const kind = reader.character();
  switch (kind) {
    case "B":
      return {
        kind: "begin",
        commitLsn: reader.int64(),
        committedAt: Number(reader.int64()) + serverEpoch,
        transaction: reader.uint32(),
      };
    case "C":
      // Flags, and the commit itself.
      reader.skip(9);
      return { kind: "commit", endLsn: reader.int64() };
    case "R":
      return { kind: "relation", relation: relationOf(reader) };
    case "I":
    case "U":
    case "D":
      return rowChangeOf(reader, kind);
    case "T":
      return truncationOf(reader);
    default:
      return { kind: "other" };
  }
}

function relationOf(reader: Reader): Relation {
  const id = reader.uint32();
  // An empty name stands for the catalog's own schema.
  const schema = reader.text() || "pg_catalog";
  const name = reader.text();
  const identity = reader.character();
  const columns = Array.from({ length: reader.uint16() }, () => {
    const isIdentity = (reader.byte() & 1) === 1;
    const column = { isIdentity, name: reader.text(), type: reader.uint32() };
    reader.skip(4);
    return column;
  });
  return { id, schema, name, identity, columns };
}

function rowChangeOf(reader: Reader, letter: "I" | "U" | "D"): RowChange {
  const relation = reader.uint32();
  const which = reader.character();
  const isOld = which === "K" || which === "O";
  const before = isOld ? rowOf(reader) : undefined;
  if (isOld && letter === "U") reader.skip(1);
  return {
    kind: letter === "I" ? "insert" : letter === "U" ? "update" : "delete",
    relation,
    before,
    beforeIsIdentity: which === "K",
    after: letter === "D" ? undefined : rowOf(reader),
  };
}

function rowOf(reader: Reader): Row {
  return Array.from({ length: reader.uint16() }, (): Value => {
    switch (reader.character()) {
      case "n":
        return null;
      case "u":
        return undefined;
      default:
        return reader.counted();
    }
  });
}

function truncationOf(reader: Reader): Truncation {
  const count = reader.uint32();
  const options = reader.byte();
  return {
    kind: "truncate",
    cascade: (options & 1) !== 0,
    restartIdentity: (options & 2) !== 0,
    relations: Array.from({ length: count }, () => reader.uint32()),
  };
}

/** Reads a message from its begin. Throws a `RangeError` behind its end. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  skip(bytes: number): void {
    this.#at += bytes;
    if (this.#at > this.#bytes.length) throw new RangeError("a message has no end");
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#at++);
  }

  character(): string {
    return String.fromCharCode(this.byte());
  }

  uint16(): number {
    this.#at += 2;
    return this.#bytes.readUInt16BE(this.#at - 2);
  }

  uint32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  int64(): bigint {
    this.#at += 8;
    return this.#bytes.readBigInt64BE(this.#at - 8);
  }

  /** Up to a zero byte. */
  text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw new RangeError("a text has no end");
    const text = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end + 1;
    return text;
  }

  /** With its length before it. */
  counted(): string {
    const length = this.uint32();
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError("a value has no end");
    return this.#bytes.toString("utf8", this.#at - length, this.#at);
  }
}
