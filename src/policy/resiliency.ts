import type { Origin } from "../component.ts";
import type { Matching } from "./matching.ts";
import type { RetryPolicy } from "./retry.ts";

/** What Dapr's Resiliency resources say, several as one: of a name given twice the last counts. */
export type Resiliency = {
  /** Milliseconds. */
  readonly timeouts: ReadonlyMap<string, Rule<number>>;
  readonly retries: ReadonlyMap<string, Rule<RetryRule>>;
  readonly circuitBreakers: ReadonlyMap<string, Rule<CircuitBreakerRule>>;
  /** By the components' names. */
  readonly components: ReadonlyMap<string, ComponentTarget>;
};

/** A policy under `spec.policies`, by its name. */
export type Rule<Value> = {
  readonly name: string;
  readonly value: Value;
  /** The Resiliency that it is in, and where. */
  readonly resource: string;
  readonly origin: Origin | undefined;
};

export type RetryRule = RetryPolicy & { readonly matching?: Matching | undefined };

export type CircuitBreakerRule = {
  readonly maxRequests: number;
  /** Milliseconds; 0: never. */
  readonly interval: number;
  /** Milliseconds. */
  readonly timeout: number;
  /** An expression of CEL that was found good; `undefined`: `consecutiveFailures > 5`. */
  readonly trip: string | undefined;
};

/** What `targets.components.NAME` says. */
export type ComponentTarget = {
  readonly resource: string;
  readonly inbound: PolicyNames;
  readonly outbound: PolicyNames;
};

/** The policies that a target names. */
export type PolicyNames = {
  readonly origin: Origin | undefined;
  readonly timeout?: string | undefined;
  readonly retry?: string | undefined;
  readonly circuitBreaker?: string | undefined;
};

/** What `trip` is when it is not said. */
export const defaultTrip = "consecutiveFailures > 5";

/** Ways that a policy goes: `inbound` to the app, `outbound` to the system. */
export type Direction = "inbound" | "outbound";

/** What a component is to Dapr, for the names of its default policies. */
export type ComponentKind = "Binding" | "Statestore";

const suffixes = {
  timeouts: "TimeoutPolicy",
  retries: "RetryPolicy",
  circuitBreakers: "CircuitBreakerPolicy",
} as const;

/** The three kinds of policies, by their keys under `spec.policies`. */
export type PolicyKind = keyof typeof suffixes;

/** Dapr's reserved names of default policies for a component, the narrowest first. */
export function defaultNames(
  policies: PolicyKind,
  kind: ComponentKind,
  direction: Direction,
): string[] {
  const way = direction === "inbound" ? "Inbound" : "Outbound";
  return [`${kind}Component${way}`, `Component${way}`, "Component", ""].map(
    (level) => `Default${level}${suffixes[policies]}`,
  );
}

/** Every name that Dapr reserves for a kind of policies, those of other building blocks among them. */
export function reservedNames(policies: PolicyKind): string[] {
  const components = ["Binding", "Statestore", "Pubsub", "Secretstore", "Configuration", "Lock"];
  const levels = [
    ...["", "App", "Actor", "Component", "ComponentInbound", "ComponentOutbound"],
    ...[...components, "Crypto", "Conversation"].flatMap((one) => [
      `${one}ComponentInbound`,
      `${one}ComponentOutbound`,
    ]),
  ];
  const names = levels.map((level) => `Default${level}${suffixes[policies]}`);
  return policies === "retries" ? [...names, ...builtInRetries] : names;
}

/** Of other building blocks; a policy of such a name replaces what Dapr does there by itself. */
const builtInRetries = [
  "DaprBuiltInServiceRetries",
  "DaprBuiltInActorRetries",
  "DaprBuiltInActorReminderRetries",
  "DaprBuiltInActorNotFoundRetries",
  "DaprBuiltInInitializationRetries",
];
