import { createHash, randomUUID } from "node:crypto";
import { BindingError } from "../../../errors.ts";
import type { Described } from "./blob-headers.ts";
import type { Container } from "./container.ts";

/** The bytes of a part. A blob has at most 50,000 of them. */
const blockSize = 4 * 1024 * 1024;
const mostBlocks = 50_000;
const uploading = "error uploading az blob";

/**
 * Stores a payload that comes in parts. Nobody sees anything of it before the last has come; the service itself throws
 * away parts that were never made a blob.
 */
export async function upload(
  container: Container,
  blob: string,
  body: AsyncIterable<Uint8Array>,
  { headers, md5 }: Described,
  signal: AbortSignal,
): Promise<void> {
  const ids: string[] = [];
  const prefix = randomUUID().slice(0, 8);
  const digest = md5 === undefined ? undefined : createHash("md5");
  // One for all, since each is sent before the next begins. What is not written costs nothing.
  const block = Buffer.allocUnsafeSlow(blockSize);
  let size = 0;
  const send = async (): Promise<void> => {
    // All ids of a blob have one length.
    const id = Buffer.from(`${prefix}-${String(ids.length).padStart(6, "0")}`).toString("base64");
    if (ids.length === mostBlocks)
      throw new BindingError("out_of_range", `${uploading}: it has too many blocks`);
    await container.putBlock(blob, id, block.subarray(0, size), signal);
    size = 0;
    ids.push(id);
  };
  for await (const part of body) {
    digest?.update(part);
    for (let at = 0; at < part.length;) {
      const taken = part.subarray(at, at + blockSize - size);
      block.set(taken, size);
      size += taken.length;
      at += taken.length;
      if (size === blockSize) await send();
    }
  }
  if (digest !== undefined && digest.digest("base64") !== md5)
    throw new BindingError(
      "invalid_argument",
      `${uploading}: Md5Mismatch: the data is not what contentMD5 says`,
      { systemCode: "Md5Mismatch" },
    );
  if (ids.length === 0)
    return container.put(uploading, blob, block.subarray(0, size), headers, signal);
  if (size > 0) await send();
  await container.commit(blob, ids, headers, signal);
}

/** Decodes base64 that comes in parts. Throws where it is none. */
export async function* decoded(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest = "";
  for await (const part of body) {
    const text =
      rest +
      Buffer.from(part)
        .toString("latin1")
        .replaceAll(/[\r\n]/g, "");
    const whole = text.length - (text.length % 4);
    const padded = text.indexOf("=");
    const end = padded === -1 ? whole : Math.min(whole, padded - (padded % 4));
    rest = text.slice(end);
    yield decodeBase64(text.slice(0, end));
    if (rest.length > 4) break;
  }
  if (rest !== "") yield decodeBase64(rest);
}

/** As Go does, which passes over ends of lines. Throws a `BindingError`. */
export function decodeBase64(text: string): Buffer {
  const joined = text.replaceAll(/[\r\n]/g, "");
  if (joined.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(joined))
    throw new BindingError("invalid_argument", "illegal base64 data");
  return Buffer.from(joined, "base64");
}
