import type { OracleEvent } from "./oracle.ts";

/** An event, and what else it wants of the app. */
export type Told = OracleEvent & { readonly do?: string };

/** The event that a payload is, or that the row is which a payload tells the change of. */
export function toldIn(data: Uint8Array | undefined): Told {
  const parsed = JSON.parse(Buffer.from(data ?? []).toString("utf8")) as Told & {
    after?: Told;
    new_val?: Told;
    newVal?: { readonly message: string };
  };
  // Of Kubernetes' events, the message.
  if (parsed.newVal !== undefined) return JSON.parse(parsed.newVal.message) as Told;
  return parsed.after ?? parsed.new_val ?? parsed;
}
