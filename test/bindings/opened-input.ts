import { onTestFinished, vi } from "vitest";
import type { AnyBinding, Checkpoints, HttpEndpoints, Logger } from "../../src/binding.ts";
import {
  openInput as open,
  type OpenedInput as Opened,
} from "../../src/testkit/binding/opened-input.ts";

export type InputOptions = {
  http?: HttpEndpoints;
  name?: string;
  /** Awaited by the source after each event, as it awaits room. */
  room?: () => Promise<void>;
  /** Default: none that outlast the reading. */
  checkpoints?: Checkpoints;
};

/** An input binding that reads, as the runtime would let it; it is closed after the test. */
export type OpenedInput = Opened & {
  readonly logger: Record<keyof Logger, ReturnType<typeof vi.fn>>;
};

export async function openInput(
  binding: AnyBinding,
  properties: Record<string, string>,
  options: InputOptions = {},
): Promise<OpenedInput> {
  const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const opened = await open(binding, properties, { ...options, logger });
  onTestFinished(opened.close);
  return { ...opened, logger };
}
