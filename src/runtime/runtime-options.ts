import type { PortProbe } from "../port-use.ts";
import type { AnyBinding, HttpEndpoints } from "../binding.ts";
import type { DriversFolder } from "../drivers.ts";
import type { MemoryBudget } from "../memory/budget.ts";
import type { Store } from "../store/store.ts";
import type { App } from "./app.ts";
import type { PluggableTypes } from "./component-types.ts";
import type { Observer } from "./observer.ts";
import type { Fleet } from "./ownership.ts";
import type { Relay } from "./relay.ts";
import type { RuntimeLogger } from "./runtime-logger.ts";
import type { Tracer } from "./tracer.ts";

/** What a runtime is made of. */
export type RuntimeOptions = {
  readonly appId: string;
  /** The bindings; the list may grow. */
  readonly bindings: readonly AnyBinding[];
  /** All there are, where `bindings` are only those that were needed so far. */
  readonly allBindings?: () => Promise<readonly AnyBinding[]>;
  /** Types of bindings that programs beside this one serve. Absent: there are none. */
  readonly pluggable?: PluggableTypes | undefined;
  /** State stores that replies may save to, as bindings with the operation `set`; types `state.NAME`. */
  readonly stateStores?: readonly AnyBinding[];
  /** Absent: inputs wait for an app, outputs work. */
  readonly app?: App | undefined;
  readonly logger: RuntimeLogger;
  readonly observer?: Observer;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  readonly http: HttpEndpoints & Partial<PortProbe>;
  /** Where dead letters, attempts, claims and history outlast the process. Absent: nothing does, an event that would be a dead letter stays where it is, and calls with an idempotency key are refused. The caller's to close. */
  readonly store?: Store | undefined;
  /** What components with `relay` go through. Absent: they cannot be opened. */
  readonly relay?: Relay | undefined;
  /** The memory for what components' systems send. Default: a budget of its own, of 256 MiB. */
  readonly memory?: MemoryBudget | undefined;
  /** The replicas that share the store: who of them reads a singleton. Absent: this process reads all that it is given. */
  readonly fleet?: Fleet | undefined;
  /** Remember what became of events. Default true. */
  readonly eventHistory?: boolean | undefined;
  /** The most events of all components together that the app handles at one time. Default: no limit. */
  readonly maxConcurrency?: number | undefined;
  /** Where bindings' drivers are looked for beside the package and the working directory. */
  readonly driversFolder?: DriversFolder;
  /** Bindings may run programs of this machine. Default false. */
  readonly allowExec?: boolean | undefined;
};
