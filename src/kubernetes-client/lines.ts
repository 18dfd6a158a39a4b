import { BindingError } from "../errors.ts";
import type { MemoryShare } from "../memory/budget.ts";

/** Of one line, in bytes; an object of Kubernetes has 1.5 MiB at most. */
const longestLine = 4 * 1024 * 1024;

/** The lines of a watch, which may come in parts that end anywhere. What follows the last line's end is none. */
export async function* linesOf(
  parts: AsyncIterable<Buffer>,
  memory: MemoryShare,
): AsyncGenerator<string> {
  const room = memory.forAnswers.open();
  let rest: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of parts) {
      if (!room.reserve(part.length)) throw noRoomFor("the watch");
      let begin = 0;
      for (let end = part.indexOf(10); end !== -1; end = part.indexOf(10, begin)) {
        const line = Buffer.concat([...rest, part.subarray(begin, end)]).toString("utf8");
        begin = end + 1;
        rest = [];
        size = 0;
        if (line.trim() !== "") yield line;
      }
      const left = part.subarray(begin);
      if (left.length > 0) rest.push(left);
      size += left.length;
      if (size > longestLine) throw new Error("a line of the watch is too long");
      room.add(size - room.bytes);
    }
  } finally {
    room.release();
  }
}

export function noRoomFor(what: string): BindingError {
  const text = `the memory budget has no room for ${what} (--memory-budget)`;
  return new BindingError("resource_exhausted", text, { effect: "unsent" });
}
