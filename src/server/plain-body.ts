import { isUtf8 } from "node:buffer";
import type { HttpExchange } from "../rpc/http-exchange.ts";
import { JsonError } from "./go-json.ts";

/** A request body that is compressed, where none is unpacked. */
export class Compressed extends Error {
  override readonly name = "Compressed";
}

/** Throws {@link Compressed} for a request whose `content-encoding` is any but `identity`. */
export function requirePlain(request: HttpExchange): void {
  const encoding = request.get("content-encoding")?.trim().toLowerCase() ?? "";
  if (encoding === "" || encoding === "identity") return;
  const named = JSON.stringify(encoding);
  throw new Compressed(
    `the body is compressed (content-encoding ${named}); send it as it is, or call gRPC or Connect, which take gzip`,
  );
}

/** Throws a {@link JsonError} for a body that is no UTF-8, of which other text would be read. */
export function requireUtf8(body: Buffer): void {
  if (isUtf8(body)) return;
  // What is none is read as a sign that has other bytes.
  const read = Buffer.from(body.toString("utf8"));
  const at = body.findIndex((byte, index) => byte !== read[index]);
  const byte = (body[at] ?? 0).toString(16).padStart(2, "0");
  throw new JsonError(
    `invalid UTF-8: byte 0x${byte} at offset ${at}; send bytes in base64, or by gRPC`,
  );
}
