import { randomBytes } from "node:crypto";

/** A name that no other test uses: `orders` becomes `orders-4f1c…`. For what is created in a shared server. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(6).toString("hex")}`;
}
