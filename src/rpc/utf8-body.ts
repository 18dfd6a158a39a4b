import { isUtf8 } from "node:buffer";
import { Code, ConnectError } from "@connectrpc/connect";

/**
 * A JSON body that comes whole, in one part. Throws a `ConnectError` where it is no UTF-8, for Connect would read other
 * text in its place. One of more than `limit` bytes, which may be cut, is handed on to be refused for its size.
 */
export async function* utf8Body(
  whole: AsyncIterable<Uint8Array>,
  limit: number,
): AsyncGenerator<Uint8Array> {
  for await (const body of whole) {
    if (body.length <= limit && !isUtf8(body)) {
      const text = "the body is no UTF-8; send bytes in base64, or by gRPC";
      throw new ConnectError(text, Code.InvalidArgument);
    }
    yield body;
  }
}
