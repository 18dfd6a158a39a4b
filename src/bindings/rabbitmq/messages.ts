import type { Options } from "amqplib";
import { BindingError } from "../../errors.ts";
import { parseDuration } from "../../metadata/duration.ts";
import { integer, type Values } from "../../metadata/fields.ts";
import type { createFields } from "./fields.ts";

/**
 * What is said about a message when it is sent. All of the request's metadata go out as headers, as
 * texts; those that AMQP has a property for are set there too, their names in any case.
 */
export function publishOptions(
  properties: Readonly<Record<string, string>>,
  request: Values<typeof createFields>,
  contentType: string,
): Options.Publish {
  const options: Options.Publish = {
    mandatory: true,
    persistent: true,
    contentType,
    headers: { ...properties },
  };
  let ttl = request.ttl === undefined ? undefined : timeToLive(request.ttl);
  for (const [name, value] of Object.entries(properties)) {
    switch (name.toLowerCase()) {
      case "ttl":
        ttl = timeToLive(value);
        break;
      case "ttlinseconds":
        ttl ??= timeToLive(value);
        break;
      case "contenttype":
        if (value !== "") options.contentType = value;
        break;
      case "messageid":
        options.messageId = value;
        break;
      case "correlationid":
        options.correlationId = value;
        break;
      case "type":
        options.type = value;
        break;
      default:
    }
  }
  if (ttl !== undefined) options.expiration = String(ttl);
  if (request.priority !== undefined) options.priority = priorityOf(request.priority);
  return options;
}

/** Milliseconds. The empty text is no value and not zero, which would throw the message away at once. */
function timeToLive(text: string): number | undefined {
  if (text === "") return undefined;
  const value = parseDuration(text, 1000);
  if (value !== undefined && value >= 0) return Math.floor(value);
  const why = value === undefined ? "be a valid integer" : "be higher than zero";
  throw new BindingError(
    "invalid_argument",
    `failed to get TTL: ttl value must ${why}: actual is '${text}'`,
  );
}

function priorityOf(text: string): number {
  const parsed = wholeNumber.parse(text);
  if ("value" in parsed) return Math.min(255, Math.max(0, parsed.value));
  throw new BindingError(
    "invalid_argument",
    `priority value must be a valid integer: actual is '${text}'`,
  );
}

const wholeNumber = integer({ description: "" });
