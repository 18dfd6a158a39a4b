import { BindingError } from "../../errors.ts";
import type { HeaderRecord } from "../../grpc/client.ts";

/** Request metadata by names in lower case. */
export type CallHeaders = Readonly<Record<string, string>>;

const traceNames = ["traceparent", "tracestate", "baggage"] as const;

/** What gRPC or HTTP/2 say themselves. */
const reserved =
  /^(grpc-.*|content-type|content-length|te|host|connection|keep-alive|proxy-connection|transfer-encoding|upgrade|expect)$/;

/** Of names and values together. Servers commonly refuse more, some by ending the connection. */
const mostBytes = 8 * 1024;

/**
 * Makes a request's metadata: of two with one name the later counts, and the trace context is passed on. Throws a
 * `BindingError` for what gRPC's metadata cannot carry.
 */
export function callHeaders(
  properties: Readonly<Record<string, string>>,
  ...named: readonly ReadonlyMap<string, string>[]
): CallHeaders {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const name of traceNames) {
    const value = properties[name];
    if (value) headers[name] = valueOf(name, value);
  }
  for (const map of named) {
    for (const [written, value] of map) {
      const name = written.toLowerCase();
      if (!/^[0-9a-z_.-]+$/.test(name) || reserved.test(name))
        throw refused(`${shown(written)} is no name of request metadata`);
      headers[name] = valueOf(name, value);
    }
  }
  let bytes = 0;
  for (const name in headers) bytes += name.length + (headers[name]?.length ?? 0);
  if (bytes > mostBytes) throw refused(`the request metadata are larger than ${mostBytes} bytes`);
  return headers;
}

function valueOf(name: string, value: string): string {
  if (name.endsWith("-bin")) {
    const bare = value.replace(/={0,2}$/, "");
    if (Buffer.from(bare, "base64").toString("base64").replace(/=*$/, "") !== bare)
      throw refused(`the value of ${name} is no base64`);
    return bare;
  }
  // HTTP/2 takes spaces at either end away.
  if (!/^[ -~]*$/.test(value) || value !== value.trim())
    throw refused(
      `the value of ${name} has characters that request metadata cannot carry; a name that ends in -bin carries bytes`,
    );
  return value;
}

const statusNames = /^(:.*|grpc-.*|content-type|content-length|trailer)$/;

/** The metadata of an answer: its headers and trailers, those of one name in one text. Bytes stay base64. */
export function answerMetadata(...blocks: readonly HeaderRecord[]): Record<string, string> {
  const metadata = new Map<string, string>();
  for (const block of blocks) {
    for (const name in block) {
      const value = block[name];
      if (value === undefined || statusNames.test(name)) continue;
      const text = typeof value === "string" ? value : value.join(", ");
      const known = metadata.get(name);
      metadata.set(name, known === undefined ? text : `${known}, ${text}`);
    }
  }
  return Object.fromEntries(metadata);
}

function shown(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}…` : name);
}

function refused(text: string): BindingError {
  return new BindingError("invalid_argument", `grpc: ${text}`);
}
