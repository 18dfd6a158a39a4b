/** So many messages are unpacked at one time: as many as Node has threads for it. */
const mostAtOnce = 4;

let running = 0;
const waiting: (() => void)[] = [];

/**
 * Runs what unpacks a message once there is room. A small message may become a thousand times as large, and
 * nobody knows before: what waits here is small.
 */
export async function whenUnpacking<Result>(unpack: () => Promise<Result>): Promise<Result> {
  if (running >= mostAtOnce) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    return await unpack();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}
