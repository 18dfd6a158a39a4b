import type { Wire } from "./wire.ts";

/** What the program on top of a connection has seen of one stream. */
export class StreamSeen {
  head: string | undefined;
  body = "";
  isEnded = false;
  trailers: string | undefined;
  /** The code that it was closed with; 0: well, or with its connection. */
  closed: number | undefined;
}

/** What came of an input: what the program has seen, what was sent back, how the connection ended. */
export type Seen = {
  readonly streams: ReadonlyMap<number, StreamSeen>;
  /** Of each stream what was sent back for it. */
  readonly told: ReadonlyMap<number, readonly string[]>;
  readonly isEnded: boolean;
  /** How many phases it has seen the begin of. */
  readonly lasted: number;
  /** The code of the last GOAWAY. */
  readonly goaway: number | undefined;
  /** Why it has ended, where that is known. */
  readonly reason: string | undefined;
};

export class Streams extends Map<number, StreamSeen> {
  of(id: number): StreamSeen {
    const known = this.get(id);
    if (known !== undefined) return known;
    const made = new StreamSeen();
    this.set(id, made);
    return made;
  }
}

/** A header list as one text. */
export function listed(raw: readonly string[]): string {
  return raw.map((text) => JSON.stringify(text)).join(" ");
}

/** A side under test that runs input after input, each on a connection of its own. */
export type Side = AsyncDisposable & {
  /** Opens a connection and hands its other end over. */
  connect(): Promise<Running>;
};

export type Running = {
  readonly wire: Wire;
  readonly streams: Streams;
  readonly reason: string | undefined;
  /** Does something on a stream, where it is open. */
  act(stream: number, what: "answer" | "answerBody" | "reset"): void;
  close(): void;
};
