import type { ClientHttp2Stream, ServerHttp2Stream } from "node:http2";
import type { StreamListener } from "../../../src/http2/stream.ts";
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

/** Notes what one of our streams tells. */
export function noting(seen: StreamSeen, closed: () => void): StreamListener {
  return {
    headers: (block) => void (seen.head = listed(block.raw)),
    data: (part) => void (seen.body += part.toString("latin1")),
    ended(trailers) {
      seen.isEnded = true;
      seen.trailers = trailers && listed(trailers.raw);
    },
    closed(reset) {
      seen.closed = reset?.code ?? 0;
      closed();
    },
  };
}

/** The same for one of Node's. */
export function noteNodes(
  stream: ClientHttp2Stream | ServerHttp2Stream,
  seen: StreamSeen,
  closed: () => void,
): void {
  const events: NodeJS.EventEmitter = stream;
  events.on("response", (_headers, _flags, raw: string[]) => {
    seen.head = listed(raw);
  });
  events.on("data", (part: Buffer) => (seen.body += part.toString("latin1")));
  events.on("trailers", (_trailers, _flags, raw: string[]) => (seen.trailers = listed(raw)));
  // It ends also when it is reset.
  events.on("end", () => (seen.isEnded = stream.rstCode === 0));
  events.on("error", () => undefined);
  events.on("close", () => {
    seen.closed = stream.rstCode;
    closed();
  });
}

/** What came of an input: what the program has seen, what was sent back, how the connection ended. */
export type Seen = {
  readonly streams: ReadonlyMap<number, StreamSeen>;
  /** Of each stream what was sent back for it. */
  readonly told: ReadonlyMap<number, readonly string[]>;
  readonly isEnded: boolean;
  /** Whether it neither answered nor ended in time. */
  readonly isSilent: boolean;
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
