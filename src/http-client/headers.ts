import { BindingError } from "../errors.ts";

/** Request headers by their name in lower case. */
export type RequestHeaders = Map<string, RequestHeader>;

export type RequestHeader = { readonly name: string; readonly value: string };

/** What belongs to the connection and is the client's own business, as in Go's client. */
const ownBusiness = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

// Made once, since each request has it.
export const userAgent: RequestHeader = { name: "User-Agent", value: "cufflink" };

/**
 * Sets a header, in place of one of the same name; what is the connection's own business is left out. Throws a
 * `BindingError` for what no header can carry, so that nothing can be smuggled in.
 */
export function setHeader(headers: RequestHeaders, name: string, value: string): void {
  const folded = name.toLowerCase();
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(folded)) {
    throw new BindingError("invalid_argument", `invalid header field name ${JSON.stringify(name)}`);
  }
  setKnownHeader(headers, folded, value, name);
}

/** Sets a header whose name, in lower case, is known to be one. */
export function setKnownHeader(
  headers: RequestHeaders,
  folded: string,
  value: string,
  written = folded,
): void {
  // oxlint-disable-next-line no-control-regex -- the very characters that are refused
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) {
    throw new BindingError(
      "invalid_argument",
      `invalid header field value for ${JSON.stringify(written)}`,
    );
  }
  if (ownBusiness.has(folded)) return;
  headers.set(folded, { name: canonicalName(folded), value });
}

/** The headers as the driver takes them: names and values in turn, each character one byte. */
export function toFlatList(headers: RequestHeaders): string[] {
  const list: string[] = [];
  for (const { name, value } of headers.values()) {
    // oxlint-disable-next-line no-control-regex -- everything but ASCII
    list.push(name, /[^\x00-\x7f]/.test(value) ? Buffer.from(value).toString("latin1") : value);
  }
  return list;
}

const canonicalNames = new Map<string, string>();

/** `x-request-id` as Go writes it: `X-Request-Id`. */
export function canonicalName(name: string): string {
  let written = canonicalNames.get(name);
  if (written === undefined) {
    written = name.replaceAll(
      /(^|-)([a-z])/g,
      (_all, dash: string, letter: string) => dash + letter.toUpperCase(),
    );
    // Servers can make names up without end.
    if (canonicalNames.size < 1000) canonicalNames.set(name, written);
  }
  return written;
}
