import type { InboundEvent, Settlement } from "../binding.ts";
import type { Reply } from "./app.ts";
import type { FanOut } from "./fan-out.ts";

/** An event on its way, with what its attempts so far have left. */
export type Entry = {
  readonly event: InboundEvent;
  readonly trace: Readonly<Record<string, string>>;
  readonly leaveWindow: () => void;
  failed: number;
  lastError: string | undefined;
  /** The reply is kept while its fan-out is not complete: the app is not asked again. */
  kept: { reply: Reply | undefined; fanOut: FanOut } | undefined;
};

/** Events that must be handled one after another; those without a key have a lane each. */
export type Lane = {
  readonly key: string | undefined;
  readonly entries: Entry[];
  state: "ready" | "busy" | "parked";
  timer: NodeJS.Timeout | undefined;
};

/** The text by which events are put into one lane; `undefined`: a lane of its own. */
export function keyOf(event: InboundEvent, orderKey: string): string | undefined {
  if (orderKey === "none") return undefined;
  if (orderKey.startsWith("header:")) {
    const name = orderKey.slice("header:".length).toLowerCase();
    const header = event.headers.findLast((one) => one.name.toLowerCase() === name);
    return header && Buffer.from(header.value).toString("latin1");
  }
  const { key } = event;
  if (key === undefined || typeof key === "string") return key;
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}

/** What the source is told of a handled event: the reply without what was asked of the runtime. */
export function handledSettlement(reply: Reply | undefined): Settlement {
  if (reply === undefined) return { outcome: "handled" };
  const { data, contentType } = reply;
  const answer = {
    ...(data === undefined ? {} : { data }),
    ...(contentType === undefined ? {} : { contentType }),
  };
  return { outcome: "handled", reply: answer };
}
