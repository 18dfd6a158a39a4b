import type { HeaderRecord } from "../http2/header-block.ts";

/** The header fields of a request, by their names in lower case. A `HeaderBlock` is one. */
export type RequestHead = {
  /** The value, pseudo-headers such as `:path` included; repeats are joined by a comma and a space. */
  get(name: string): string | undefined;
  /** All of them. Made when it is first asked for. */
  readonly record: HeaderRecord;
};

/** The same of a record as Node makes it. */
export class RecordHead implements RequestHead {
  readonly record: HeaderRecord;

  constructor(record: HeaderRecord) {
    this.record = record;
  }

  get(name: string): string | undefined {
    const value = this.record[name];
    return typeof value === "object" ? value.join(", ") : value;
  }
}
