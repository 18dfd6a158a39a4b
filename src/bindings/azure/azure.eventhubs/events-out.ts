import type { Driver } from "../../../amqp-client/driver.ts";
import { BindingError } from "../../../errors.ts";
import type { CreateRequest } from "./fields.ts";

const longestKey = 128;

/** Encodes the event of a request. Throws a `BindingError`. */
export function encodeEvent(
  { message }: Driver["rhea"],
  data: Uint8Array | undefined,
  { partitionKey, contentType, headers }: CreateRequest,
): Buffer {
  if (partitionKey !== undefined && partitionKey.length > longestKey)
    throw refused(`partitionKey can have ${longestKey} characters`);
  const properties = Object.create(null) as Record<string, string>;
  for (const [name, value] of headers) properties[name] = value;
  return message.encode({
    ...(partitionKey ? { message_annotations: { "x-opt-partition-key": partitionKey } } : {}),
    ...(contentType ? { content_type: symbol(contentType) } : {}),
    ...(headers.size > 0 ? { application_properties: properties } : {}),
    body: message.data_section(
      data === undefined
        ? Buffer.alloc(0)
        : Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    ),
  });
}

/** The partition that a request names. Throws a `BindingError`. */
export function partitionOf({ partitionKey, partitionId }: CreateRequest): string | undefined {
  if (!partitionId) return undefined;
  if (partitionKey) throw refused("partitionKey and partitionId cannot both be given");
  // It is part of an address.
  if (/^[\w-]{1,64}$/.test(partitionId)) return partitionId;
  throw refused("partitionId can have letters, digits, hyphens and underscores only");
}

/** AMQP's symbols are ASCII. */
function symbol(text: string): string {
  if (/^[\x20-\x7e]+$/.test(text)) return text;
  throw refused("contentType can have printable ASCII only");
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", why);
}
