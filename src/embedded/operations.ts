import { findComponent } from "../runtime/find-component.ts";
import type { ShownPolicies } from "../runtime/operator.ts";
import type { DeadLetterManager } from "../runtime/records/dead-letters.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ReloadResult } from "../runtime/component/reload.ts";
import type { ComponentStatus, UnfinishedEvent } from "../runtime/status.ts";
import type { DeadLetter, HistoryRecord } from "../store/records.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** What is known of an event, as `cufflink why` tells it. All empty: nothing is. */
export type EventStory = {
  /** Where it is, while it has not ended, oldest first. */
  readonly unfinished: readonly UnfinishedEvent[];
  /** What became of it, newest first. */
  readonly records: readonly HistoryRecord[];
  /** Its dead letters that are there now, at most 100. */
  readonly deadLetters: readonly DeadLetter[];
};

/** What an operator can do with a runtime in this process, as by `cufflink components` and `cufflink why`. */
export type EmbeddedOperations = {
  /**
   * Stops a component's events until {@link EmbeddedOperations.resume}, in the processes to come too where there is a
   * `stateDir`; it can still be invoked. Resolves to how it is then. Rejects with a `BindingError` where there is no such
   * input, as the others do.
   */
  pause(
    name: string,
    options?: { readonly reason?: string; readonly by?: string },
  ): Promise<ComponentStatus>;
  /** Lets a paused component's events go on. */
  resume(name: string): Promise<ComponentStatus>;
  /** Opens a component's connection anew, beside the old one. Rejects with what keeps it from being open. */
  restart(name: string): Promise<ComponentStatus>;
  /**
   * Pauses a component, until it is resumed or the process ends, and resolves once the app has finished the events that it
   * had, or after `deadline` ms (default 30,000); `abandoned`: those that it had not.
   */
  drain(
    name: string,
    options?: { readonly deadline?: number },
  ): Promise<{ readonly component: ComponentStatus; readonly abandoned: number }>;
  /** What is done about a component's failures, and who said so. Throws a `BindingError` where there is none. */
  policies(name: string): ShownPolicies;
  /** Where an event is or how it ended, by the source's identity of it or its trace id. */
  why(event: string, options?: { readonly component?: string }): Promise<EventStory>;
  /** What came of the start and of the last reloads, at most 20, newest first. */
  reloads(): ReloadResult[];
  /** What Prometheus scrapes: text of the type `text/plain; version=0.0.4`. */
  metrics(): Promise<string>;
};

const mostDeadLetters = 100;
const mostBytes = 64 * 1024 * 1024;
const usualDeadline = 30_000;

/** The same operator as a daemon's, for code in this process. */
export function embeddedOperations({
  runtime,
  deadLetters,
  metrics,
}: {
  readonly runtime: Runtime;
  readonly deadLetters: DeadLetterManager;
  readonly metrics: Metrics;
}): EmbeddedOperations {
  const statusOf = (name: string): ComponentStatus => findComponent(runtime, name);
  return {
    async pause(name, { reason = "", by = "the app" } = {}) {
      await runtime.pause(name, reason, by);
      return statusOf(name);
    },
    async resume(name) {
      await runtime.resume(name);
      return statusOf(name);
    },
    async restart(name) {
      await runtime.restart(name);
      return statusOf(name);
    },
    async drain(name, { deadline = usualDeadline } = {}) {
      const { abandoned } = await runtime.drainComponent(name, deadline);
      return { component: statusOf(name), abandoned };
    },
    policies(name) {
      statusOf(name);
      return runtime.policies(name) ?? { inbound: undefined, outbound: undefined };
    },
    async why(event, { component } = {}) {
      // Asked first: an event that ends meanwhile is told twice, and not left out.
      const unfinished = await runtime.unfinished(event, component);
      const records = await runtime.history.find(event, component);
      const filter = { eventId: event, ...(component !== undefined && { component }) };
      const page = { limit: mostDeadLetters, maxData: mostBytes, maxBytes: mostBytes };
      const found = await deadLetters.list(filter, { ...page, after: undefined });
      return { unfinished, records, deadLetters: found.deadLetters };
    },
    reloads: () => runtime.reloads.toReversed(),
    metrics: () => metrics.text(),
  };
}
