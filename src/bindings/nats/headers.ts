import type { MsgHdrs } from "@nats-io/transport-node";
import type { Header } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import type { Driver } from "../../nats-client/driver.ts";

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

/** The first value of a header, by its name in any case. */
export function headerText(headers: readonly Header[], name: string): string | undefined {
  const header = headers.find((one) => one.name.toLowerCase() === name);
  return header && Buffer.from(header.value).toString();
}
