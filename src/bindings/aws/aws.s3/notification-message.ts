import { BindingError } from "../../../errors.ts";
import type { ObjectReference } from "../../../object-source/object.ts";

/**
 * The new objects that a message tells of: S3's own notification, plain or in the envelope of SNS, or an event of
 * EventBridge. Throws a `BindingError` for a message that is none.
 */
export function newObjects(text: string): ObjectReference[] {
  const message = parsed(text);
  if (message["Type"] === "Notification" && typeof message["Message"] === "string")
    return ofNotification(parsed(message["Message"]));
  return ofNotification(message);
}

type Fields = Readonly<Record<string, unknown>>;

function ofNotification(message: Fields): ObjectReference[] {
  if (message["Event"] === "s3:TestEvent") return [];
  if (message["source"] === "aws.s3") return ofEventBridge(message);
  const records = message["Records"];
  if (!Array.isArray(records)) throw none("it has no Records");
  return records.flatMap((record: unknown) => ofRecord(fieldsOf(record, "a record")));
}

function ofRecord(record: Fields): ObjectReference[] {
  if (!/^(?:s3:)?ObjectCreated:/.test(textOf(record, "eventName"))) return [];
  const s3 = fieldsOf(record["s3"], "s3");
  const object = fieldsOf(s3["object"], "s3.object");
  const bucket = textOf(fieldsOf(s3["bucket"], "s3.bucket"), "name");
  const key = decodedKey(textOf(object, "key"));
  return [referenceOf({ bucket, key, time: record["eventTime"] }, object, "eTag", "versionId")];
}

function ofEventBridge(event: Fields): ObjectReference[] {
  if (event["detail-type"] !== "Object Created") return [];
  const detail = fieldsOf(event["detail"], "detail");
  const object = fieldsOf(detail["object"], "detail.object");
  const bucket = textOf(fieldsOf(detail["bucket"], "detail.bucket"), "name");
  const key = textOf(object, "key");
  return [referenceOf({ bucket, key, time: event["time"] }, object, "etag", "version-id")];
}

function referenceOf(
  { bucket, key, time }: { bucket: string; key: string; time: unknown },
  object: Fields,
  etagName: string,
  versionName: string,
): ObjectReference {
  const etag = object[etagName];
  const version = object[versionName];
  const { size } = object;
  return {
    ...{ bucket, key },
    ...(typeof version === "string" && version !== "" ? { version } : {}),
    // A listing has it in quotes.
    ...(typeof etag === "string" && etag !== "" ? { etag: `"${etag.replaceAll('"', "")}"` } : {}),
    ...(typeof size === "number" ? { size } : {}),
    ...(typeof time === "string" ? { time } : {}),
  };
}

function decodedKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll("+", " "));
  } catch {
    throw none(`its key ${JSON.stringify(key.slice(0, 300))} is not percent-encoded`);
  }
}

function parsed(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw none("it is not JSON");
  }
  return fieldsOf(value, "it");
}

function fieldsOf(value: unknown, what: string): Fields {
  if (isFields(value)) return value;
  throw none(`${what} is not an object of JSON`);
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === "string" && value !== "") return value;
  throw none(`it has no ${name}`);
}

function none(why: string): BindingError {
  return new BindingError("invalid_argument", `the message is no notification of S3: ${why}`);
}
