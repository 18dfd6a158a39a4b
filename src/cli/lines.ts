import { StringDecoder } from "node:string_decoder";

/** A line without its end; a part of one that is longer than was allowed. */
export type Line = { readonly text: string; readonly isPart: boolean };

const newline = 0x0a;

/**
 * The lines of a stream, one at a time, with at most about `maxBytes` of them held: a longer one comes in parts. Only
 * a newline ends a line (a carriage return before it is left out), since JSON may hold whatever else Unicode calls so.
 */
export async function* readLines(
  stream: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Line> {
  let held: Uint8Array[] = [];
  let size = 0;
  const decoder = new StringDecoder();
  const take = (last: Uint8Array, isPart: boolean): Line => {
    const bytes = Buffer.concat([...held, last]);
    held = [];
    size = 0;
    // A character that a part ends within is whole in the next one.
    const text = isPart ? decoder.write(bytes) : decoder.end(bytes).replace(/\r$/, "");
    return { text, isPart };
  };
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      yield take(chunk.subarray(start, end), false);
      start = end + 1;
    }
    const rest = chunk.subarray(start);
    if (size + rest.length > maxBytes) {
      yield take(rest, true);
    } else if (rest.length > 0) {
      held.push(rest);
      size += rest.length;
    }
  }
  if (size > 0) yield take(new Uint8Array(), false);
}
