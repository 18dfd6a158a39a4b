import { BindingError } from "../../../errors.ts";
import type { InboundEvent } from "../../../binding.ts";
import type { Exchange } from "../../../http-receiver/exchange.ts";
import { requestAsEvent } from "../../../http-receiver/request.ts";
import { same, single, type Verify } from "../../../http-receiver/verify.ts";
import type { DingtalkMetadata } from "./fields.ts";
import { signatureOf } from "./signature.ts";

/**
 * The check of the messages that DingTalk sends: `sign` of `timestamp`, both headers. Nothing of the body is signed.
 * Throws without a secret.
 */
export function verifierOf({ appSecret, secret, timestampTolerance }: DingtalkMetadata): Verify {
  const shared = appSecret || secret;
  if (!shared)
    throw new BindingError("invalid_argument", "metadata address requires appSecret or secret");
  return ({ headers }) => {
    const timestamp = single(headers["timestamp"]);
    const sign = single(headers["sign"]);
    if (timestamp === undefined || sign === undefined)
      return "it has no headers timestamp and sign";
    if (!same(Buffer.from(sign, "base64"), signatureOf(timestamp, shared)))
      return "its signature is wrong";
    const isRecent = Math.abs(Date.now() - Number(timestamp)) <= timestampTolerance;
    return isRecent ? undefined : "its signature is too old, or a clock is wrong";
  };
}

/** A message as an event, named by DingTalk's own id of it. */
export function messageEvent(exchange: Exchange, settle: InboundEvent["settle"]): InboundEvent {
  return requestAsEvent(exchange, messageIdOf(exchange.body), settle);
}

function messageIdOf(body: Uint8Array): string | undefined {
  try {
    const message: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    const { msgId } = message as { msgId?: unknown };
    return typeof msgId === "string" ? msgId : undefined;
  } catch {
    return undefined;
  }
}
