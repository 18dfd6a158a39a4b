import type { EmbeddedOptions, EmbeddedRuntime } from "./embedded/runtime.ts";

export { defineBinding } from "./binding.ts";
export { BindingError } from "./errors.ts";
export { DeadLetter, Drop, Retry } from "./handler/errors.ts";
export * as fields from "./metadata/fields.ts";
export { version } from "./version.ts";
export type { FunctionAppHandlers } from "./app/function.ts";
export type { BindingEvent, BindingEventHandler, BindingReply } from "./handler/event.ts";
export type {
  AnyBinding,
  Answer,
  Binding,
  Call,
  Checkpoint,
  Checkpoints,
  Header,
  HttpEndpoint,
  HttpEndpoints,
  InboundEvent,
  InputGuarantee,
  Lease,
  Logger,
  Opening,
  Operation,
  Reader,
  Reading,
  Settlement,
  StreamAnswer,
  StreamCall,
} from "./binding.ts";
export type { EmbeddedDeadLetters } from "./embedded/dead-letters.ts";
export type { EmbeddedOperations, EventStory } from "./embedded/operations.ts";
export type { MemoryShare, Reservation } from "./memory/budget.ts";
export type { BindingErrorOptions, Effect, Reason } from "./errors.ts";
export type { Field, Fields, Values } from "./metadata/fields.ts";
export type { ResourceProblem } from "./resources/problem.ts";
export type { DeadLetterChange } from "./runtime/records/dead-letters.ts";
export type { RedriveResult } from "./runtime/records/redrive-run.ts";
export type { ComponentChange, ReloadResult } from "./runtime/component/reload.ts";
export type {
  DeadLetter as StoredDeadLetter,
  DeadLetterFilter,
  HistoryRecord,
} from "./store/records.ts";
export type { DeadLetterTotal } from "./store/store.ts";
export type { Outcome } from "./runtime/app.ts";
export type { ShownPolicies } from "./runtime/operator.ts";
export type { RuntimeLogger } from "./runtime/runtime-logger.ts";
export type { ComponentState, ComponentStatus, UnfinishedEvent } from "./runtime/status.ts";
export type {
  ComponentResource,
  EmbeddedOptions,
  EmbeddedRuntime,
  InvokeRequest,
} from "./embedded/runtime.ts";

/**
 * Starts the runtime in this process. Resolves once every component was tried; one that cannot work, or whose
 * system is not there, stops nothing and is told by `components()`.
 */
export async function createRuntime(options: EmbeddedOptions = {}): Promise<EmbeddedRuntime> {
  // By itself: whoever declares a binding needs none of ours.
  const { createEmbeddedRuntime } = await import("./embedded/runtime.ts");
  return createEmbeddedRuntime(options);
}
