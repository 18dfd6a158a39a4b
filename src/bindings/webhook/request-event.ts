import { createHash, randomUUID } from "node:crypto";
import type { InboundEvent } from "../../binding.ts";
import type { Exchange } from "../../http-receiver/exchange.ts";
import type { WebhookMetadata } from "./fields.ts";
import { isForm } from "./verification.ts";

/** A request as an event: its body as it came, all its headers with lower-case names, repeats kept. */
export function requestEvent(
  exchange: Exchange,
  metadata: WebhookMetadata,
  settle: InboundEvent["settle"],
): InboundEvent {
  const { request, query, body, receivedAt, revoked } = exchange;
  const id = idOf(exchange, metadata);
  const [path = ""] = (request.url ?? "").split("?", 1);
  const contentType = request.headers["content-type"];
  return {
    data: body,
    metadata: {
      method: request.method ?? "",
      path,
      query,
      remoteAddress: request.socket.remoteAddress ?? "",
      receivedTime: receivedAt.toISOString(),
      ...(contentType === undefined ? {} : { contentType: fromBytes(contentType) }),
    },
    headers: exchange.allHeaders(),
    id: id || randomUUID(),
    idIsMadeUp: !id,
    signedDigest: signedDigestOf(exchange, metadata),
    revoked: revoked.signal,
    settle,
  };
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

function fromBytes(text: string): string {
  return Buffer.from(text, "latin1").toString("utf8");
}
