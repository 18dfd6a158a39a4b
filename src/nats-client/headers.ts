import type { Msg, MsgHdrs } from "@nats-io/transport-node";

export type ReceivedHeader = { readonly name: string; readonly value: Uint8Array };

/** How many bytes they are in a message. */
export function bytesOf(headers: MsgHdrs): number {
  let size = Buffer.byteLength("NATS/1.0\r\n\r\n");
  for (const name of headers.keys())
    for (const value of headers.values(name)) size += Buffer.byteLength(`${name}: ${value}\r\n`);
  return size;
}

/** A message of the driver's, with the bytes that it came as. */
type RawMessage = Msg & { readonly _rdata?: Uint8Array; readonly _msg?: { readonly hdr?: number } };

/** The headers as they came, byte for byte and in their order. */
export function receivedHeaders(message: Msg): ReceivedHeader[] {
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

function decodedHeaders(headers: MsgHdrs | undefined): ReceivedHeader[] {
  if (headers === undefined) return [];
  return headers
    .keys()
    .flatMap((name) => headers.values(name).map((text) => ({ name, value: Buffer.from(text) })));
}
