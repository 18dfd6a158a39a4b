import { describe } from "vitest";
import { findProgram } from "../servers/server-process.ts";

/**
 * A `describe` whose tests need programs of this machine, and root if `root` is set. Where something is missing, the tests
 * are skipped, and their title says what.
 */
export function describeWithTools(
  title: string,
  { programs, root = false }: { readonly programs: readonly string[]; readonly root?: boolean },
  tests: () => void,
): void {
  const missing = programs.filter((name) => findProgram(name) === undefined);
  const isRoot = !root || process.getuid?.() === 0;
  if (missing.length === 0 && isRoot) return void describe(title, tests);
  const why = [
    ...(missing.length > 0 ? [`there is no ${missing.join(" and no ")}`] : []),
    ...(isRoot ? [] : ["only root can"]),
  ];
  process.stderr.write(`NOT RUN: ${title}, since ${why.join(", and ")}\n`);
  // oxlint-disable-next-line vitest/no-disabled-tests -- named in the output
  describe.skip(`${title}: not run, since ${why.join(", and ")}`, tests);
}
