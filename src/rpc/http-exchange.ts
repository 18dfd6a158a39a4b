import type { RequestHead } from "../grpc/request-head.ts";

/** Who reads the body of a request. */
export type BodyReader = {
  /** A part of it, which may be a view of more: copy what is kept long. */
  data(chunk: Buffer): void;
  /** It has come whole. */
  ended(): void;
  /** The rest of it will not come, or nobody wants it any more: the caller has gone, or the answer has ended. */
  gone(): void;
};

/** A request and its answer, the same for HTTP/1.1 and HTTP/2. */
export type HttpExchange = RequestHead & {
  readonly isHttp2: boolean;
  /** Whether it came by TLS. */
  readonly isSecure: boolean;
  readonly method: string;
  /** As it was sent: a path with its query, or a whole URL. */
  readonly target: string;
  /** The address at which it came in; `undefined`: by a Unix socket. */
  readonly localAddress: string | undefined;

  /** Hands the body to the reader, now and later. Once. What was not read when the answer ends is thrown away. */
  read(reader: BodyReader): void;
  /** No more of the body is handed over, which stops its sender sooner or later. */
  pause(): void;
  /** May hand over what has come meanwhile before it returns. */
  resume(): void;

  /** A header of the answer, in place of one of the same name. One that the protocol does not have is
   * left out, and so are all once the headers were sent. */
  setHeader(name: string, value: string | readonly string[]): void;
  readonly headersSent: boolean;
  /** Answers, whole. */
  answer(status: number, body?: Uint8Array): void;
  /** Begins an answer that comes in parts. */
  begin(status: number): void;
  /** False: wait for {@link whenDrained} before the next part. The bytes must not change any more. */
  write(bytes: Uint8Array): boolean;
  /** There is room for the next part, or nobody is there to read it. */
  whenDrained(): Promise<void>;
  /** Ends an answer that comes in parts. Trailers: names and values in turn. */
  end(trailers?: readonly string[]): void;
  /** Whether the answer was given whole; it may still be on its way. */
  readonly isEnded: boolean;
  /** Ends it without an answer, or without the rest of one. Over HTTP/1.1 that ends the connection. */
  abort(): void;
  /** The answer is out, or the caller has gone. */
  readonly isClosed: boolean;
  /** Calls back once it is closed; at once where it is. */
  onClosed(done: () => void): void;
};

/** Whether its messages come in envelopes, so that it may be a stream. */
export function isStreamed(request: Pick<RequestHead, "get">): boolean {
  return /^application\/(connect\+|grpc)/.test(request.get("content-type") ?? "");
}

/** The path of a target, without its query. */
export function pathOf(target: string): string {
  return target.split("?", 1)[0] ?? "";
}

/** Whether a body comes in chunks so small that each costs more than what is in it: some microseconds. */
export function isDribble(bytes: number, chunks: number): boolean {
  return chunks > mostChunks && bytes < chunks * smallestChunk;
}

/** After so many chunks they must be so large on average, in bytes. */
const mostChunks = 1000;
const smallestChunk = 32;
