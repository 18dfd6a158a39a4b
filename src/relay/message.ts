import type { Msg } from "@nats-io/transport-node";

/** A message as a consumer has delivered it. */
export type Delivered = {
  readonly reply: string;
  /** In the stream. */
  readonly sequence: number;
  /** When the stream stored it, in nanoseconds since 1970: with the sequence it is the message's identity. */
  readonly time: string;
  /** The number of this delivery in the consumer; it begins with 1 when the consumer begins again. */
  readonly consumerSequence: number;
  /** How often it was delivered since, this time included. */
  readonly deliveries: number;
};

/** Reads what the subject for acknowledgements says; `undefined`: it is none. */
export function deliveredOf(message: Msg): Delivered | undefined {
  const reply = message.reply ?? "";
  const tokens = reply.split(".");
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK") return undefined;
  // Without a domain and an account, or with both and perhaps a token that means nothing.
  const first = tokens.length === 9 ? 4 : 6;
  const [deliveries, sequence, consumerSequence] = tokens.slice(first, first + 3).map(Number);
  const time = tokens[first + 3];
  if (deliveries === undefined || sequence === undefined || consumerSequence === undefined)
    return undefined;
  if (!Number.isSafeInteger(sequence) || time === undefined) return undefined;
  return { reply, sequence, time, consumerSequence, deliveries };
}
