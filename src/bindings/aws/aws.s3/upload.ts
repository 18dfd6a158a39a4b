import { BindingError } from "../../../errors.ts";
import type { Bucket, Put, Stored } from "./bucket.ts";

/**
 * The bytes of a part, but for the last; S3 wants at least 5 MiB, and takes 10,000 parts: 78 GiB. One part at a time is in
 * memory.
 */
const partSize = 8 * 1024 * 1024;
const mostParts = 10_000;
const abortLimit = 10_000;

/** Stores an object whose bytes come in parts. One that fits into one part is sent at once; a failed upload leaves nothing. */
export async function upload(
  bucket: Bucket,
  key: string,
  content: AsyncIterable<Uint8Array>,
  put: Put,
  signal: AbortSignal,
): Promise<Stored> {
  const parts = inParts(content);
  const first = await parts.next();
  if (first.done === true) return bucket.put(key, Buffer.alloc(0), put, signal);
  if (first.value.length < partSize) return bucket.put(key, first.value, put, signal);
  const uploadId = await bucket.beginUpload(key, put, signal);
  try {
    const etags = [await bucket.putPart(key, { uploadId, number: 1 }, first.value, signal)];
    for await (const part of parts) {
      if (etags.length === mostParts)
        throw new BindingError(
          "out_of_range",
          `s3 binding error: the object is larger than ${mostParts} parts of ${partSize} bytes`,
        );
      const number = etags.length + 1;
      etags.push(await bucket.putPart(key, { uploadId, number }, part, signal));
    }
    return await bucket.completeUpload(key, uploadId, etags, signal);
  } catch (error) {
    // The caller may be gone: this has a time of its own.
    await bucket.abortUpload(key, uploadId, AbortSignal.timeout(abortLimit)).catch(() => undefined);
    throw error;
  }
}

/** The same bytes in parts of `partSize`, each in the same memory: one is not used any more when the next is asked for. */
async function* inParts(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const part = Buffer.allocUnsafeSlow(partSize);
  let length = 0;
  for await (const bytes of content) {
    for (let at = 0; at < bytes.length;) {
      const taken = Math.min(bytes.length - at, partSize - length);
      part.set(bytes.subarray(at, at + taken), length);
      length += taken;
      at += taken;
      if (length < partSize) continue;
      yield part;
      length = 0;
    }
  }
  if (length > 0) yield part.subarray(0, length);
}
