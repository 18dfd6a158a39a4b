import { EventStream, type EventStreamOptions } from "./event-stream.ts";
import type { EventStreams } from "./event-streams.ts";

/** Makes a stream that is not part of them yet. */
export function createStream(
  streams: EventStreams,
  options: Pick<EventStreamOptions, "isAvailable" | "numbers" | "onNeeded"> = {},
): EventStream {
  return new EventStream({ ...options, logger: streams.logger, onRoom: () => streams.roomMade() });
}
