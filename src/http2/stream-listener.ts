import type { StreamEnd } from "./closed-streams.ts";
import type { HeaderBlock } from "./header-block.ts";

/** How a stream ended before both sides had said all. */
export type StreamReset = {
  /** One of `ErrorCode`; of a connection that was lost `noError`. */
  readonly code: number;
  /** Who ended it; `connection`: it went with its connection. */
  readonly by: "peer" | "local" | "connection";
  /** The peer has certainly not processed it: REFUSED_STREAM, or above the last stream of its GOAWAY. */
  readonly isUnprocessed: boolean;
  /** For people. */
  readonly reason: string;
};

/** What is told of a stream. Its methods may call any method of the stream. */
export type StreamListener = {
  /**
   * The head of the final response; `isLast`: it has no body, and `ended` follows. Only for clients: on servers the stream
   * begins with its head.
   */
  headers?(block: HeaderBlock, isLast: boolean): void;
  /** A part of the body, never empty: a view of what was read. What is kept long should be copied. */
  data(part: Buffer): void;
  /** The other side's message is whole. Called at most once, and not after a reset. */
  ended(trailers: HeaderBlock | undefined): void;
  /** `write` answered false, and there is room again. */
  drained?(): void;
  /** The stream is over, and nothing more is told. `undefined`: both sides have said all. Called once, always. */
  closed(reset: StreamReset | undefined): void;
};

/** How a closed stream is remembered. */
export function endOf(reset: StreamReset | undefined): StreamEnd {
  if (reset === undefined) return "ended";
  return reset.by === "peer" ? "byPeer" : "byUs";
}
