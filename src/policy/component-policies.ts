import type { ComponentSpec } from "../component.ts";
import type { BreakerListener, OwnPolicy, Policies, ResolvedPolicy } from "./policies.ts";
import type { Direction } from "./resiliency.ts";
import { defaultInboundPolicy, defaultOutboundPolicy } from "./retry.ts";

const defaults: Readonly<Record<Direction, OwnPolicy>> = {
  inbound: { retry: defaultInboundPolicy, source: "default" },
  outbound: { retry: defaultOutboundPolicy, source: "default" },
};

/**
 * The policies of one component that count now. Whoever runs an attempt reads them here each time, so that a
 * changed Resiliency counts from the next attempt on, without anything being reopened.
 */
export class ComponentPolicies {
  readonly #component: Pick<ComponentSpec, "name" | "type">;
  readonly #onBreaker: BreakerListener;
  readonly #listeners = new Set<() => void>();
  #policies: Policies | undefined;
  #own = defaults;
  #inbound: ResolvedPolicy;
  #outbound: ResolvedPolicy;

  /** `policies`: what Resiliency says; `undefined`: there is none. */
  constructor(
    component: Pick<ComponentSpec, "name" | "type">,
    policies: Policies | undefined,
    onBreaker: BreakerListener,
  ) {
    this.#component = component;
    this.#policies = policies;
    this.#onBreaker = onBreaker;
    this.#inbound = this.#resolve("inbound");
    this.#outbound = this.#resolve("outbound");
  }

  get inbound(): ResolvedPolicy {
    return this.#inbound;
  }

  get outbound(): ResolvedPolicy {
    return this.#outbound;
  }

  /** What the component's own metadata say, once they are known. */
  setOwn(own: Readonly<Record<Direction, OwnPolicy>>): void {
    this.#own = own;
    this.#changed();
  }

  /** What another Resiliency says; `undefined`: there is none any more. */
  apply(policies: Policies | undefined): void {
    this.#policies = policies;
    this.#changed();
  }

  /** Calls the listener after each change; the returned function ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #changed(): void {
    this.#inbound = this.#resolve("inbound");
    this.#outbound = this.#resolve("outbound");
    for (const listener of this.#listeners) listener();
  }

  #resolve(direction: Direction): ResolvedPolicy {
    const own = this.#own[direction];
    if (this.#policies !== undefined) {
      const { name: component, type } = this.#component;
      const kind = type.toLowerCase().startsWith("state.") ? "Statestore" : "Binding";
      return this.#policies.resolve({ component, kind, direction }, own, this.#onBreaker);
    }
    const none = "default: none";
    return { retry: own.retry, sources: { retry: own.source, timeout: none, breaker: none } };
  }
}
