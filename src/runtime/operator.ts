import type { Runtime } from "./runtime.ts";

/** What an operator can do with a running runtime. */
export type Operator = Pick<
  Runtime,
  | "pause"
  | "resume"
  | "restart"
  | "drainComponent"
  | "drainInputs"
  | "policies"
  | "examine"
  | "reloads"
  | "history"
  | "unfinished"
>;

/** What is done about failures of a component, for people; absent where nothing can fail. */
export type ShownPolicies = NonNullable<ReturnType<Runtime["policies"]>>;
