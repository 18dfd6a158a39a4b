import type { Http2Stream, StreamListener } from "../http2/stream.ts";
import { plainHead, statusFields } from "./answer-fields.ts";
import { GrpcFailure } from "./status.ts";

/** For a stream that was answered, and of which nothing more is wanted. */
export const answered: StreamListener = { data() {}, ended() {}, closed() {} };

/** Answers a call by its status alone, whatever may still come of its request. */
export function refuseCall(stream: Http2Stream, code: number, message: string): StreamListener {
  stream.listener = answered;
  sendStatus(stream, statusFields(new GrpcFailure(code, message)));
  return answered;
}

/** Sends trailers as the whole answer; a caller that is still sending is told to stop without it looking like a failure. */
export function sendStatus(stream: Http2Stream, trailers: readonly string[]): void {
  stream.sendHeaders([...plainHead, ...trailers], true);
  if (stream.isReceived) return;
  stream.endEarly();
  // What waits to be read is not wanted any more.
  stream.resume();
}
