import { BindingError } from "../../../errors.ts";

/** Base64 as it comes, with line ends, decoded as it comes. Throws a `BindingError` for what is none. */
export async function* decoded(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = "";
  let at = 0;
  let isOver = false;
  for await (const chunk of body) {
    const text =
      left +
      Buffer.from(chunk)
        .toString("latin1")
        .replaceAll(/[\r\n]/g, "");
    const length = text.length - (text.length % 4);
    left = text.slice(length);
    if (length === 0) continue;
    const whole = text.slice(0, length);
    if (isOver || !/^[A-Za-z0-9+/]*={0,2}$/.test(whole)) throw illegal(at);
    isOver = whole.endsWith("=");
    at += length;
    yield Buffer.from(whole, "base64");
  }
  if (left !== "") throw new BindingError("invalid_argument", "unexpected EOF");
}

/** Bytes as they come, as base64. */
export async function* encoded(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = Buffer.alloc(0);
  for await (const chunk of body) {
    const bytes = Buffer.concat([left, chunk]);
    const length = bytes.length - (bytes.length % 3);
    left = bytes.subarray(length);
    if (length > 0) yield Buffer.from(bytes.subarray(0, length).toString("base64"));
  }
  if (left.length > 0) yield Buffer.from(left.toString("base64"));
}

function illegal(at: number): BindingError {
  return new BindingError("invalid_argument", `illegal base64 data at input byte ${at}`);
}
