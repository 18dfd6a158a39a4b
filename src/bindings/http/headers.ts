import type { IncomingHttpHeaders } from "node:http";
import { STATUS_CODES } from "node:http";
import { BindingError } from "../../errors.ts";

/** Request headers by their name in lower case. */
export type RequestHeaders = Map<string, RequestHeader>;

type RequestHeader = { readonly name: string; readonly value: string };

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

const traceNames = ["traceparent", "tracestate", "baggage"] as const;

// Made once, since each request has them.
const userAgent: RequestHeader = { name: "User-Agent", value: "cufflink" };
const json = "application/json; charset=utf-8";
const contentType: RequestHeader = { name: "Content-Type", value: json };
const accept: RequestHeader = { name: "Accept", value: json };

export type HeaderSources = {
  readonly properties: Readonly<Record<string, string>>;
  readonly hasBody: boolean;
  readonly authorization: string | undefined;
  readonly tokenHeader: string | undefined;
  readonly token: string | undefined;
};

/**
 * Makes the request's headers: defaults, then the component's token, then all request metadata that
 * begins with a capital letter, then the trace context. Throws a `BindingError` for what no header can
 * carry, so that nothing can be smuggled in.
 */
export function requestHeaders(sources: HeaderSources): RequestHeaders {
  const { properties, tokenHeader, token } = sources;
  const headers: RequestHeaders = new Map();
  headers.set("user-agent", userAgent);
  if (sources.hasBody) headers.set("content-type", contentType);
  headers.set("accept", accept);
  if (sources.authorization !== undefined) set(headers, "Authorization", sources.authorization);
  if (token && tokenHeader) set(headers, tokenHeader, token);
  for (const name in properties) {
    const first = name.charCodeAt(0);
    if (first >= 65 && first <= 90) set(headers, name, properties[name] ?? "");
  }
  for (const name of traceNames) {
    const value = properties[name];
    if (value) setChecked(headers, name, value);
  }
  return headers;
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

/** The metadata of an answer: status and headers, under the names that Go gives them. */
export function responseMetadata(
  status: number,
  phrase: string | undefined,
  headers: IncomingHttpHeaders,
): Record<string, string> {
  const metadata: Record<string, string> = {
    statusCode: String(status),
    status: `${status} ${phrase || (STATUS_CODES[status] ?? "")}`,
  };
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || name === "transfer-encoding" || name === "trailer") continue;
    if (name.startsWith(":")) continue;
    metadata[canonical(name)] = typeof value === "string" ? value : value.join(", ");
  }
  return metadata;
}

function set(headers: RequestHeaders, name: string, value: string): void {
  const folded = name.toLowerCase();
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(folded)) {
    throw new BindingError("invalid_argument", `invalid header field name ${JSON.stringify(name)}`);
  }
  setChecked(headers, folded, value, name);
}

/** Sets a header whose name, in lower case, is known to be one. */
function setChecked(
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
  headers.set(folded, { name: canonical(folded), value });
}

const canonicalNames = new Map<string, string>();

/** `x-request-id` as Go writes it: `X-Request-Id`. */
function canonical(name: string): string {
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
