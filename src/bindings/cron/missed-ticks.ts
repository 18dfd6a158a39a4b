import type { NextTime } from "../../schedule/ticker.ts";

/** What is made up for of the time in which nobody was there. */
export type CatchUp = "none" | "last" | "all";

/**
 * A take-over is no absence: what was due within this time is delivered, whatever the component says. The longest time that
 * replicas take to find a new owner, in milliseconds.
 */
const takeOver = 20_000;

/** The most ticks that are made up for, the newest. */
export const mostMissed = 1_000;

/** The ticks due after `from` and up to `now`, oldest first, as far as they are made up for. */
export function missedTicks(
  next: NextTime,
  from: number,
  now: number,
  catchUp: CatchUp,
): {
  readonly due: readonly number[];
  /** There were more, which are not. */ readonly more: boolean;
} {
  const recent = newest(next, Math.max(from, now - takeOver), now, mostMissed);
  if (now - from <= takeOver || recent.due.length >= mostMissed) return recent;
  if (catchUp === "all") return newest(next, from, now, mostMissed);
  if (catchUp === "last" && recent.due.length === 0) return newest(next, from, now, 1);
  return recent;
}

function newest(next: NextTime, from: number, now: number, most: number) {
  // A calendar has a tick a second at most, and most have few: so it is looked back further and further, until there are
  // enough.
  for (let span = Math.max(most, 60) * 1_000; ; span *= 4) {
    const begin = Math.max(from, now - span);
    const due: number[] = [];
    for (let time = next(begin); time !== undefined && time <= now; time = next(time)) {
      due.push(time);
      if (due.length > 2 * most) due.splice(0, most);
    }
    const isAll = begin === from;
    if (!isAll && due.length < most) continue;
    return { due: due.slice(-most), more: !isAll || due.length > most };
  }
}
