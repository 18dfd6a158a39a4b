import type { Handle, Requests } from "./session.ts";

/** How much one request reads or writes, in bytes: a server of the protocol takes at least 32 KiB of all. */
const partSize = 32 * 1024 - 1024;
/** Requests on their way at one time; what they carry is all that is in memory. */
const mostRequests = 16;

/** A file's content, whole or as it comes. */
export type Content = Uint8Array | AsyncIterable<Uint8Array>;

/** The first `size` bytes of an open file, as fast as they are taken; fewer where it ends before. */
export async function* readParts(
  requests: Requests,
  handle: Handle,
  size: number,
): AsyncGenerator<Buffer> {
  const coming: { readonly length: number; readonly part: Promise<Buffer> }[] = [];
  let asked = 0;
  for (;;) {
    while (coming.length < mostRequests && asked < size) {
      const length = Math.min(partSize, size - asked);
      const part = readPart(requests, handle, asked, length);
      // Those behind one that fails fail, too.
      part.catch(() => undefined);
      coming.push({ length, part });
      asked += length;
    }
    const next = coming.shift();
    if (next === undefined) return;
    const part = await next.part;
    if (part.length > 0) yield part;
    // What lies behind such an end was written meanwhile.
    if (part.length < next.length) return;
  }
}

/** As many bytes as asked for, unless the file ends: a server may answer with fewer. */
async function readPart(
  requests: Requests,
  handle: Handle,
  position: number,
  length: number,
): Promise<Buffer> {
  const first = await requests.read(handle, position, length);
  if (first.length === length || first.length === 0) return first;
  const parts = [first];
  for (let done = first.length; done < length;) {
    const more = await requests.read(handle, position + done, length - done);
    if (more.length === 0) break;
    parts.push(more);
    done += more.length;
  }
  return Buffer.concat(parts);
}

/** Writes all of the content from the start of an open file, taking no more of it than is on its way. */
export async function writeParts(
  requests: Requests,
  handle: Handle,
  content: Content,
): Promise<void> {
  const going = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  let position = 0;
  const write = async (part: Buffer): Promise<void> => {
    const sent = requests.write(handle, part, position).catch((error: unknown) => {
      failure ??= { error };
    });
    position += part.length;
    const done = sent.finally(() => going.delete(done));
    going.add(done);
    if (going.size >= mostRequests) await Promise.race(going);
    if (failure !== undefined) throw failure.error;
  };
  try {
    const chunks = content instanceof Uint8Array ? [content] : content;
    for await (const chunk of chunks) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      for (let from = 0; from < bytes.length; from += partSize) {
        await write(bytes.subarray(from, from + partSize));
      }
    }
  } finally {
    await Promise.all(going);
  }
  if (failure !== undefined) throw failure.error;
}
