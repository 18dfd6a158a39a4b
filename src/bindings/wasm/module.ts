/** What a guest's module is refused for: a sentence without its full stop. */
export class GuestRefused extends Error {}

/** What a module says of itself, read without running or compiling any of it. */
export type Guest = {
  /** The module, its memory and tables bounded. */
  readonly bytes: Uint8Array;
  /** The functions that it wants: the module's name, and the function's. */
  readonly imports: readonly (readonly [module: string, name: string])[];
};

const pageBytes = 65_536;
/** Entries of all tables, which are pointers. */
const mostEntries = 1_000_000;
const mostImports = 1000;
const [importSection, tableSection, memorySection] = [2, 4, 5];
const hasMaximum = 1;

/** The parts of `wasi-http`, as Dapr's runtime of guests names them. */
const httpModules = new Set(["default-outgoing-HTTP", "types", "streams"]);

/** Reads a module, and gives its memory and tables a maximum. Throws {@link GuestRefused}. */
export function readGuest(bytes: Uint8Array, maxMemory: number): Guest {
  const reader = new ModuleReader(bytes);
  if (reader.bytes(4).toString("latin1") !== "\0asm") throw new GuestRefused("it is no module");
  const version = reader.bytes(4).readUInt32LE();
  if (version !== 1)
    throw new GuestRefused("it is a component, not a module: build it for WASI preview 1 (wasip1)");
  const parts: Buffer[] = [Buffer.from(bytes.subarray(0, 8))];
  let imports: Guest["imports"] = [];
  while (!reader.isAtEnd) {
    const id = reader.byte();
    const content = reader.bytes(reader.number());
    const section = new ModuleReader(content);
    if (id === importSection) imports = readImports(section);
    const bounded =
      id === memorySection
        ? boundedMemories(section, maxMemory)
        : id === tableSection
          ? boundedTables(section)
          : content;
    parts.push(Buffer.of(id), numberBytes(bounded.length), bounded);
  }
  return { bytes: Buffer.concat(parts), imports };
}

/** Throws {@link GuestRefused} where a guest wants what is not there. `known`: the functions of WASI preview 1. */
export function refuseUnknownImports({ imports }: Guest, known: ReadonlySet<string>): void {
  const http = imports.find(
    ([module]) => httpModules.has(module) || module.startsWith("wasi:http"),
  );
  if (http !== undefined)
    throw new GuestRefused(
      `it needs wasi-http (it imports ${named(http)}), which is not there: let the app make the request, by the binding http`,
    );
  const unknown = imports.filter(
    ([module, name]) => module !== "wasi_snapshot_preview1" || !known.has(name),
  );
  if (unknown.length > 0)
    throw new GuestRefused(
      `it imports ${unknown.slice(0, 5).map(named).join(", ")}${unknown.length > 5 ? " …" : ""}; only WASI preview 1 (wasi_snapshot_preview1) is there`,
    );
}

function named([module, name]: readonly [string, string]): string {
  return JSON.stringify(`${module}.${name}`.slice(0, 100));
}

function readImports(reader: ModuleReader): [string, string][] {
  const count = reader.number();
  if (count > mostImports) throw new GuestRefused(`it has more than ${mostImports} imports`);
  return Array.from({ length: count }, () => {
    const [module, name] = [reader.text(), reader.text()] as const;
    const kind = reader.byte();
    if (kind !== 0)
      throw new GuestRefused(
        `it imports ${named([module, name])}, which is no function; only those of WASI preview 1 are there`,
      );
    reader.number();
    return [module, name];
  });
}

type Limits = { readonly least: number; readonly most: number | undefined };

function boundedMemories(reader: ModuleReader, maxMemory: number): Buffer {
  const count = reader.number();
  if (count > 1) throw new GuestRefused("it has more than one memory");
  const pages = Math.floor(maxMemory / pageBytes);
  const memories = Array.from({ length: count }, () => {
    const { least, most = pages } = reader.limits("memory");
    if (least > pages)
      throw new GuestRefused(
        `it asks for ${least} pages of memory at its start, which is more than maxMemory (${pages} pages)`,
      );
    return limitBytes({ least, most: Math.min(most, pages) });
  });
  return Buffer.concat([numberBytes(count), ...memories]);
}

function boundedTables(reader: ModuleReader): Buffer {
  const count = reader.number();
  let remaining = mostEntries;
  const tables: Buffer[] = [];
  for (let at = 0; at < count; at++) {
    const type = reader.byte();
    // References to functions and to what is outside: those of the first version.
    if (type !== 0x70 && type !== 0x6f)
      throw new GuestRefused("it has a table of a kind that is not supported");
    const { least, most } = reader.limits("table");
    if (least > remaining)
      throw new GuestRefused(`its tables have more than ${mostEntries} entries`);
    // One that may grow may be as large as its start alone, or all that remain.
    const bounded = Math.min(most ?? remaining, remaining);
    remaining -= Math.max(least, bounded);
    tables.push(Buffer.of(type), limitBytes({ least, most: Math.max(least, bounded) }));
  }
  return Buffer.concat([numberBytes(count), ...tables]);
}

function limitBytes({ least, most = 0 }: Limits): Buffer {
  return Buffer.concat([Buffer.of(hasMaximum), numberBytes(least), numberBytes(most)]);
}

/** LEB128. */
function numberBytes(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}

/** Reads a module's parts one after another. Throws {@link GuestRefused} when it is cut off. */
class ModuleReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  bytes(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new GuestRefused("it is no module, or cut off");
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  byte(): number {
    return this.bytes(1).readUInt8();
  }

  /** LEB128 of up to 32 bits. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 5; shift++) {
      const byte = this.byte();
      value += (byte & 0x7f) * 128 ** shift;
      if (byte < 0x80) return value;
    }
    throw new GuestRefused("it is no module: a number in it is too long");
  }

  text(): string {
    return this.bytes(this.number()).toString("utf8");
  }

  limits(what: string): Limits {
    const flags = this.byte();
    if (flags > hasMaximum)
      throw new GuestRefused(`its ${what} is shared or of 64 bits, which is not supported`);
    const least = this.number();
    return { least, most: flags === hasMaximum ? this.number() : undefined };
  }
}
