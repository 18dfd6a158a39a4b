import type { HttpRequest } from "./http-message.ts";

/** A request body over the limit. */
export class TooLarge extends Error {
  override readonly name = "TooLarge";
}

/** Reads a whole body, at most `limit` bytes. Rejects with {@link TooLarge}, or when the caller goes away. */
export function readBody(request: HttpRequest, limit: number): Promise<Buffer> {
  const announced = Number(request.headers["content-length"] ?? 0);
  return new Promise((resolve, reject) => {
    let first: Buffer | undefined;
    let chunks: Buffer[] | undefined;
    let size = 0;
    let refused = announced > limit;
    const refuse = (): void => {
      refused = true;
      const said = announced > 0 ? `${announced} bytes` : `more than ${size - 1} bytes`;
      reject(new TooLarge(`stream too large: the body has ${said}, the limit is ${limit}; see --max-body-size`));
    };
    if (refused) refuse();
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (refused) {
        // Read on a while, so that the caller gets to see the answer, but not without end.
        if (size > limit + drainLimit) request.destroy();
        return;
      }
      if (size > limit) refuse();
      else if (first === undefined) first = chunk;
      else if (chunks === undefined) chunks = [first, chunk];
      else chunks.push(chunk);
    });
    request.on("end", () => resolve(chunks === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(chunks, size)));
    request.on("error", reject);
    request.on("close", () => reject(new Error("the caller went away")));
  });
}

const drainLimit = 64 * 1024 * 1024;
