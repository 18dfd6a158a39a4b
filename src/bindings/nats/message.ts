import type { Msg } from "@nats-io/transport-node";
import type { Header, InboundEvent } from "../../binding.ts";
import { headerText, receivedHeaders } from "./headers.ts";

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
  const own = tokens.length === 9 ? tokens.slice(2) : tokens.slice(4);
  const [stream, consumer, deliveries, sequence, consumerSequence, time, pending] = own;
  if (stream === undefined || consumer === undefined || time === undefined) return undefined;
  const numbers = [deliveries, sequence, consumerSequence, pending].map(Number);
  if (numbers.some((one) => !Number.isSafeInteger(one))) return undefined;
  const [delivered = 0, inStream = 0, inConsumer = 0, left = 0] = numbers;
  return {
    ...{ message, stream, consumer, time, sequence: inStream, consumerSequence: inConsumer },
    ...{ deliveries: delivered, pending: left },
  };
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
      ...{ stream, consumer },
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
    ...rest,
  };
}

/** RFC 3339, to the nanosecond. */
function timestampOf(nanoseconds: string): string {
  const digits = nanoseconds.padStart(10, "0");
  const seconds = new Date(Number(digits.slice(0, -9)) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${digits.slice(-9)}Z`;
}
