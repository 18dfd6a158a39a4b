import type { HistoryRecord } from "../store/records.ts";

/** What an operator can do with a running runtime. Unknown names reject with a `BindingError` (`not_found`). */
export type Operator = {
  /** Stops a component's events until {@link Operator.resume}, across reloads. Nothing where it is paused already. */
  pause(name: string, reason: string): Promise<void>;
  /** Nothing where it is not paused. */
  resume(name: string): Promise<void>;
  /** Closes the component's connection and opens a new one. */
  restart(name: string): Promise<void>;
  /** Pauses, and resolves once the app has finished what it has, or after `deadline` milliseconds. */
  drainComponent(name: string, deadline: number): Promise<{ readonly abandoned: number }>;
  /** The policies in force. `undefined`: there is no such component. */
  policies(name: string): ComponentPolicies | undefined;
  /** The last 20, oldest first. */
  readonly reloads: readonly ReloadResult[];
  readonly history: {
    /** Newest first, at most 100. `component` absent: of any. */
    find(eventId: string, component: string | undefined): Promise<HistoryRecord[]>;
  };
};

/** What is done about failures of a component, where anything can fail. */
export type ComponentPolicies = {
  readonly inbound: readonly PolicyPart[] | undefined;
  readonly outbound: readonly PolicyPart[] | undefined;
};

/** One part of a policy, for people. */
export type PolicyPart = {
  /** `attempts`, `timeout`. */
  readonly name: string;
  /** `10`, `5s`. */
  readonly value: string;
  /** Who said so: `default`, `Resiliency shop (resiliency.yaml:12)`. */
  readonly source: string;
};

/** What came of a reload. */
export type ReloadResult = {
  /** Rises by one with each reload that changed something. */
  readonly revision: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly outcome: "applied" | "unchanged" | "partly applied" | "refused";
  readonly components: readonly ComponentChange[];
  /** What is wrong with the resources, a line each. */
  readonly problems: readonly string[];
};

/** What a reload did to one component. */
export type ComponentChange = {
  readonly name: string;
  readonly change: "created" | "updated" | "deleted" | "kept";
  readonly outcome: "applied" | "failed";
  /** Why it failed; empty where it did not. */
  readonly reason: string;
  /** `file:line:column`; empty where it came from no file. */
  readonly origin: string;
};
