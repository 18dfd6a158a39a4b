import type { QueueMessage } from "../queue-client.ts";
import type { MessageEvent } from "../queue-reader.ts";

/** What the app is told of a message, as Dapr does. `badBase64`: told once a text is none, which is delivered as it is. */
export function eventOf(
  message: QueueMessage,
  decodeBase64: boolean,
  badBase64: (id: string) => void,
): MessageEvent {
  const { id, text, popReceipt, dequeueCount } = message;
  return {
    data: decodeBase64 ? decode(text, () => badBase64(id)) : Buffer.from(text),
    metadata: {
      messageID: id,
      popReceipt,
      insertionTime: rfc3339(message.insertionTime),
      expirationTime: rfc3339(message.expirationTime),
      nextVisibleTime: rfc3339(message.nextVisibleTime),
      dequeueCount: String(dequeueCount),
    },
  };
}

function decode(text: string, bad: () => void): Buffer {
  // Go's decoder passes over ends of lines, and over nothing else.
  const joined = text.replaceAll(/[\r\n]/g, "");
  if (joined.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(joined))
    return Buffer.from(joined, "base64");
  bad();
  return Buffer.from(text);
}

function rfc3339(time: string): string {
  const milliseconds = Date.parse(time);
  return Number.isNaN(milliseconds)
    ? ""
    : new Date(milliseconds).toISOString().replace(".000Z", "Z");
}
