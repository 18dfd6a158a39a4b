import { createHmac } from "node:crypto";

/** The signature of a time in milliseconds, as DingTalk's reference describes it for both directions. */
export function signatureOf(timestamp: string, secret: string): Buffer {
  return createHmac("sha256", secret).update(`${timestamp}\n${secret}`).digest();
}
