import { relative } from "node:path";
import { kindOf } from "./kinds.ts";
import type { ServerName } from "./kinds.ts";

/** A server that could not be had, and which test files did not run for it. */
export interface Missing {
  readonly name: ServerName;
  /** Whether it was to be one of the test's own. */
  readonly own: boolean;
  readonly reason: string;
  readonly files: ReadonlySet<string>;
}

/** Whether a missing server fails the run. */
export function isCi(): boolean {
  const value = process.env["CI"] ?? "";
  return value !== "" && value !== "0" && value.toLowerCase() !== "false";
}

/** What the end of the run says about servers that could not be had. */
export function report(missing: readonly Missing[], root: string): string {
  const lines = missing.map(({ name, own, reason, files }) => {
    const { title, variable } = kindOf(name);
    const advice = own ? `install ${title}` : `install ${title} or set ${variable}`;
    const list = [...files].map((file) => `      ${relative(root, file)}`);
    return [`  ${title}: ${reason}`, `    To run them, ${advice}. Not run:`, ...list].join("\n");
  });
  return [
    `${"#".repeat(20)} NOT RUN: tests whose servers could not be had ${"#".repeat(20)}`,
    ...lines,
    "  All servers at once: docker compose -f test/servers/compose.yaml up",
    "#".repeat(88),
  ].join("\n");
}
