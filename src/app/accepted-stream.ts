import { messageOf } from "../errors.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import { createStream } from "./create-stream.ts";
import { EventStreamError } from "./event-stream.ts";
import type { EventStreams } from "./event-streams.ts";

/** Serves a stream that the app has dialled. Throws a `GrpcFailure` when the app breaks its rules. */
export async function* acceptStream(
  streams: EventStreams,
  messages: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = createStream(streams);
  let failure: unknown;
  const read = async (): Promise<void> => {
    let reason = "the app ended its event stream";
    let properly = false;
    try {
      for await (const message of messages) {
        stream.take(message);
        if (!streams.has(stream)) streams.join(stream);
      }
      properly = true;
    } catch (error) {
      failure = error;
      reason = `the app's event stream broke: ${messageOf(error)}`;
    }
    streams.leave(stream, reason, properly);
  };
  void read();
  try {
    yield* stream.batches();
  } finally {
    streams.leave(stream, "the app's event stream ended");
  }
  if (failure instanceof EventStreamError)
    throw new GrpcFailure(Code.invalidArgument, failure.message);
}
