import { BindingError } from "../../../errors.ts";
import type { ObjectReference } from "../../../object-source/object.ts";
import type { PubsubMessage } from "../pubsub-messages.ts";
import { referenceOf, type Resource } from "./resource.ts";

/** An object was written, whole. */
const created = "OBJECT_FINALIZE";

/**
 * The new object that a notification of Cloud Storage tells of, whose generation is known; without a payload
 * (`payloadFormat` is `NONE`) its size is not. `undefined`: it tells of something else. Throws a `BindingError` for a
 * message that is none.
 */
export function newObject({
  attributes,
  data,
}: Pick<PubsubMessage, "attributes" | "data">): ObjectReference | undefined {
  const all = new Map(attributes);
  const text = (name: string): string => {
    const value = all.get(name);
    if (value) return value;
    throw none(`it has no attribute ${name}`);
  };
  if (text("eventType") !== created) return undefined;
  const bucket = text("bucketId");
  const key = text("objectId");
  const version = text("objectGeneration");
  if (!/^\d+$/.test(version)) throw none("its attribute objectGeneration is no number");
  const payload = text("payloadFormat");
  if (payload !== "JSON_API_V1") {
    const time = all.get("eventTime");
    return { bucket, key, version, ...(time ? { time } : {}) };
  }
  // The attributes say which object it is.
  return { ...referenceOf(bucket, resourceOf(data)), key, version };
}

function resourceOf(data: Uint8Array): Resource {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data).toString("utf8"));
  } catch {
    throw none("its payload is no JSON");
  }
  if (typeof value !== "object" || value === null) throw none("its payload is no object of JSON");
  const { size } = value as Partial<Resource>;
  if (typeof size !== "string" || !/^\d+$/.test(size)) throw none("its payload has no size");
  return value as Resource;
}

function none(why: string): BindingError {
  return new BindingError(
    "invalid_argument",
    `the message is no notification of Cloud Storage: ${why}`,
  );
}
