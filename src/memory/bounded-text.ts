/** The largest answer of a service that gives tokens, or says why it does not, in bytes. */
export const largestTokenAnswer = 1024 * 1024;

/** Reads a body to its end, as UTF-8. Rejects once it is longer than so many bytes, and gives the rest of it up. */
export async function boundedText(
  body: AsyncIterable<Uint8Array> | null,
  limit: number,
): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body ?? []) {
    size += part.length;
    if (size > limit) throw new Error(`the answer is larger than ${limit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts, size).toString("utf8");
}
