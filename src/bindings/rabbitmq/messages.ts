import type { Options } from "amqplib";
import type { Values } from "../../metadata/fields.ts";
import { BindingError } from "../../errors.ts";
import { createFields } from "./fields.ts";

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
  let ttl = request.ttl;
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
  if (request.priority !== undefined)
    options.priority = Math.min(255, Math.max(0, request.priority));
  return options;
}

function timeToLive(text: string): number | undefined {
  const parsed = createFields.ttl.parse(text);
  if ("value" in parsed) return parsed.value;
  throw new BindingError(
    "invalid_argument",
    `the request's metadata ttl ${JSON.stringify(text)} ${parsed.problem}`,
  );
}
