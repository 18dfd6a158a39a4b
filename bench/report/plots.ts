import type { Results } from "./save.ts";
/** The plots by file name. */
export function plots(_: Results): Record<string, string> {
  return {};
}
