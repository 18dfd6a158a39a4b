import type { HeaderField } from "./header-field.ts";

/**
 * A header record as Node shapes it: repeats joined by ", " (of cookie by "; "), set-cookie an array, the first one of headers that
 * have a single value. Null prototype.
 */
export type HeaderRecord = { readonly [name: string]: string | string[] | undefined };

/** Headers whose first value counts where there are several, as in node:http2. */
const single: ReadonlySet<string> = new Set(
  (
    ":status|:method|:authority|:scheme|:path|:protocol|access-control-allow-credentials|access-control-max-age|" +
    "access-control-request-method|age|authorization|content-encoding|content-language|content-length|content-location|" +
    "content-md5|content-range|content-type|date|dnt|etag|expires|from|host|if-match|if-modified-since|if-none-match|" +
    "if-range|if-unmodified-since|last-modified|location|max-forwards|proxy-authorization|range|referer|retry-after|tk|" +
    "upgrade-insecure-requests|user-agent|x-content-type-options"
  ).split("|"),
);

/** A decoded header block. */
export class HeaderBlock {
  readonly fields: readonly HeaderField[];
  /** The sum of the sizes of `fields`. */
  readonly size: number;
  /** The list was larger than allowed: the fields beyond are left out. */
  readonly isTooLarge: boolean;
  #record: HeaderRecord | undefined;
  #raw: string[] | undefined;

  constructor(fields: readonly HeaderField[], size: number, isTooLarge: boolean) {
    this.fields = fields;
    this.size = size;
    this.isTooLarge = isTooLarge;
  }

  /** The value of a header, joined as in `record`; of set-cookie the values by ", ". */
  get(name: string): string | undefined {
    const { fields } = this;
    for (let index = 0; index < fields.length; index++) {
      const field = fields[index] as HeaderField;
      if (field.name === name) return this.#rest(index, field);
    }
    return undefined;
  }

  get record(): HeaderRecord {
    return (this.#record ??= makeRecord(this.fields));
  }

  /** Names and values in turn. */
  get raw(): string[] {
    if (this.#raw === undefined) {
      this.#raw = [];
      for (const field of this.fields) this.#raw.push(field.name, field.value);
    }
    return this.#raw;
  }

  #rest(first: number, { name, value }: HeaderField): string {
    const { fields } = this;
    let joined = value;
    for (let index = first + 1; index < fields.length; index++) {
      const field = fields[index] as HeaderField;
      if (field.name !== name) continue;
      if (single.has(name)) return value;
      joined += (name === "cookie" ? "; " : ", ") + field.value;
    }
    return joined;
  }
}

function makeRecord(fields: readonly HeaderField[]): HeaderRecord {
  const record = Object.create(null) as Record<string, string | string[] | undefined>;
  for (const { name, value } of fields) {
    const before = record[name];
    if (before === undefined) record[name] = name === "set-cookie" ? [value] : value;
    else if (typeof before === "object") before.push(value);
    else if (!single.has(name)) record[name] = before + (name === "cookie" ? "; " : ", ") + value;
  }
  return record;
}
