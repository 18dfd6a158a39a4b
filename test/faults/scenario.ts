import { setTimeout as pause } from "node:timers/promises";
import type { Handled, Produced, Verdict } from "./oracle.ts";
import type { Source } from "./opened-source.ts";
import type { ComponentYaml } from "./runtime-process.ts";
import { openFixture, type Fixture, type FixtureOptions } from "./fixture.ts";
import { toldIn } from "./told.ts";

/** What came of a scenario. */
export type Result = {
  /** What is wrong; empty: it passed. */
  readonly failures: readonly string[];
  /** What was measured, in a few words. */
  readonly figures: string;
  /** Where the logs are, if it failed. */
  readonly folder?: string;
};

/** How long one step may take, in milliseconds. */
export const progressTimeout = 120_000;

/** Plays a scenario on a stage of its own. Never rejects: what it throws is what is wrong. */
export async function withFixture(
  source: Source,
  options: FixtureOptions,
  play: (fixture: Fixture) => Promise<Result>,
): Promise<Result> {
  await using fixture = await openFixture(source, { mode: source.mode, ...options });
  try {
    const result = await play(fixture);
    if (result.failures.length === 0) return result;
    fixture.keep();
    return { ...result, folder: fixture.folder };
  } catch (error) {
    fixture.keep();
    const failures = [error instanceof Error ? error.message : String(error)];
    return { failures, figures: "", folder: fixture.folder };
  }
}

/** Resolves once all that the source has was handled, or nothing more was for a while. */
export async function allHandled(
  produced: readonly Produced[],
  handled: () => readonly Handled[],
): Promise<void> {
  const missing = (): number => {
    const done = new Set(handled().map(({ uuid }) => uuid));
    return produced.filter(({ durable, uuid }) => durable && !done.has(uuid)).length;
  };
  // What is still missing after a while in which nothing more was handled, the verdict tells.
  let before = Number.POSITIVE_INFINITY;
  let end = 0;
  for (let count = missing(); count > 0; count = missing()) {
    if (count !== before) end = Date.now() + progressTimeout;
    else if (Date.now() > end) return;
    before = count;
    await pause(200);
  }
}

export function withMetadata(
  component: ComponentYaml,
  metadata: Readonly<Record<string, string>>,
): ComponentYaml {
  return { ...component, metadata: { ...component.metadata, ...metadata } };
}

/** What is wrong with a verdict, with at most so many duplicates allowed. */
export function problemsOf(verdict: Verdict, ordered: boolean, bound: number): string[] {
  const { lost, duplicates, reordered, rewound } = verdict;
  const problems: string[] = [];
  if (lost.length > 0) problems.push(`lost ${lost.length}`);
  if (duplicates > bound) problems.push(`duplicates ${duplicates}, more than ${bound}`);
  if (ordered && reordered.length > 0) problems.push(`reordered ${reordered.length}`);
  if (ordered && rewound.length > 0) problems.push(`rewound ${rewound.length}`);
  return problems;
}

export function figuresOf({ produced, lost, duplicates, deadLettered }: Verdict): string {
  const deadLetters = deadLettered > 0 ? `, dead letters ${deadLettered}` : "";
  return `produced ${produced}, lost ${lost.length}, duplicates ${duplicates}${deadLetters}`;
}

/** The uuid in an event's payload. */
export function uuidOf(data: Uint8Array | undefined): string {
  return toldIn(data).uuid;
}
