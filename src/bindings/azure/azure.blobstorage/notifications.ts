import type { Reader, Reading } from "../../../binding.ts";
import { BindingError } from "../../../errors.ts";
import { assuredBytes, type Reservation } from "../../../memory/budget.ts";
import { objectEvent } from "../../../object-source/object.ts";
import { readOnHandled } from "../../../object-source/on-handled.ts";
import type { MemoryShare } from "../../../memory/budget.ts";
import { QueueClient, type QueueMessage } from "../queue-client.ts";
import { QueueReader, type MessageEvent } from "../queue-reader.ts";
import { isDenied } from "../storage-failures.ts";
import { StorageClient } from "../storage-client.ts";
import { queueAccountOf, type Tools } from "./account.ts";
import type { Account } from "../storage-connection-string.ts";
import type { Container } from "./container.ts";
import type { BlobMetadata, blobFields } from "./fields.ts";
import { newBlobs, type NewBlob } from "./notification-message.ts";
import { unlessGone } from "./source.ts";

export type NotificationQueue = AsyncDisposable & {
  readonly client: QueueClient;
  readonly url: string;
};

/** Throws a `BindingError` where the settings of an input cannot be used. */
export function checkInput(metadata: BlobMetadata): void {
  const { onHandled, prefix, notificationQueue } = metadata;
  if (!notificationQueue) {
    if (!onHandled) throw invalid("an input needs one of onHandled and notificationQueue");
    readOnHandled(onHandled, prefix);
    return;
  }
  if (onHandled)
    throw invalid("onHandled and notificationQueue exclude each other: nothing is listed");
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/i.test(notificationQueue))
    throw invalid("notificationQueue may have letters, digits and hyphens only");
  queueAccountOf(metadata, undefined, { driver: () => undefined, hide: undefined });
}

/** The queue that Event Grid writes to, where the component has one. It is never made here. */
export async function openQueue(
  metadata: BlobMetadata,
  account: Account,
  memory: MemoryShare,
  tools: Tools,
  signal: AbortSignal,
): Promise<NotificationQueue | undefined> {
  const { notificationQueue } = metadata;
  if (!notificationQueue) return undefined;
  const { url, login } = queueAccountOf(metadata, account, tools);
  const storage = await StorageClient.open({
    ...{ url, login, memory, hide: tools.hide, caCert: metadata.caCert },
  });
  const close = () => storage[Symbol.asyncDispose]();
  try {
    const client = new QueueClient(storage, notificationQueue);
    await client.count(signal).catch((error: unknown) => {
      if (!isDenied(error)) throw error;
    });
    return { client, url, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Reads the blobs that the queue's messages tell of. */
export function readNotifications(
  container: Container,
  queue: NotificationQueue,
  reading: Reading<typeof blobFields>,
): Reader {
  const { visibilityTimeout, pollInterval } = reading.metadata;
  const reader = new QueueReader({
    ...{ queue: queue.client, reading, visibilityTimeout, pollingInterval: pollInterval },
    identity: `${queue.url} ${queue.client.name}`,
    eventsOf: (message, signal) => eventsOf(container, reading, message, signal),
  });
  reader.start();
  return reader;
}

async function eventsOf(
  container: Container,
  { metadata, logger, memory }: Reading<typeof blobFields>,
  { id, text }: QueueMessage,
  signal: AbortSignal,
): Promise<MessageEvent[]> {
  const blobs = newBlobs(text).filter(({ key }) => key.startsWith(metadata.prefix));
  const strange = blobs.find(({ bucket }) => bucket !== container.name);
  if (strange !== undefined) {
    const named = JSON.stringify(strange.bucket.slice(0, 100));
    throw invalid(`the message tells of the container ${named}, not of ${container.name}`);
  }
  const room = memory.open(assuredBytes);
  try {
    const events: MessageEvent[] = [];
    for (const blob of blobs) {
      const { isArchived, ...reference } = blob;
      if (isArchived || reference.size === undefined || reference.size > metadata.inlineLimit) {
        events.push(partOf(reference, undefined));
        continue;
      }
      const found = await read(container, blob, room, signal);
      if (found === undefined) {
        logger.debug({ key: blob.key, messageId: id }, "a notified blob is gone");
        continue;
      }
      const { version, content } = found;
      events.push(partOf(version === undefined ? reference : { ...reference, version }, content));
    }
    return events;
  } finally {
    room.release();
  }
}

function partOf(...[reference, content]: ObjectParts): MessageEvent {
  const { settle: _, ...part } = objectEvent(reference, content, () => undefined);
  return part;
}

type ObjectParts = [Parameters<typeof objectEvent>[0], Parameters<typeof objectEvent>[1]];

async function read(
  container: Container,
  { key, etag, size = 0 }: NewBlob,
  room: Reservation,
  signal: AbortSignal,
): Promise<{ content: Uint8Array; version: string | undefined } | undefined> {
  if (!room.reserve(size)) {
    const text = "the memory budget has no room for the blob that was notified";
    throw new BindingError("resource_exhausted", text, { effect: "unsent" });
  }
  const conditions: Record<string, string> = etag === undefined ? {} : { "if-match": etag };
  const answered = await unlessGone(container.get(key, signal, conditions));
  if (answered === undefined) return undefined;
  const version = answered.headers["x-ms-version-id"];
  return { content: answered.body, version: typeof version === "string" ? version : undefined };
}

function invalid(why: string): BindingError {
  return new BindingError("invalid_argument", why);
}
