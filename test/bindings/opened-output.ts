import { vi } from "vitest";
import type { AnyBinding, Logger } from "../../src/binding.ts";
import type { MemoryShare } from "../../src/memory/budget.ts";
import {
  openOutput as open,
  type OpenedOutput as Opened,
} from "../../src/testkit/binding/opened-output.ts";

export { textOf } from "../../src/testkit/binding/opened-output.ts";
export { allBytes } from "../../src/testkit/binding/runner.ts";

/** An output binding, opened as the runtime would, of which a test invokes operations. */
export type OpenedOutput = Opened & {
  readonly logger: Record<keyof Logger, ReturnType<typeof vi.fn>>;
};

export async function openOutput(
  binding: AnyBinding,
  properties: Record<string, string>,
  signal: AbortSignal = AbortSignal.timeout(20_000),
  memory?: MemoryShare,
): Promise<OpenedOutput> {
  const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const opened = await open(binding, properties, {
    ...{ logger, signal },
    ...(memory === undefined ? {} : { memory }),
  });
  return { ...opened, logger };
}
