import { onTestFinished } from "vitest";
import type { AnyBinding } from "../../../src/binding.ts";
import type { Check } from "../../../src/examination.ts";
import { componentName, startComponent } from "../../../src/testkit/binding/component-runtime.ts";

/** The answers of an examination of a component, an output where it says nothing else. */
export async function examined(
  binding: AnyBinding,
  properties: Readonly<Record<string, string>>,
): Promise<readonly Check[]> {
  const { runtime, close } = await startComponent(binding, { direction: "output", ...properties });
  onTestFinished(close);
  const { checks } = await runtime.examine(componentName, 10_000);
  return checks;
}

/** `kind subject: result` of each question. */
export async function answersOf(
  ...of: Parameters<typeof examined>
): Promise<Record<string, Check["result"]>> {
  const checks = await examined(...of);
  return Object.fromEntries(
    checks
      .filter(({ kind }) => kind !== "definition")
      .map(({ kind, subject, result }) => [`${kind} ${subject}`.trim(), result]),
  );
}

/** {@link answersOf} without those that are left open. */
export async function knownOf(
  ...of: Parameters<typeof examined>
): Promise<Record<string, Check["result"]>> {
  const answers = Object.entries(await answersOf(...of));
  return Object.fromEntries(answers.filter(([, result]) => result !== "unknown"));
}
