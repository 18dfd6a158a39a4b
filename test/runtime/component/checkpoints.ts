import type { Checkpoints } from "../../../src/binding.ts";
import { ComponentCheckpoints } from "../../../src/runtime/component/component-checkpoints.ts";
import { keepingLogger } from "../source-event.ts";

/** Checkpoints of a runtime without a store. */
export function unkeptCheckpoints(): Checkpoints {
  return new ComponentCheckpoints(undefined, "test", keepingLogger());
}
