import { readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { FaultPoint } from "../../src/fault-point.ts";

/** What the runtime is doing when a fault strikes. */
export type Phase =
  | "connecting"
  | "idle"
  | "receiving"
  | "in the handler"
  | "settling"
  | "draining"
  | "reloading";

export const phases: readonly Phase[] = [
  ...(["connecting", "idle", "receiving", "in the handler"] as const),
  ...(["settling", "draining", "reloading"] as const),
];

/** Where the runtime stops itself, so that the fault strikes exactly there. */
export function stopOf(phase: Phase): FaultPoint | undefined {
  if (phase === "settling") return "before settle";
  if (phase === "reloading") return "new component proved";
  return undefined;
}

let known: Set<string> | undefined;

/** The fault points that the runtime's source reaches. */
export function reachedPoints(): ReadonlySet<string> {
  if (known !== undefined) return known;
  const source = resolve(import.meta.dirname, "../../src");
  known = new Set();
  for (const name of readdirSync(source, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts")) continue;
    const text = readFileSync(join(source, name), "utf8");
    for (const [, point] of text.matchAll(/\breach\("([^"]+)"\)/g)) known.add(point ?? "");
  }
  return known;
}
