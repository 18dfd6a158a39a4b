import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import {
  AppMessageSchema,
  EventBatchSchema,
  type DeliveredEvent,
} from "../../gen/cufflink/v1/event_streams_pb.ts";

/** A message of the app, as bytes. */
export function appMessage(message: MessageInitShape<typeof AppMessageSchema>): Uint8Array {
  return toBinary(AppMessageSchema, create(AppMessageSchema, message));
}

/** The app's end of a stream that no transport carries: pulls the batches and keeps the events. */
export class StreamPeer {
  readonly events: DeliveredEvent[] = [];
  readonly batches: { binding: string; events: string[] }[] = [];
  ended = false;

  constructor(batches: AsyncIterable<Uint8Array>) {
    void this.#pull(batches);
  }

  get texts(): string[] {
    return this.events.map(textOf);
  }

  /** The number of the delivery with this payload that came last. */
  numberOf(text: string): number {
    const event = this.events.findLast((one) => textOf(one) === text);
    if (event === undefined) throw new Error(`${text} has not come`);
    return event.delivery;
  }

  async #pull(batches: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const bytes of batches) {
      const { binding, events } = fromBinary(EventBatchSchema, bytes);
      this.events.push(...events);
      this.batches.push({ binding, events: events.map(textOf) });
    }
    this.ended = true;
  }
}

function textOf({ event }: DeliveredEvent): string {
  return Buffer.from(event?.data ?? []).toString();
}
