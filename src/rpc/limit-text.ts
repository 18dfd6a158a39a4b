import { createAsyncIterable, type UniversalServerResponse } from "@connectrpc/connect/protocol";

/**
 * Connect's answer for a message over a limit names an option of Connect's; a person needs the flag. Of gRPC that
 * text is in the header or trailer `grpc-message`, of Connect's unary calls in the JSON body, and of gRPC-Web and
 * Connect's streams in the frame that comes last.
 */
export async function namingLimitFlag(
  response: UniversalServerResponse,
  flag: string,
): Promise<UniversalServerResponse> {
  const { status, header, trailer, body } = response;
  for (const fields of [header, trailer]) {
    const text = fields?.get("grpc-message");
    if (text) fields?.set("grpc-message", renamed(text, flag));
  }
  if (body === undefined || header === undefined) return response;
  const type = header.get("content-type") ?? "";
  if (status !== 200 && type === "application/json" && !header.has("content-encoding")) {
    const parts: Uint8Array[] = [];
    for await (const part of body) parts.push(part);
    const text = Buffer.from(renamed(Buffer.concat(parts).toString("utf8"), flag));
    header.set("content-length", String(text.length));
    return { ...response, body: createAsyncIterable([text]) };
  }
  if (!/^application\/(?:grpc-web|connect\+)/.test(type)) return response;
  return { ...response, body: renamedFrames(body, flag) };
}

async function* renamedFrames(
  parts: NonNullable<UniversalServerResponse["body"]>,
  flag: string,
): AsyncGenerator<Uint8Array> {
  for await (const part of parts) yield isLastFrame(part) ? renamedFrame(part, flag) : part;
}

/** The flags of the frame that ends an answer: of gRPC-Web and of Connect, not compressed. */
const lastFlags: ReadonlySet<number | undefined> = new Set([0x80, 0x02]);
const prefixBytes = 5;
/** An error's text is shorter, and what is longer is no error's text. Bytes. */
const longestFrame = 16 * 1024;

function isLastFrame(part: Uint8Array): boolean {
  if (part.length < prefixBytes || part.length > longestFrame || !lastFlags.has(part[0]))
    return false;
  return new DataView(part.buffer, part.byteOffset).getUint32(1) === part.length - prefixBytes;
}

function renamedFrame(part: Uint8Array, flag: string): Uint8Array {
  const content = Buffer.from(part.subarray(prefixBytes)).toString("utf8");
  const text = Buffer.from(renamed(content, flag));
  const prefix = Buffer.from(part.subarray(0, prefixBytes));
  prefix.writeUInt32BE(text.length, 1);
  return Buffer.concat([prefix, text]);
}

/** `grpc-message` has its text percent-encoded. */
function renamed(text: string, flag: string): string {
  return text.replace(
    /(message(?: |%20)size(?: |%20).*?larger(?: |%20)than)(?: |%20)configured(?: |%20)(?:read|write)MaxBytes(?: |%20)(\d+)/,
    (whole, before: string, limit: string) =>
      before +
      (whole.includes("%20") ? encodeURIComponent : String)(` ${limit} bytes; see ${flag}`),
  );
}
