import { messageOf } from "./errors.ts";

/** What each of these throws or rejects with, for a binding's `check`. A text that several have is given once. */
export async function problemsOf(checks: readonly (() => unknown)[]): Promise<readonly string[]> {
  const messages = new Set<string>();
  for (const check of checks) {
    try {
      await check();
    } catch (error) {
      messages.add(messageOf(error));
    }
  }
  return [...messages];
}
