import type { Logger } from "../binding.ts";

/** A logger that can be narrowed to one component. */
export type RuntimeLogger = Logger & {
  child(fields: Readonly<Record<string, string>>): RuntimeLogger;
};
