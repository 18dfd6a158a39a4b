import type { Delivery } from "../runtime/app.ts";

const nullText = Buffer.from("null");
const noBytes = Buffer.alloc(0);

/** An event's data for an app whose protocol has no null: an HTTP request's body, or Dapr's message. */
export function dataWithoutNull({ data, nullAs }: Pick<Delivery, "data" | "nullAs">): Uint8Array {
  return data ?? (nullAs === "null" ? nullText : noBytes);
}
