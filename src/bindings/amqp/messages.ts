import { BindingError } from "../../errors.ts";
import type { Driver } from "../../amqp-client/driver.ts";
import type { AmqpMetadata, CreateRequest } from "./fields.ts";

type Encoding = Driver["rhea"];

/** Encodes the message that a request is sent as. */
export function encodeMessage(
  { message, types }: Encoding,
  data: Uint8Array | undefined,
  request: CreateRequest,
  metadata: Pick<AmqpMetadata, "bodyType" | "durable" | "contentType">,
): Buffer {
  const content = data === undefined ? Buffer.alloc(0) : asBuffer(data);
  const annotations = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of request.annotations)
    annotations[symbol("annotation", name)] = annotationValue(types, value);
  const properties = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of request.headers) properties[name] = value;
  const contentType = request.contentType ?? metadata.contentType;
  return message.encode({
    durable: request.durable ?? metadata.durable,
    ...given("priority", request.priority),
    ...given("ttl", request.ttl && Math.min(4_294_967_295, Math.ceil(request.ttl))),
    ...(request.annotations.size > 0 ? { message_annotations: annotations } : {}),
    ...given("message_id", request.messageId),
    ...given("user_id", request.userId && Buffer.from(request.userId)),
    ...given("to", request.to),
    ...given("subject", request.subject),
    ...given("reply_to", request.replyTo),
    ...given("correlation_id", request.correlationId),
    ...given("content_type", contentType && symbol("contentType", contentType)),
    ...given(
      "content_encoding",
      request.contentEncoding && symbol("contentEncoding", request.contentEncoding),
    ),
    creation_time: Date.now(),
    ...given("group_id", request.groupId),
    ...given("group_sequence", request.groupSequence),
    ...given("reply_to_group_id", request.replyToGroupId),
    ...(request.headers.size > 0 ? { application_properties: properties } : {}),
    body:
      (request.bodyType ?? metadata.bodyType) === "string"
        ? textOf(content)
        : message.data_section(content),
  });
}

/** The empty text is no value. */
function given(name: string, value: unknown): Record<string, unknown> {
  return value === undefined || value === "" ? {} : { [name]: value };
}

function textOf(content: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    throw new BindingError(
      "invalid_argument",
      "the data is not UTF-8, as bodyType string needs; send it with bodyType data",
    );
  }
}

/** AMQP's symbols are ASCII. */
function symbol(what: string, text: string): string {
  if (/^[\x20-\x7e]+$/.test(text)) return text;
  throw new BindingError("invalid_argument", `${what} can have printable ASCII only`);
}

function annotationValue(types: Encoding["types"], text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  if (!/^-?(0|[1-9]\d{0,18})$/.test(text)) return text;
  const value = BigInt(text);
  if (value !== BigInt.asIntN(64, value)) return text;
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return types.wrap_long(bytes);
}

function asBuffer(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
