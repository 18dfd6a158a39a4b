import type { InboundEvent, Reader, Reading } from "../../../binding.ts";
import { BindingError } from "../../../errors.ts";
import { configuredEndpoint, isOfAws } from "../../../identity/aws/region.ts";
import { assuredBytes, type Reservation } from "../../../memory/budget.ts";
import { objectEvent, type ObjectReference } from "../../../object-source/object.ts";
import { readOnHandled } from "../../../object-source/on-handled.ts";
import { sharedLease, sharedSettlement } from "../../../object-source/records.ts";
import type { AwsOpening } from "../client.ts";
import { checkQueueName, checkQueueTimes, Queue } from "../sqs-queue.ts";
import type { ReceivedMessage } from "../sqs-queue.ts";
import type { Receipt } from "../queue-events.ts";
import { startReader } from "../sqs-reader.ts";
import type { Bucket } from "./bucket.ts";
import type { S3Metadata, s3Fields } from "./fields.ts";
import { newObjects } from "./notification-message.ts";
import { unlessGone } from "./source.ts";

const requestLimit = 60_000;

/** Throws a `BindingError` where the settings of an input cannot be used. */
export function checkInput(metadata: S3Metadata): void {
  const { onHandled, prefix, notificationQueue } = metadata;
  if (!notificationQueue) {
    if (!onHandled) throw invalid("an input needs one of onHandled and notificationQueue");
    readOnHandled(onHandled, prefix);
    return;
  }
  if (onHandled)
    throw invalid("onHandled and notificationQueue exclude each other: nothing is listed");
  checkQueueName("notificationQueue", notificationQueue);
  checkQueueServer(metadata);
  const { notificationQueueOwnerAccountId: owner } = metadata;
  if (owner && !/^\d{12}$/.test(owner))
    throw invalid("notificationQueueOwnerAccountId is no account: it has twelve digits");
  checkQueueTimes(metadata);
}

/** The queue of an emulator, or of another S3, is not looked for in AWS, with the keys of that one. */
function checkQueueServer({ endpoint, notificationEndpoint }: S3Metadata): void {
  if (!endpoint || isOfAws(endpoint) || configuredEndpoint("SQS", notificationEndpoint)) return;
  throw invalid(
    "notificationEndpoint is not set: endpoint is not AWS's, so that notificationQueue is not looked for in AWS either; set notificationEndpoint to the base URL of SQS",
  );
}

/** The queue that S3 notifies, where the component has one. */
export async function openQueue(
  opening: AwsOpening & { readonly metadata: S3Metadata },
  signal: AbortSignal,
): Promise<Queue | undefined> {
  const { metadata } = opening;
  if (!metadata.notificationQueue) return undefined;
  const queue = await Queue.open({
    ...opening,
    metadata: {
      ...metadata,
      endpoint: metadata.notificationEndpoint,
      queueName: metadata.notificationQueue,
      queueOwnerAccountId: metadata.notificationQueueOwnerAccountId,
    },
  });
  try {
    await queue.probe(signal);
  } catch (error) {
    await queue[Symbol.asyncDispose]();
    throw error;
  }
  return queue;
}

/** Reads the objects that the queue's messages tell of. */
export function readNotifications(
  bucket: Bucket,
  queue: Queue,
  reading: Reading<typeof s3Fields>,
): Reader {
  return startReader(queue, reading, (message, receipt) =>
    eventsOf(bucket, reading, message, receipt),
  );
}

async function eventsOf(
  bucket: Bucket,
  { metadata, logger, memory }: Reading<typeof s3Fields>,
  { MessageId, Body = "", Attributes = {} }: ReceivedMessage,
  { lease, settle, signal }: Receipt,
): Promise<InboundEvent[]> {
  const objects = newObjects(Body).filter(({ key }) => key.startsWith(metadata.prefix));
  const strange = objects.find((object) => object.bucket !== bucket.name);
  if (strange !== undefined) {
    const named = JSON.stringify(strange.bucket.slice(0, 100));
    throw invalid(`the message tells of the bucket ${named}, not of ${bucket.name}`);
  }
  const room = memory.open(assuredBytes);
  try {
    const found: { reference: ObjectReference; content: Uint8Array | undefined }[] = [];
    for (const reference of objects) {
      if (reference.size === undefined || reference.size > metadata.inlineLimit) {
        found.push({ reference, content: undefined });
        continue;
      }
      const limited = AbortSignal.any([signal, AbortSignal.timeout(requestLimit)]);
      const content = await read(bucket, reference, room, limited);
      if (content === undefined) {
        logger.debug({ key: reference.key, messageId: MessageId }, "a notified object is gone");
        continue;
      }
      found.push({ reference, content });
    }
    const settleOne = sharedSettlement(found.length, settle);
    const shared = sharedLease(lease);
    const count = Number(Attributes["ApproximateReceiveCount"] ?? Number.NaN);
    return found.map(({ reference, content }) => ({
      ...objectEvent(reference, content, settleOne),
      ...(Number.isSafeInteger(count) ? { attempt: count, redelivered: count > 1 } : {}),
      lease: shared,
    }));
  } finally {
    room.release();
  }
}

async function read(
  bucket: Bucket,
  { key, version, etag, size = 0 }: ObjectReference,
  room: Reservation,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  if (!room.reserve(size)) {
    const text = "the memory budget has no room for the object that was notified";
    throw new BindingError("resource_exhausted", text, { effect: "unsent" });
  }
  return unlessGone(bucket.get(key, signal, { versionId: version, etag }));
}

function invalid(why: string): BindingError {
  return new BindingError("invalid_argument", why);
}
