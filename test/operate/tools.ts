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
  const why = [
    ...programs
      .filter((name) => findProgram(name) === undefined)
      .map((name) => `there is no ${name}`),
    ...(root && process.getuid?.() !== 0 ? ["only root can"] : []),
  ];
  const not = why.length === 0 ? "" : `: not run, since ${why.join(" and ")}`;
  if (not !== "") process.stderr.write(`NOT RUN: ${title}${not}\n`);
  describe.skipIf(not !== "")(`${title}${not}`, () => {
    tests();
  });
}
