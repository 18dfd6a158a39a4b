import { collectGarbage } from "../memory/garbage-collection.ts";

/** How many bytes of parts go by between collections. */
const interval = 1024 * 1024;
/** How many bytes of buffers may be there beyond the fewest there were, before the old ones are looked at too. */
const allowance = 3 * 1024 * 1024;

let passed = 0;
let lowest = Infinity;

/**
 * Has the buffers of parts that have gone by freed. The engine sees how small their objects are and not what they
 * hold, so that it lets 64 MiB of them pile up before it looks; a look at the young ones takes about half a
 * millisecond. Those that had to wait for their turn are old by then, and take longer to find.
 */
export function partPassed(bytes: number): void {
  passed += bytes;
  if (passed < interval) return;
  passed = 0;
  const { arrayBuffers } = process.memoryUsage();
  lowest = Math.min(lowest, arrayBuffers);
  const isMajor = arrayBuffers - lowest > allowance;
  if (isMajor) lowest = Infinity;
  collectGarbage(isMajor ? "major" : "minor");
}
