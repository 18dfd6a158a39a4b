import type { Reader, Reading } from "../../../binding.ts";
import { BindingError } from "../../../errors.ts";
import { Identity } from "../../../identity/gcp/identity.ts";
import { assuredBytes, type MemoryShare } from "../../../memory/budget.ts";
import { toldOf, type ObjectReference } from "../../../object-source/object.ts";
import { readOnHandled } from "../../../object-source/on-handled.ts";
import { checkAckDeadline } from "../ack-deadline.ts";
import { fullName } from "../names.ts";
import { objectPath } from "../object-paths.ts";
import { placeOf, type Place } from "../place.ts";
import { PubsubClient } from "../pubsub-client.ts";
import type { ReceivedMessage } from "../pubsub-messages.ts";
import type { StorageClient } from "../storage-client.ts";
import { SubscriptionReader, type PubsubEvent } from "../subscription-reader.ts";
import type { BucketMetadata, bucketFields } from "./fields.ts";
import { newObject } from "./notification-message.ts";
import { parsed, referenceOf, unlessGone, type Resource } from "./resource.ts";

/** What the client of the subscription is opened with. */
export type Opening = {
  readonly metadata: BucketMetadata;
  readonly caCert: string | undefined;
  readonly memory: MemoryShare;
  readonly hide: ((secret: string) => void) | undefined;
  readonly driver: (name: string) => unknown;
};

const scopes = [
  "https://www.googleapis.com/auth/cloud-platform",
  "https://www.googleapis.com/auth/pubsub",
];
const requestLimit = 60_000;
/** Objects that are read side by side. */
const mostAtOnce = 8;

/** Throws a `BindingError` where the settings of an input cannot be used. */
export function checkInput(metadata: BucketMetadata): void {
  const { onHandled, prefix, notificationSubscription, projectID, ackDeadline } = metadata;
  if (!notificationSubscription) {
    if (!onHandled) throw invalid("an input needs one of onHandled and notificationSubscription");
    readOnHandled(onHandled, prefix);
    return;
  }
  if (onHandled)
    throw invalid("onHandled and notificationSubscription exclude each other: nothing is listed");
  fullName("subscription", notificationSubscription, projectID, "notificationSubscription");
  checkAckDeadline(ackDeadline);
}

/** Where Pub/Sub is. */
export function notificationPlace({ notificationEndpoint }: BucketMetadata): Place {
  const usual = "https://pubsub.googleapis.com";
  return placeOf(notificationEndpoint, "PUBSUB_EMULATOR_HOST", usual, "notificationEndpoint");
}

/** The client of the subscription that the bucket's topic has, where the component names one. */
export async function openNotifications(
  { metadata, caCert, memory, hide, driver }: Opening,
  signal: AbortSignal,
): Promise<PubsubClient | undefined> {
  if (!metadata.notificationSubscription) return undefined;
  const place = notificationPlace(metadata);
  const { credentials } = place;
  const isAnonymous =
    credentials === "none" || (credentials === "fields" && !metadata.privateKeyID);
  const identity = isAnonymous
    ? undefined
    : await Identity.open({ credentials: metadata, scopes, memory, hide, driver }, signal);
  const client = new PubsubClient({ place, identity, caCert, memory });
  try {
    await client.ping(signal);
    return client;
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}

/** Reads the objects that the subscription's messages tell of. */
export function readNotifications(
  storage: StorageClient,
  client: PubsubClient,
  reading: Reading<typeof bucketFields>,
): Reader {
  const { notificationSubscription = "", projectID, ackDeadline } = reading.metadata;
  return new SubscriptionReader({
    ...{ client, ackDeadline, reading, atOnce: mostAtOnce },
    subscription: fullName("subscription", notificationSubscription, projectID),
    eventOf: (message, signal) => eventOf(storage, reading, message, signal),
  });
}

async function eventOf(
  storage: StorageClient,
  { metadata, logger, memory }: Reading<typeof bucketFields>,
  message: ReceivedMessage,
  signal: AbortSignal,
): Promise<PubsubEvent | undefined> {
  const told = newObject(message);
  if (told === undefined) return undefined;
  if (told.bucket !== metadata.bucket) {
    const named = JSON.stringify(told.bucket.slice(0, 100));
    throw invalid(`the message tells of the bucket ${named}, not of ${metadata.bucket}`);
  }
  if (!told.key.startsWith(metadata.prefix)) return undefined;
  if (metadata.inlineLimit === 0) return toldOf(told, undefined);
  const limited = AbortSignal.any([signal, AbortSignal.timeout(requestLimit)]);
  const event = await readObject(storage, told, metadata.inlineLimit, memory, limited);
  if (event === undefined)
    logger.debug({ key: told.key, messageId: message.id }, "a notified object is gone");
  return event;
}

/** The event with the object's bytes, unless it is too large for them; `undefined`: it is gone. */
async function readObject(
  storage: StorageClient,
  told: ObjectReference,
  inlineLimit: number,
  memory: MemoryShare,
  signal: AbortSignal,
): Promise<PubsubEvent | undefined> {
  // Notifications may be without a payload.
  const reference = told.size === undefined ? await described(storage, told, signal) : told;
  if (reference === undefined) return undefined;
  const { size = 0 } = reference;
  if (size > inlineLimit) return toldOf(reference, undefined);
  const room = memory.open(assuredBytes);
  try {
    if (!room.reserve(size)) {
      const text = "the memory budget has no room for the object that was notified";
      throw new BindingError("resource_exhausted", text, { effect: "unsent" });
    }
    const content = await contentOf(storage, reference, signal);
    return content && toldOf(reference, content);
  } finally {
    room.release();
  }
}

/** What the store says of that generation; `undefined`: it is gone. */
async function described(
  storage: StorageClient,
  { bucket, key, version = "" }: ObjectReference,
  signal: AbortSignal,
): Promise<ObjectReference | undefined> {
  const path = `${objectPath(bucket, key)}?generation=${version}`;
  const answered = await unlessGone(storage.send({ method: "GET", path }, signal));
  return answered && referenceOf(bucket, parsed(answered.body) as Resource);
}

async function contentOf(
  storage: StorageClient,
  { bucket, key, version = "" }: ObjectReference,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const path = `${objectPath(bucket, key)}?alt=media&generation=${version}`;
  return (await unlessGone(storage.send({ method: "GET", path }, signal)))?.body;
}

function invalid(why: string): BindingError {
  return new BindingError("invalid_argument", why);
}
