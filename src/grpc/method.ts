import type { RequestHead } from "./request-head.ts";
import type { ResponseHeaders } from "./status.ts";

/** What a method is told about its call, and how it says metadata. */
export type CallContext = {
  /** Request metadata as HTTP/2 carried it. */
  readonly head: RequestHead;
  /** Aborted when the caller cancelled, its deadline passed or the call ended. Made when it is first asked for. */
  readonly signal: AbortSignal;
  /** When the call must be over, on the clock of `performance.now()`; `undefined`: never. */
  readonly deadline: number | undefined;
  /** Adds metadata before the first message; too late once that was sent. It goes out with a failure too. */
  setHeaders(headers: ResponseHeaders): void;
  /** Adds metadata after the last message, beside the status. */
  setTrailers(trailers: ResponseHeaders): void;
  /**
   * Counts bytes that the method keeps of what its caller has sent, until the call ends. Throws where there is no
   * room for them. The message of a unary method is counted already.
   */
  reserve(bytes: number): void;
  /** Sends the headers now, so that the caller of a stream sees that it was taken before there is a message. */
  sendHeaders(): void;
};

/**
 * A method with one encoded message each way, which must not change once it was returned. What it throws should be a
 * `GrpcFailure`; else it is UNKNOWN.
 */
export type UnaryMethod = (message: Uint8Array, context: CallContext) => Promise<Uint8Array>;

/**
 * A method with any number of encoded messages each way. Neither side is read faster than it is taken: the
 * caller's messages as the method asks for them, the method's as the caller reads. A message must not change
 * after it was yielded. When the call ends early, `requests` rejects and the answers' `return` is called.
 */
export type StreamMethod = (
  requests: AsyncIterable<Uint8Array>,
  context: CallContext,
) => AsyncIterable<Uint8Array>;

export type GrpcMethod =
  | { readonly kind: "unary"; readonly handle: UnaryMethod }
  | { readonly kind: "stream"; readonly handle: StreamMethod };
