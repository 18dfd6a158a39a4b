import type { MemoryShare } from "../memory/budget.ts";
import type { Runtime } from "../runtime/runtime.ts";

export type InvocationStreamOptions = {
  readonly runtime: Runtime;
  /** The largest payload that is gathered for an operation that takes it whole, in bytes. */
  readonly maxBodySize: number;
  /** For payloads and metadata of invocations that are open. */
  readonly memory: MemoryShare;
  /** The trace context that goes over an invocation's own metadata. */
  readonly trace: (metadata: Readonly<Record<string, string>>) => Record<string, string>;
  /** Aborted when the caller of the stream has gone, or its deadline has passed. */
  readonly signal: AbortSignal;
};
