import { createHmac } from "node:crypto";
import { BindingError } from "../../../errors.ts";

/** What a request asks for, as its signature names it. */
export type Signed = {
  readonly verb: string;
  readonly resourceType: string;
  /** The names on the way to the resource, not encoded: `dbs/shop/colls/orders`. */
  readonly resourceLink: string;
  /** As in `x-ms-date`. */
  readonly date: string;
};

/** Throws a `BindingError` for what is no base64. */
export function readMasterKey(text: string): Buffer {
  const key = Buffer.from(text, "base64");
  if (key.length > 0 && key.toString("base64").replace(/=+$/, "") === text.replace(/=+$/, ""))
    return key;
  throw new BindingError("invalid_argument", "masterKey is no base64");
}

/** The signature by the account's key, in base64. */
export function masterSignature(
  key: Buffer,
  { verb, resourceType, resourceLink, date }: Signed,
): string {
  const text = `${verb.toLowerCase()}\n${resourceType.toLowerCase()}\n${resourceLink}\n${date.toLowerCase()}\n\n`;
  return createHmac("sha256", key).update(text).digest("base64");
}

/** The value of the header `Authorization`. */
export function authorizationOf(type: "master" | "aad", signature: string): string {
  return encodeURIComponent(`type=${type}&ver=1.0&sig=${signature}`);
}
