import type { Msg, MsgHdrs } from "@nats-io/transport-node";
import type { Header } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import type { Driver } from "./driver.ts";

const traceNames = ["traceparent", "tracestate", "baggage"] as const;
const reserved = /^nats-/i;

/**
 * The headers of a message that is sent: those that the call names, the trace context, and `own`, which a call
 * cannot set. `undefined`: there are none.
 */
export function headersOf(
  driver: Driver,
  named: ReadonlyMap<string, string>,
  properties: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string | undefined>> = {},
): MsgHdrs | undefined {
  const result = driver.headers();
  for (const name of traceNames) {
    const value = properties[name];
    if (value !== undefined && !named.has(name)) append(result, name, value);
  }
  for (const [name, value] of named) {
    if (reserved.test(name))
      throw refused(
        name,
        "is one of the server's own; use the request metadata that stands for it",
      );
    append(result, name, value);
  }
  for (const [name, value] of Object.entries(own))
    if (value !== undefined) append(result, name, value);
  return result.keys().length === 0 ? undefined : result;
}

/** How many bytes they are in a message. */
export function bytesOf(headers: MsgHdrs): number {
  let size = Buffer.byteLength("NATS/1.0\r\n\r\n");
  for (const name of headers.keys())
    for (const value of headers.values(name)) size += Buffer.byteLength(`${name}: ${value}\r\n`);
  return size;
}

function append(headers: MsgHdrs, name: string, value: string): void {
  if (!/^[!-9;-~]+$/.test(name)) throw refused(name, "has characters that no header's name has");
  // oxlint-disable-next-line no-control-regex -- they are what is refused
  if (/[\r\n\0]/.test(value)) throw refused(name, "has a line break or NUL in its value");
  headers.append(name, value);
}

function refused(name: string, why: string): BindingError {
  const shown = JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
  return new BindingError("invalid_argument", `header ${shown} ${why}`);
}

/** A message of the driver's, with the bytes that it came as. */
type RawMessage = Msg & { readonly _rdata?: Uint8Array; readonly _msg?: { readonly hdr?: number } };

/** The headers as they came, byte for byte and in their order. */
export function receivedHeaders(message: Msg): Header[] {
  const { _rdata: bytes, _msg } = message as RawMessage;
  const size = _msg?.hdr;
  if (bytes === undefined || size === undefined) return decodedHeaders(message.headers);
  if (size <= 0) return [];
  // Each character is a byte.
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, size).toString("latin1").split("\r\n");
  return lines.slice(1).flatMap((line) => {
    const colon = line.indexOf(":");
    if (colon <= 0) return [];
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
    return { name: line.slice(0, colon), value: Buffer.from(value, "latin1") };
  });
}

function decodedHeaders(headers: MsgHdrs | undefined): Header[] {
  if (headers === undefined) return [];
  return headers
    .keys()
    .flatMap((name) => headers.values(name).map((text) => ({ name, value: Buffer.from(text) })));
}

/** The first value of a header, by its name in any case. */
export function headerText(headers: readonly Header[], name: string): string | undefined {
  const header = headers.find((one) => one.name.toLowerCase() === name);
  return header && Buffer.from(header.value).toString();
}
