import { ErrorCode } from "../http2/error-code.ts";
import type { Http2Stream } from "../http2/stream.ts";

/**
 * Resets a stream whose answer was written whole when nothing of what waits of it gets out for so many milliseconds:
 * at the latest after twice as many.
 */
export function endUnread(stream: Http2Stream, milliseconds: number): void {
  let before = stream.waiting;
  const timer = setInterval(() => {
    const { waiting, isClosed } = stream;
    if (isClosed || waiting === before) {
      clearInterval(timer);
      stream.reset(ErrorCode.cancel);
    }
    before = waiting;
  }, milliseconds);
  timer.unref();
}
