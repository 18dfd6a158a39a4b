import type { Runtime } from "./runtime.ts";

/** What an operator can do with a running runtime. */
export type Operator = Pick<
  Runtime,
  "pause" | "resume" | "restart" | "drainComponent" | "policies" | "reloads" | "history"
>;
