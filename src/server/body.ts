import type { HttpRequest } from "../rpc/http-message.ts";

/** A request body over the limit. */
export class TooLarge extends Error {
  override readonly name = "TooLarge";
  /** What came up to the limit. */
  readonly start: Buffer;

  constructor(message: string, start: Buffer) {
    super(message);
    this.start = start;
  }
}

/** Reads a whole body, at most `limit` bytes. Rejects with {@link TooLarge}, or when the caller goes away. */
export function readBody(request: HttpRequest, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let first: Buffer | undefined;
    let chunks: Buffer[] | undefined;
    let size = 0;
    const whole = (): Buffer =>
      chunks === undefined ? (first ?? noBytes) : Buffer.concat(chunks, size);
    request.on("data", (chunk: Buffer) => {
      const before = size;
      size += chunk.length;
      if (before > limit) {
        // Read on a while, so that the caller gets to see the answer, but not without end.
        if (size > limit + drainLimit) request.destroy();
        return;
      }
      if (first === undefined) first = chunk;
      else if (chunks === undefined) chunks = [first, chunk];
      else chunks.push(chunk);
      if (size <= limit) return;
      const announced = Number(request.headers["content-length"] ?? 0);
      const said = announced > 0 ? `${announced} bytes` : `more than ${limit} bytes`;
      const message = `stream too large: the body has ${said}, the limit is ${limit}; see --max-body-size`;
      reject(new TooLarge(message, whole().subarray(0, limit)));
      first = chunks = undefined;
    });
    request.on("end", () => {
      if (size <= limit) resolve(whole());
    });
    request.on("error", reject);
    request.on("close", () => {
      // Each request closes in the end; an error costs its stack.
      if (!request.readableEnded) reject(new Error("the caller went away"));
    });
  });
}

const noBytes = Buffer.alloc(0);
const drainLimit = 64 * 1024 * 1024;
