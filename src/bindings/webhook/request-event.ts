import { createHash } from "node:crypto";
import type { InboundEvent } from "../../binding.ts";
import type { Exchange } from "../../http-receiver/exchange.ts";
import { fromBytes, requestAsEvent } from "../../http-receiver/request.ts";
import type { WebhookMetadata } from "./fields.ts";
import { isForm } from "./verification.ts";

/** A request as an event, named as its sender does. */
export function requestEvent(
  exchange: Exchange,
  metadata: WebhookMetadata,
  settle: InboundEvent["settle"],
): InboundEvent {
  const event = requestAsEvent(exchange, idOf(exchange, metadata), settle);
  return { ...event, signedDigest: signedDigestOf(exchange, metadata) };
}

/** Of the body, and of Twilio's requests of the query, too. Neither the time of a signature nor its secret makes a difference. */
function signedDigestOf(
  { query, body }: Exchange,
  { verification }: WebhookMetadata,
): (() => string) | undefined {
  if (verification === "none") return undefined;
  let digest: string | undefined;
  return () => {
    if (digest !== undefined) return digest;
    const hash = createHash("sha256");
    if (verification === "twilio") hash.update(`${query}\n`);
    return (digest = hash.update(body).digest("base64url"));
  };
}

/** The sender's own name of the event, the same when it sends the event again. */
function idOf(
  { headers, body }: Exchange,
  { idHeader, verification }: WebhookMetadata,
): string | undefined {
  const header = (name: string): string | undefined => {
    const value = headers[name.toLowerCase()];
    return typeof value === "string" ? fromBytes(value) : value?.[0];
  };
  if (idHeader) return header(idHeader);
  switch (verification) {
    case "github":
      return header("x-github-delivery");
    case "twilio":
      return header("i-twilio-idempotency-token") ?? twilioMessage(headers["content-type"], body);
    case "stripe":
      return stripeEvent(body);
    default:
      return undefined;
  }
}

/** A message has one name and, over time, many states, each an event. */
function twilioMessage(contentType: string | undefined, body: Uint8Array): string | undefined {
  if (!isForm(contentType)) return undefined;
  const form = new URLSearchParams(Buffer.from(body).toString("utf8"));
  const message = form.get("MessageSid");
  const status = form.get("MessageStatus");
  return message === null || status === null ? (message ?? undefined) : `${message}:${status}`;
}

function stripeEvent(body: Uint8Array): string | undefined {
  try {
    const event: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    const { id } = event as { id?: unknown };
    return typeof id === "string" ? id : undefined;
  } catch {
    return undefined;
  }
}
