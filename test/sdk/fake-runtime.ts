import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import {
  AppMessageSchema,
  DeliveredEventSchema,
  EventBatchSchema,
  type AppMessage,
} from "../../gen/cufflink/v1/event_streams_pb.ts";
import type { EventStream } from "../../src/sdk/event-stream.ts";
import { until } from "../until.ts";

/** The runtime's end of an event stream, without a wire: it sends what a test says, and keeps what it is told. */
export class FakeRuntime {
  readonly messages: AppMessage[] = [];
  /** What became of each delivery: `handled`, or the outcome's name. */
  readonly settled = new Map<number, string>();
  /** The deliveries in the order in which they were settled. */
  readonly order: number[] = [];
  credit = 0;
  ended = false;
  readonly #stream: EventStream;
  #delivery = 0;

  constructor(stream: EventStream) {
    this.#stream = stream;
    void this.#read();
  }

  /** Sends one batch; resolves to nothing, answers the numbers of the deliveries. */
  send(
    events: readonly {
      lane?: number;
      epoch?: number;
      text?: string;
      id?: string;
      more?: MessageInitShape<typeof DeliveredEventSchema>;
    }[],
    binding = "orders",
  ): number[] {
    this.credit -= events.length;
    const deliveries: number[] = [];
    const messages = events.map(({ lane = 0, epoch = 1, text = "", id = "", more }) => {
      const event = { data: Buffer.from(text), id };
      const message = create(DeliveredEventSchema, more ?? { lane, epoch, attempt: 1, event });
      message.delivery = ++this.#delivery;
      deliveries.push(message.delivery);
      return message;
    });
    this.#stream.receive(
      toBinary(EventBatchSchema, create(EventBatchSchema, { binding, events: messages })),
    );
    return deliveries;
  }

  async untilSettled(count: number): Promise<void> {
    await until(() => this.settled.size >= count, {
      what: () => `${count} settlements, so far ${this.settled.size}`,
    });
  }

  async #read(): Promise<void> {
    for await (const bytes of this.#stream.messages()) {
      const message = fromBinary(AppMessageSchema, bytes);
      this.messages.push(message);
      this.credit += message.credit;
      for (const delivery of message.handled) this.#note(delivery, "handled");
      for (const { delivery, outcome } of message.settlements)
        this.#note(delivery, outcome.case ?? "nothing");
    }
    this.ended = true;
  }

  #note(delivery: number, outcome: string): void {
    if (this.settled.has(delivery)) throw new Error(`delivery ${delivery} was settled twice`);
    this.settled.set(delivery, outcome);
    this.order.push(delivery);
  }
}
