import type { Logger } from "../binding.ts";
import type { Delivery } from "../runtime/app.ts";
import { deliveryHeaders, eventMetadata } from "./event-metadata.ts";

/** What belongs to one connection, frames the body, or is for the runtime alone to say. */
const own = new Set([
  "baggage",
  "connection",
  "content-length",
  "content-type",
  "cufflink-attempt",
  "cufflink-attempts",
  "cufflink-last-error",
  "cufflink-outcome",
  "cufflink-retry-after",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "traceparent",
  "tracestate",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const renamed = new Map([["grpc-timeout", "dapr-grpc-timeout"]]);
/** A source can make up names without end; a process cannot remember them all. */
const mostWarnings = 1000;

/** Turns an event's metadata into request headers. Never fails: what a header cannot carry is encoded or left out. */
export class EventHeaders {
  readonly #logger: Logger;
  readonly #warned = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * The headers of one event: its metadata, then what the runtime says. Values are byte strings: UTF-8
   * goes out as it is. A value with control characters goes as base64, with `<name>.encoding: base64`.
   */
  of(delivery: Delivery): Record<string, string> {
    const headers: Record<string, string> = { "user-agent": "cufflink" };
    const metadata = eventMetadata(delivery);
    for (const key in metadata) this.#add(headers, key, metadata[key] ?? "", delivery.name);
    return Object.assign(headers, deliveryHeaders(delivery));
  }

  #add(headers: Record<string, string>, key: string, value: string, component: string): void {
    const lower = key.toLowerCase();
    const name = renamed.get(lower) ?? lower;
    if (own.has(name)) return;
    // `__proto__` is a token, but not a key of an object like another.
    if (!isToken(name) || name === "__proto__") return this.#warn(key, component);
    const encoding = `${name}.encoding`;
    if (name in headers && headers[encoding] === "base64") delete headers[encoding];
    if (isPlain(value)) {
      headers[name] = value;
    } else if (isText(value)) {
      headers[name] = Buffer.from(value, "utf8").toString("latin1");
    } else {
      headers[name] = Buffer.from(value, "utf8").toString("base64");
      headers[encoding] = "base64";
    }
  }

  #warn(name: string, component: string): void {
    if (this.#warned.size >= mostWarnings || this.#warned.has(name)) return;
    this.#warned.add(name);
    this.#logger.warn(
      { component, name },
      "metadata whose name cannot be an HTTP header's is left out of the app's requests",
    );
  }
}

function isToken(name: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name);
}

function isPlain(value: string): boolean {
  return /^[\t -~]*$/.test(value);
}

function isText(value: string): boolean {
  // oxlint-disable-next-line no-control-regex -- these are what a header cannot carry
  return !/[\0-\x08\x0a-\x1f\x7f]/.test(value);
}
