import type { Driver } from "../../../amqp-client/driver.ts";
import { BindingError } from "../../../errors.ts";
import { reservedNames, type CreateRequest } from "./fields.ts";

const longestName = 128;

/** Encodes the message of a request. Throws a `BindingError`. */
export function encodeMessage(
  { message, types }: Driver["rhea"],
  data: Uint8Array | undefined,
  request: CreateRequest,
  all: Readonly<Record<string, string>>,
): Buffer {
  const { SessionId: session, PartitionKey: partitionKey, MessageId: id } = request;
  if (session !== undefined && partitionKey && session !== partitionKey) {
    throw new BindingError(
      "invalid_argument",
      `failed to create message: session id ${session} and partition key ${partitionKey} should be equal when both present`,
    );
  }
  for (const [name, value] of [
    ["MessageId", id],
    ["SessionId", session],
    ["PartitionKey", partitionKey],
  ] as const) {
    if (value !== undefined && value.length > longestName)
      throw new BindingError("invalid_argument", `${name} can have ${longestName} characters`);
  }
  const scheduled = scheduledAt(request.ScheduledEnqueueTimeUtc);
  const ttl = request.ttlInSeconds === undefined ? undefined : request.ttlInSeconds * 1000;
  const now = Date.now();
  const properties = applicationProperties(all);
  return message.encode({
    durable: true,
    ...given("ttl", ttl === undefined ? undefined : Math.min(ttl, 4_294_967_295)),
    ...(scheduled !== undefined || partitionKey
      ? {
          message_annotations: {
            ...(scheduled && {
              "x-opt-scheduled-enqueue-time": types.wrap_timestamp(scheduled.getTime()),
            }),
            ...given("x-opt-partition-key", partitionKey),
          },
        }
      : {}),
    ...given("message_id", id),
    ...given("to", request.To),
    ...given("subject", request.Label),
    ...given("reply_to", request.ReplyTo),
    ...given("correlation_id", request.CorrelationId),
    ...given("content_type", request.ContentType && symbol("ContentType", request.ContentType)),
    ...given("absolute_expiry_time", ttl === undefined ? undefined : new Date(now + ttl)),
    creation_time: new Date(now),
    // The empty session is one, too.
    ...(session === undefined ? {} : { group_id: session }),
    ...given("reply_to_group_id", request.ReplyToSessionId),
    ...(Object.keys(properties).length > 0 ? { application_properties: properties } : {}),
    body: message.data_section(data === undefined ? Buffer.alloc(0) : asBuffer(data)),
  });
}

function applicationProperties(all: Readonly<Record<string, string>>): Record<string, string> {
  const properties = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(all))
    if (value !== "" && !reservedNames.has(name)) properties[name] = value;
  return properties;
}

/** The empty text is no value. */
function given(name: string, value: unknown): Record<string, unknown> {
  return value === undefined || value === "" ? {} : { [name]: value };
}

const httpDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const rfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

function scheduledAt(text: string | undefined): Date | undefined {
  if (text === undefined || text === "") return undefined;
  const date = httpDate.test(text) || rfc3339.test(text) ? new Date(text) : undefined;
  if (date !== undefined && !Number.isNaN(date.getTime())) return date;
  throw new BindingError(
    "invalid_argument",
    "failed to create message: invalid time format for ScheduledEnqueueTimeUtc; expected HTTP time format or RFC3339",
  );
}

/** AMQP's symbols are ASCII. */
function symbol(what: string, text: string): string {
  if (/^[\x20-\x7e]+$/.test(text)) return text;
  throw new BindingError("invalid_argument", `${what} can have printable ASCII only`);
}

function asBuffer(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
