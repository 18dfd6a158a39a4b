import type { IncomingHttpHeaders } from "node:http";
import { STATUS_CODES } from "node:http";
import { canonicalName, setHeader, setKnownHeader, userAgent } from "../../http-client/headers.ts";
import type { RequestHeader, RequestHeaders } from "../../http-client/headers.ts";

const traceNames = ["traceparent", "tracestate", "baggage"] as const;

// Made once, since each request has them.
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
  if (sources.authorization !== undefined)
    setHeader(headers, "Authorization", sources.authorization);
  if (token && tokenHeader) setHeader(headers, tokenHeader, token);
  for (const name in properties) {
    const first = name.charCodeAt(0);
    if (first >= 65 && first <= 90) setHeader(headers, name, properties[name] ?? "");
  }
  for (const name of traceNames) {
    const value = properties[name];
    if (value) setKnownHeader(headers, name, value);
  }
  return headers;
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
    metadata[canonicalName(name)] = typeof value === "string" ? value : value.join(", ");
  }
  return metadata;
}
