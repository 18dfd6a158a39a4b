import { Code, ConnectError } from "@connectrpc/connect";

/**
 * A JSON body, part by part. Throws a `ConnectError` where it is no UTF-8, for Connect would read other text in its
 * place.
 */
export async function* utf8Body(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for await (const part of parts) {
    check(() => decoder.decode(part, { stream: true }));
    yield part;
  }
  check(() => decoder.decode());
}

function check(decode: () => unknown): void {
  try {
    decode();
  } catch {
    const text = "the body is no UTF-8; send bytes in base64, or by gRPC";
    throw new ConnectError(text, Code.InvalidArgument);
  }
}
