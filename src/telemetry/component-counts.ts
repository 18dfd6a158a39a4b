import type { MissedBecause } from "../binding.ts";
import type { BindingError } from "../errors.ts";
import type { Outcome } from "../runtime/app.ts";
import type { Observer, SpanIds } from "../runtime/observer.ts";
import { Durations } from "./durations.ts";

/** The most operations of a component that are told apart; further ones count as {@link otherOperation}. */
const mostOperations = 50;
/** The longest name of an operation that is told, in characters. Some bindings take any. */
const longestOperation = 64;
const otherOperation = "other";
/** The most components that are gone and still told. */
const mostGone = 100;

type Relayed = Parameters<Observer["relayed"]>[1];

type Operation = {
  readonly succeeded: Durations;
  /** By reason. */
  readonly failed: Map<BindingError["reason"], Durations>;
};

/** What was counted of one component since the start. */
export type Counts = {
  readonly operations: Map<string, Operation>;
  /** By outcome. */
  readonly attempts: Record<Outcome["kind"], Durations | undefined>;
  /** Events by how they ended. */
  readonly ends: Map<string, number>;
  readonly missed: Map<MissedBecause, number>;
  readonly leases: { renewed: number; failed: number };
  /** Events of the relay, by what became of them. */
  readonly relayed: Map<Relayed, number>;
};

/** Counts what the runtime does. Cheap: it is on the path of each call and each event. */
export class ComponentCounts implements Observer {
  readonly #components = new Map<string, Counts>();

  invoked(
    component: string,
    name: string,
    error: BindingError | undefined,
    milliseconds: number,
    span?: SpanIds,
  ): void {
    const { operations } = this.#of(component);
    const operation = operations.get(name) ?? newOperation(operations, name);
    if (error === undefined) operation.succeeded.observe(milliseconds, span);
    else failedFor(operation, error.reason).observe(milliseconds, span);
  }

  attempted(
    component: string,
    outcome: Outcome["kind"],
    milliseconds: number,
    span?: SpanIds,
  ): void {
    const { attempts } = this.#of(component);
    (attempts[outcome] ??= new Durations()).observe(milliseconds, span);
  }

  ended(component: string, how: string): void {
    add(this.#of(component).ends, how, 1);
  }

  leaseRenewed(component: string, renewed: boolean): void {
    this.#of(component).leases[renewed ? "renewed" : "failed"]++;
  }

  missed(component: string, events: number, why: MissedBecause): void {
    add(this.#of(component).missed, why, events);
  }

  relayed(component: string, what: Relayed, events: number): void {
    add(this.#of(component).relayed, what, events);
  }

  /** The manager of dead letters counts them, those that go to outputs too. */
  redriven(): void {}

  stateChanged(): void {}

  /** What was counted, by component. */
  get all(): ReadonlyMap<string, Counts> {
    return this.#components;
  }

  /** Forgets components that are gone, the longest known first, but for some. */
  forget(present: ReadonlySet<string>): void {
    const gone = [...this.#components.keys()].filter((name) => !present.has(name));
    for (const name of gone.slice(0, -mostGone)) this.#components.delete(name);
  }

  #of(component: string): Counts {
    const known = this.#components.get(component);
    if (known !== undefined) return known;
    const counts: Counts = {
      ...{ operations: new Map(), attempts: noAttempts(), ends: new Map(), missed: new Map() },
      ...{ leases: { renewed: 0, failed: 0 }, relayed: new Map() },
    };
    this.#components.set(component, counts);
    return counts;
  }
}

function noAttempts(): Counts["attempts"] {
  return {
    ...{ handled: undefined, refused: undefined, dropped: undefined },
    ...{ "not attempted": undefined, unsent: undefined },
  };
}

function newOperation(operations: Map<string, Operation>, name: string): Operation {
  const isTold = operations.size < mostOperations && name.length <= longestOperation;
  const told = isTold ? name : otherOperation;
  const known = operations.get(told);
  if (known !== undefined) return known;
  const operation: Operation = { succeeded: new Durations(), failed: new Map() };
  operations.set(told, operation);
  return operation;
}

function failedFor({ failed }: Operation, reason: BindingError["reason"]): Durations {
  const known = failed.get(reason);
  if (known !== undefined) return known;
  const durations = new Durations();
  failed.set(reason, durations);
  return durations;
}

function add<Key>(counts: Map<Key, number>, key: Key, more: number): void {
  counts.set(key, (counts.get(key) ?? 0) + more);
}
