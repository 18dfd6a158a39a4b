import { isUtf8 } from "node:buffer";
import { unquoted } from "./unquoted.ts";

/** The HTML of a mail: a call's data as text; over HTTP null is no text. `undefined`: the data are no UTF-8. */
export function mailHtml(
  data: Uint8Array = new Uint8Array(),
  encoding: "bytes" | "json" = "bytes",
): string | undefined {
  const plain = unquoted(data);
  if (!isUtf8(plain)) return undefined;
  const text = Buffer.from(plain).toString("utf8");
  return encoding === "json" && plain === data && text.trim() === "null" ? "" : text;
}
