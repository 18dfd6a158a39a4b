import { Code, GrpcFailure } from "../grpc/status.ts";
import { tooSlow, watchedCalls, type WatchedCall } from "../grpc/watched-calls.ts";

/** Ends a stream of invocations that keeps part of a payload here and does not send the rest. */
export class PayloadWatch implements WatchedCall {
  /** Bytes of payloads that have come. */
  received = 0;
  watchPlace = -1;
  readonly #isWaiting: () => boolean;
  readonly #end: (error: Error) => void;

  /** `isWaiting`: whether the rest of a payload is to come, and would be read. */
  constructor(isWaiting: () => boolean, end: (error: Error) => void) {
    this.#isWaiting = isWaiting;
    this.#end = end;
  }

  get turn(): WatchedCall["turn"] {
    return this.#isWaiting() ? "sender" : "server";
  }

  start(): void {
    watchedCalls.watch(this);
  }

  stop(): void {
    watchedCalls.forget(this);
  }

  endSlow(): void {
    this.#end(new GrpcFailure(Code.deadlineExceeded, `a payload: ${tooSlow}`));
  }

  limitReading(): void {}
}
