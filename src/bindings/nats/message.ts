import type { Msg } from "@nats-io/transport-node";
import type { Header, InboundEvent } from "../../binding.ts";
import { receivedHeaders } from "../../nats-client/headers.ts";
import { headerText } from "./headers.ts";

/** A message as a consumer has delivered it. */
export type Delivery = {
  readonly message: Msg;
  readonly stream: string;
  readonly consumer: string;
  /** In the stream. With the time it is the message's identity, also where a stream is made anew under its name. */
  readonly sequence: number;
  /** When the stream stored it, in nanoseconds since 1970. */
  readonly time: string;
  /** The number of this delivery in the consumer. */
  readonly consumerSequence: number;
  /** How often the message was delivered, this time included. */
  readonly deliveries: number;
  /** How many more wait for the consumer. */
  readonly pending: number;
};

/** Reads what the subject for acknowledgements says; `undefined`: it is none. */
export function deliveryOf(message: Msg): Delivery | undefined {
  const tokens = (message.reply ?? "").split(".");
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK") return undefined;
  // Without a domain and an account, or with both and perhaps a token that means nothing.
  const first = tokens.length === 9 ? 2 : 4;
  const stream = tokens[first];
  const consumer = tokens[first + 1];
  const deliveries = Number(tokens[first + 2]);
  const sequence = Number(tokens[first + 3]);
  const consumerSequence = Number(tokens[first + 4]);
  const time = tokens[first + 5];
  const pending = Number(tokens[first + 6]);
  if (stream === undefined || consumer === undefined || time === undefined) return undefined;
  if (!Number.isSafeInteger(deliveries) || !Number.isSafeInteger(pending)) return undefined;
  if (!Number.isSafeInteger(sequence) || !Number.isSafeInteger(consumerSequence)) return undefined;
  return { message, stream, consumer, sequence, time, consumerSequence, deliveries, pending };
}

/** Makes a delivery an event. */
export function eventOf(
  delivery: Delivery,
  rest: Pick<InboundEvent, "key" | "lease" | "settle">,
): InboundEvent {
  const { message, stream, consumer, sequence, time, consumerSequence, deliveries, pending } =
    delivery;
  const headers: Header[] = receivedHeaders(message);
  const given = headerText(headers, "nats-msg-id");
  return {
    data: message.data,
    metadata: {
      subject: message.subject,
      stream,
      consumer,
      sequence: String(sequence),
      consumerSequence: String(consumerSequence),
      timestamp: timestampOf(time),
      deliveries: String(deliveries),
      pending: String(pending),
    },
    headers,
    id: given || `${stream}-${sequence}-${time}`,
    attempt: deliveries,
    redelivered: deliveries > 1,
    key: rest.key,
    lease: rest.lease,
    settle: rest.settle,
  };
}

/** The second that was written last, since many messages share it. */
let lastSecond = "";
let lastText = "";

/** RFC 3339, to the nanosecond. */
function timestampOf(nanoseconds: string): string {
  const digits = nanoseconds.padStart(10, "0");
  const second = digits.slice(0, -9);
  if (second !== lastSecond) {
    lastText = new Date(Number(second) * 1000).toISOString().slice(0, 19);
    lastSecond = second;
  }
  return `${lastText}.${digits.slice(-9)}Z`;
}
