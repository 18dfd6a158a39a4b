import { tickEvent } from "./tick.ts";

type Line = { msg?: string; component?: string; first?: string; last?: string };

/**
 * The uuids of the ticks that the runtime's log says were left out, as one may be when the next is due and it is not
 * handled yet: what is told is not lost. Of components that tick each second.
 */
export function loggedTicks(lines: readonly string[]): Set<string> {
  const logged = new Set<string>();
  for (const text of lines) {
    const { msg = "", component = "", first, last } = parse(text);
    if (!/^ticks (are|were) dropped/.test(msg) || first === undefined || last === undefined)
      continue;
    for (let at = Date.parse(first); at <= Date.parse(last); at += 1000)
      logged.add(tickEvent(component, at).uuid);
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
