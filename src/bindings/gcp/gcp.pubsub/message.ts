import type { ReceivedMessage } from "../pubsub-messages.ts";
import type { PubsubEvent } from "../subscription-reader.ts";

const second = 1_000_000_000n;

/** A message as its event. */
export function eventOf(message: ReceivedMessage): PubsubEvent {
  const { data, id, publishTime, attributes, orderingKey } = message;
  return {
    data,
    id,
    metadata: {
      id,
      publishTime: formatTime(publishTime),
      ...(orderingKey === "" ? {} : { orderingKey }),
    },
    headers: attributes.map(([name, value]) => ({ name, value: Buffer.from(value) })),
  };
}

/** The way Go prints a time in UTC: `2026-11-23 02:56:46.808 +0000 UTC`, the fraction without trailing zeros. */
function formatTime(nanoseconds: bigint): string {
  const [date = "", time = ""] = new Date(Number(nanoseconds / second) * 1000)
    .toISOString()
    .slice(0, 19)
    .split("T");
  const digits = (nanoseconds % second).toString().padStart(9, "0").replace(/0+$/, "");
  return `${date} ${time}${digits === "" ? "" : `.${digits}`} +0000 UTC`;
}
