import { formatOrigin } from "../component.ts";
import type { Breaker, BreakerState, Policy } from "./policy.ts";
import {
  defaultNames,
  defaultTrip,
  type CircuitBreakerRule,
  type ComponentKind,
  type ComponentTarget,
  type Direction,
  type PolicyKind,
  type PolicyNames,
  type Resiliency,
  type Rule,
} from "./resiliency.ts";
import type { RetryPolicy } from "./retry.ts";
import type { Counts, Trip } from "./trip.ts";

/** One component's policy for one direction, with where each part comes from, in words. */
export type ResolvedPolicy = Policy & { readonly sources: PolicySources };

export type PolicySources = {
  readonly retry: string;
  readonly timeout: string;
  readonly breaker: string;
};

/** What a component says by itself, over the runtime's defaults. */
export type OwnPolicy = { readonly retry: RetryPolicy; readonly source: string };

/** One way of one component. */
export type PolicyTarget = {
  readonly component: string;
  readonly kind: ComponentKind;
  readonly direction: Direction;
};

/** Told each change of a breaker's state, with what it had counted. */
export type BreakerListener = (
  target: PolicyTarget,
  breaker: Breaker,
  state: BreakerState,
  counts: Counts,
) => void;

type MakeBreaker = (
  rule: Rule<CircuitBreakerRule>,
  onState: (breaker: Breaker, state: BreakerState, counts: Counts) => void,
) => Breaker;

type Kept = { readonly rule: string; readonly breaker: Breaker };

/**
 * What Resiliency says, ready to be asked for the policy of any component. {@link compilePolicies} makes
 * one; without any Resiliency it costs nothing, for the libraries are loaded for a breaker only.
 */
export class Policies {
  readonly #resiliency: Resiliency;
  readonly #makeBreaker: MakeBreaker | undefined;
  readonly #breakers = new Map<string, Kept>();

  constructor(resiliency: Resiliency, makeBreaker?: MakeBreaker) {
    this.#resiliency = resiliency;
    this.#makeBreaker = makeBreaker;
  }

  /** What it was made of. */
  get resiliency(): Resiliency {
    return this.#resiliency;
  }

  /** Goes on with the breakers of those that these replace, where their rules are the same. */
  inherit(before: Policies): void {
    for (const [name, kept] of before.#breakers) this.#breakers.set(name, kept);
  }

  /**
   * The policy of one way: part by part what Resiliency says, else what the component says by itself. As in
   * Dapr a component that is a target gets no default policy, for neither way.
   */
  resolve(target: PolicyTarget, own: OwnPolicy, onState: BreakerListener): ResolvedPolicy {
    const retry = this.#find("retries", this.#resiliency.retries, target);
    const timeout = this.#find("timeouts", this.#resiliency.timeouts, target);
    const breaker = this.#find("circuitBreakers", this.#resiliency.circuitBreakers, target);
    const none = "default: none";
    return {
      retry: retry?.rule.value ?? own.retry,
      repeatsAmbiguous: retry !== undefined,
      matching: retry?.rule.value.matching,
      timeout: timeout?.rule.value,
      breaker: breaker && this.#breaker(breaker.rule, target, onState),
      sources: {
        retry: retry?.source ?? own.source,
        timeout: timeout?.source ?? none,
        breaker: breaker?.source ?? none,
      },
    };
  }

  /** Whether a breaker is asked for. */
  hasBreaker(target: PolicyTarget): boolean {
    return this.#find("circuitBreakers", this.#resiliency.circuitBreakers, target) !== undefined;
  }

  #find<Value>(
    policies: PolicyKind,
    rules: ReadonlyMap<string, Rule<Value>>,
    { component, kind, direction }: PolicyTarget,
  ): { rule: Rule<Value>; source: string } | undefined {
    const target = this.#resiliency.components.get(component);
    if (target === undefined) {
      for (const name of defaultNames(policies, kind, direction)) {
        const rule = rules.get(name);
        if (rule !== undefined) return { rule, source: describeRule(rule) };
      }
      return undefined;
    }
    const name = nameOf(target[direction], policies);
    const rule = name === undefined ? undefined : rules.get(name);
    return rule && { rule, source: describeTarget(target, component, direction, rule) };
  }

  #breaker(
    rule: Rule<CircuitBreakerRule>,
    target: PolicyTarget,
    onState: BreakerListener,
  ): Breaker | undefined {
    const key = `${target.direction} ${target.component}`;
    const text = JSON.stringify([rule.name, rule.value]);
    const kept = this.#breakers.get(key);
    if (kept?.rule === text) return kept.breaker;
    const breaker = this.#makeBreaker?.(rule, (one, state, counts) =>
      onState(target, one, state, counts),
    );
    if (breaker !== undefined) this.#breakers.set(key, { rule: text, breaker });
    return breaker;
  }
}

/** Makes {@link Policies} of a Resiliency, and loads what its breakers need. */
export async function compilePolicies(resiliency: Resiliency): Promise<Policies> {
  const rules = [...resiliency.circuitBreakers.values()];
  if (rules.length === 0) return new Policies(resiliency);
  const { CircuitBreaker } = await import("./circuit-breaker.ts");
  const trips = new Map<string, Trip>([[defaultTrip, byDefault]]);
  for (const { value } of rules) {
    const text = value.trip ?? defaultTrip;
    if (trips.has(text)) continue;
    const compiled = (await import("./trip.ts")).compileTrip(text);
    // One that cannot be compiled never opens, as in Dapr; reading the resource has said so.
    trips.set(text, "trip" in compiled ? compiled.trip : () => false);
  }
  return new Policies(resiliency, ({ name, value }, onState) => {
    const trip = trips.get(value.trip ?? defaultTrip) ?? byDefault;
    const breaker: Breaker = new CircuitBreaker({
      ...{ name, trip, maxRequests: value.maxRequests },
      ...{ interval: value.interval, timeout: value.timeout },
      onState: (state, counts) => onState(breaker, state, counts),
    });
    return breaker;
  });
}

const byDefault: Trip = ({ consecutiveFailures }) => consecutiveFailures > 5;

function nameOf(names: PolicyNames, policies: PolicyKind): string | undefined {
  if (policies === "timeouts") return names.timeout;
  return policies === "retries" ? names.retry : names.circuitBreaker;
}

function describeRule({ name, resource, origin }: Rule<unknown>): string {
  return `${name} of Resiliency ${resource}${place(formatOrigin(origin))}`;
}

function describeTarget(
  target: ComponentTarget,
  component: string,
  direction: Direction,
  { name }: Rule<unknown>,
): string {
  const where = place(formatOrigin(target[direction].origin));
  return `${name}, by Resiliency ${target.resource} targets.components.${component}.${direction}${where}`;
}

function place(where: string): string {
  return where === "" ? "" : ` (${where})`;
}
