import { tickEvent } from "./tick.ts";

type Line = { msg?: string; component?: string; due?: string; dropped?: number };

/**
 * The uuids of the ticks that the runtime's log says were left out, as one may be when the next is due and it is not
 * handled yet: what is told is not lost. Of components that tick each second.
 */
export function loggedTicks(lines: readonly string[]): Set<string> {
  const logged = new Set<string>();
  const first = new Map<string, number>();
  for (const text of lines) {
    const { msg = "", component = "", due, dropped = 0 } = parse(text);
    const at = due === undefined ? undefined : Date.parse(due);
    if (at !== undefined && (msg === "tick discarded" || msg.startsWith("tick dropped")))
      logged.add(tickEvent(component, at).uuid);
    if (at !== undefined && msg.startsWith("tick dropped")) first.set(component, at);
    const from = first.get(component);
    if (msg === "ticks were dropped" && from !== undefined)
      for (let index = 0; index < dropped; index++)
        logged.add(tickEvent(component, from + index * 1000).uuid);
  }
  return logged;
}

function parse(text: string): Line {
  try {
    return JSON.parse(text) as Line;
  } catch {
    // What Node prints by itself is no JSON.
    return {};
  }
}
