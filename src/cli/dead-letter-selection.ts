import type { Command } from "commander";
import { parseDuration } from "../metadata/duration.ts";
import type { Selection } from "../runtime/records/dead-letters.ts";
import type { DeadLetterFilter } from "../store/records.ts";
import { UsageError } from "./usage-error.ts";

type FilterFlags = {
  readonly component?: string;
  readonly reason?: string;
  readonly event?: string;
  readonly since?: string;
  readonly before?: string;
};

/** Adds the flags that say which dead letters are meant. */
export function addFilterOptions(command: Command): Command {
  return command
    .option("--component <name>", "those of this component")
    .option("--reason <text>", "those whose reason contains this, in any case")
    .option("--event <id>", "those of the event with this identity at its source")
    .option("--since <time>", "those stored then or later: 2h (ago), or 2026-11-30T18:00:00Z")
    .option("--before <time>", "those stored earlier");
}

/** What the flags of {@link addFilterOptions} say. Throws a {@link UsageError}. */
export function readFilter(command: Command): DeadLetterFilter {
  const { component, reason, event, since, before } = command.opts<FilterFlags>();
  return {
    ...(component !== undefined && { component }),
    ...(reason !== undefined && { reason }),
    ...(event !== undefined && { eventId: event }),
    ...(since !== undefined && { since: readTime("--since", since) }),
    ...(before !== undefined && { before: readTime("--before", before) }),
  };
}

/** Which dead letters a command means that changes them: ids, flags, or all. Throws a {@link UsageError}. */
export function readSelection(command: Command, ids: readonly string[]): Selection {
  const { all = false } = command.opts<{ all?: true }>();
  const filter = { ...readFilter(command), ...(ids.length > 0 && { ids }) };
  const saysSomething = Object.keys(filter).length > 0;
  if (all && saysSomething) {
    throw new UsageError("--all means every dead letter; leave it out, or the ids and filters");
  }
  if (!all && !saysSomething) {
    throw new UsageError(
      "say which dead letters are meant: ids, filters such as --component, or --all",
    );
  }
  return { filter, all };
}

function readTime(flag: string, text: string): number {
  const ago = parseDuration(text, 1000);
  if (ago !== undefined && text !== "") return Date.now() - ago;
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw new UsageError(
    `${flag} ${JSON.stringify(text)} is neither a duration such as "2h" nor a time such as "2026-11-30T18:00:00Z"`,
  );
}
