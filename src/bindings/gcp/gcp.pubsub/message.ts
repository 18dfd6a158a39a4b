import type { ReceivedMessage } from "../pubsub-messages.ts";
import type { PubsubEvent } from "../subscription-reader.ts";

const second = 1_000_000_000n;

/** A message as its event. */
export function eventOf(message: ReceivedMessage): PubsubEvent {
  const { data, id, publishTime, attributes, orderingKey } = message;
  const time = formatTime(publishTime);
  return {
    data,
    id,
    metadata:
      orderingKey === "" ? { id, publishTime: time } : { id, publishTime: time, orderingKey },
    headers: attributes.map(([name, value]) => ({ name, value: Buffer.from(value) })),
  };
}

let lastSecond = -1n;
let lastText = "";

/** The way Go prints a time in UTC: `2026-11-23 02:56:46.808 +0000 UTC`, the fraction without trailing zeros. */
function formatTime(nanoseconds: bigint): string {
  const seconds = nanoseconds / second;
  // Many messages are of the same second.
  if (seconds !== lastSecond) {
    const iso = new Date(Number(seconds) * 1000).toISOString();
    lastText = iso.slice(0, 19).replace("T", " ");
    lastSecond = seconds;
  }
  const rest = nanoseconds - seconds * second;
  const digits = rest === 0n ? "" : rest.toString().padStart(9, "0").replace(/0+$/, "");
  return `${lastText}${digits === "" ? "" : `.${digits}`} +0000 UTC`;
}
