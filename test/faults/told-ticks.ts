type Line = { msg?: string; due?: string; dropped?: number };

/**
 * The seconds of the ticks that the runtime's log says were left out, as one may be when the next is due and it is not
 * handled yet: what is told is not lost.
 */
export function toldTicks(lines: readonly string[]): Set<number> {
  const told = new Set<number>();
  let first: number | undefined;
  for (const text of lines) {
    const { msg = "", due, dropped } = parse(text);
    const second = due === undefined ? undefined : Math.floor(Date.parse(due) / 1000);
    if (msg === "tick given up" && second !== undefined) told.add(second);
    if (msg.startsWith("tick dropped") && second !== undefined) {
      first = second;
      told.add(second);
    }
    if (msg === "ticks were dropped" && first !== undefined)
      for (let index = 0; index < (dropped ?? 0); index++) told.add(first + index);
  }
  return told;
}

function parse(text: string): Line {
  try {
    return JSON.parse(text) as Line;
  } catch {
    // What Node prints by itself is no JSON.
    return {};
  }
}
