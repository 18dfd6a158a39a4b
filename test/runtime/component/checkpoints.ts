import type { Checkpoints } from "../../../src/binding.ts";
import { ComponentCheckpoints } from "../../../src/runtime/component/component-checkpoints.ts";
import type { CheckpointStore } from "../../../src/store/store.ts";
import { keepingLogger } from "../source-event.ts";

/** Checkpoints of a runtime without a store. */
export function unkeptCheckpoints(): Checkpoints {
  return new ComponentCheckpoints(undefined, "test", keepingLogger());
}

/** Checkpoints that outlast a reading, as those of a runtime with a store do. */
export function keptCheckpoints(): Checkpoints {
  const kept = new Map<string, { fingerprint: string; position: string }>();
  const store: CheckpointStore = {
    load: async (_, partition) => kept.get(partition),
    put: async (_, partition, checkpoint) => void kept.set(partition, checkpoint),
  };
  return new ComponentCheckpoints(store, "test", keepingLogger());
}
