import { ByteParts } from "../memory/byte-parts.ts";
import { bytesPassed } from "../memory/garbage-collection.ts";
import { tooSlow, watchedCalls, type WatchedCall } from "../grpc/watched-calls.ts";
import { noRoom, type Reservation } from "../memory/budget.ts";
import type { HttpRequest } from "../rpc/http-message.ts";

/** A request body over the limit. */
export class TooLarge extends Error {
  override readonly name = "TooLarge";
}

/** A request body for which there is no memory now. */
export class NoRoom extends Error {
  override readonly name = "NoRoom";
}

/** A request body that has stopped, or drips. */
export class TooSlow extends Error {
  override readonly name = "TooSlow";
}

/**
 * Reads a whole body, at most `limit` bytes, which `memory` holds from then on. Rejects with {@link TooLarge},
 * {@link NoRoom} or {@link TooSlow}, or when the caller goes away.
 */
export function readBody(
  request: HttpRequest,
  limit: number,
  memory: Reservation,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts = new ByteParts();
    let size = 0;
    let chunks = 0;
    let isRefused = false;
    const refuse = (error: Error): void => {
      isRefused = true;
      parts.clear();
      reject(error);
    };
    // Over HTTP/1.1 the connection is watched, whoever reads the request.
    const watched: WatchedCall | undefined =
      request.httpVersionMajor < 2
        ? undefined
        : {
            turn: "sender",
            watchPlace: -1,
            get received() {
              return size;
            },
            endSlow: () => refuse(new TooSlow(tooSlow)),
            limitReading() {},
          };
    if (watched !== undefined) watchedCalls.watch(watched);
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (++chunks > mostChunks && size < chunks * smallestChunk) return void request.destroy();
      if (isRefused) {
        bytesPassed(chunk.length);
        // Read on a while, so that the caller gets to see the answer, but not without end.
        if (size > limit + drainLimit) request.destroy();
        return;
      }
      if (!memory.reserve(chunk.length)) {
        return refuse(new NoRoom(noRoom));
      }
      parts.add(chunk);
      if (size <= limit) return;
      const announced = Number(request.headers["content-length"] ?? 0);
      const said = announced > 0 ? `${announced} bytes` : `more than ${limit} bytes`;
      const message = `stream too large: the body has ${said}, the limit is ${limit}; see --max-body-size`;
      refuse(new TooLarge(message));
    });
    request.on("end", () => {
      if (isRefused) return;
      resolve(parts.whole());
    });
    request.on("error", reject);
    request.on("close", () => {
      if (watched !== undefined) watchedCalls.forget(watched);
      parts.clear();
      // Each request closes in the end; an error costs its stack.
      if (!request.readableEnded) reject(new Error("the caller went away"));
    });
  });
}

/** After so many chunks they must be so large on average, in bytes: each costs some microseconds, whatever is in it. */
const mostChunks = 1000;
const smallestChunk = 32;
const drainLimit = 64 * 1024 * 1024;
