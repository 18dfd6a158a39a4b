import type { AnyBinding, Answer, HttpEndpoints, InboundEvent, StreamAnswer } from "../binding.ts";
import { formatOrigin, type ComponentSpec } from "../component.ts";
import { BindingError, messageOf } from "../errors.ts";
import { closest } from "../metadata/suggest.ts";
import type { Policies } from "../policy/policies.ts";
import type { DeadLetter } from "../store/records.ts";
import type { App, Outcome, Reply } from "./app.ts";
import { Component, owningComponent } from "./component.ts";
import { Concurrency } from "./concurrency.ts";
import { fanOutSteps } from "./fan-out.ts";
import { History } from "./history.ts";
import type { Invocation, StreamInvocation } from "./invocation.ts";
import type { RuntimeLogger } from "./runtime-logger.ts";
import type { Store } from "../store/store.ts";
import { silentObserver, type Observer } from "./observer.ts";
import { Outputs } from "./outputs.ts";
import type { Redriven } from "./redrive.ts";
import type { ComponentStatus } from "./status.ts";
import { traceOf } from "./trace.ts";

export type RuntimeOptions = {
  readonly appId: string;
  readonly bindings: readonly AnyBinding[];
  /** State stores that replies may save to, as bindings with the operation `set`; types `state.NAME`. */
  readonly stateStores?: readonly AnyBinding[];
  /** Absent: inputs wait for an app, outputs work. */
  readonly app?: App | undefined;
  readonly logger: RuntimeLogger;
  readonly observer?: Observer;
  readonly http: HttpEndpoints;
  /** Where dead letters, attempts, claims and history outlast the process. Absent: nothing does, and an event that would be a dead letter stays where it is. The caller's to close. */
  readonly store?: Store | undefined;
  /** The most events of all components together that the app handles at one time. Default: no limit. */
  readonly maxConcurrency?: number | undefined;
};

/** The heart: components, the way out and the way in. Knows no binding, no wire. */
export type Runtime = {
  /**
   * Makes exactly these components run: new ones are opened, ones that are gone are closed, changed
   * ones are opened anew. Resolves once each was tried or its `initTimeout` has passed. Never rejects.
   */
  apply(specs: readonly ComponentSpec[]): Promise<void>;
  /** Gives all components what Resiliency says now; `undefined`: nothing. No component is opened anew. */
  applyPolicies(policies: Policies | undefined): void;
  /** In the order in which they were applied. */
  components(): ComponentStatus[];
  /** The binding behind a component type such as `bindings.redis`, in any case. */
  readonly bindings: readonly AnyBinding[];
  /** Every component was tried, and the runtime is not draining. */
  readonly ready: boolean;
  /** Resolves once the first components are there: until then nobody knows what is an output. */
  readonly known: Promise<void>;
  /**
   * Runs an operation. Resolves to `undefined` for "no response". Rejects with a `BindingError`. What comes
   * before {@link known} waits for it.
   */
  invoke(invocation: Invocation): Promise<Answer | undefined>;
  /** Whether an output's operation reads its payload, and answers, in parts. Throws a `BindingError` where there is none. */
  takesStream(name: string, operation: string): boolean;
  /**
   * Runs such an operation. Resolves once the answer begins; the invocation ends with the answer's body,
   * which must be read to its end or given up. Rejects, and the body throws, a `BindingError`.
   */
  invokeStream(invocation: StreamInvocation): Promise<StreamAnswer | undefined>;
  /** Hands a test event to the app as if the component had read it, once. */
  emit(
    name: string,
    event: Pick<InboundEvent, "data" | "metadata" | "headers">,
    signal: AbortSignal,
  ): Promise<Outcome>;
  /**
   * Delivers a dead letter's event to the app again, with fresh attempts, until it is handled or they are used up. The
   * letter stays where it is; removing it once it is handled is the caller's. Rejects with a `BindingError`
   * where its component is not there, or reads nothing now.
   */
  redrive(letter: DeadLetter, signal?: AbortSignal): Promise<Redriven>;
  /** What became of events. */
  readonly history: Pick<History, "find">;
  /**
   * Stops the inputs: no more events are read, those with the app are awaited until `deadline` (ms),
   * the rest is returned to the sources. Outputs go on working.
   */
  drain(deadline: number): Promise<{ abandoned: number }>;
  /**
   * Rebuilds the component on whose behalf the failing code ran. False: it belongs to none. For the
   * process's handler of uncaught exceptions.
   */
  blame(error: unknown): boolean;
  /** Closes everything. Drains first when that was not done. */
  close(): Promise<void>;
};

/** Makes a runtime without components; {@link Runtime.apply} gives it some. */
export function createRuntime(options: RuntimeOptions): Runtime {
  const { appId, bindings, app, logger, http, observer = silentObserver } = options;
  const stateStores = options.stateStores ?? [];
  const types = typesByName(bindings, stateStores);
  const concurrency = new Concurrency(options.maxConcurrency);
  const { store } = options;
  const history = new History(store?.history, logger);
  const components = new Map<string, Component>();
  /** Those of no known type: shown, so that nobody has to wonder where they are. */
  const unknown = new Map<string, ComponentStatus>();
  const outputs = new Outputs(components, observer, options.store?.claims);
  const known = Promise.withResolvers<void>();
  let policies: Policies | undefined;
  let isKnown = false;
  let applied = false;
  let draining = false;

  const fanOut = (reply: Reply | undefined, replyFanOut: boolean) =>
    fanOutSteps(reply, replyFanOut, {
      create: (name, data) => outputs.create(name, data),
      save: async (name, states) => {
        for (const { key, value } of states) await outputs.save(name, key, value);
      },
    });

  function make(spec: ComponentSpec): Component | undefined {
    const binding = types.get(spec.type.toLowerCase());
    if (binding === undefined || !["", "v0", "v1"].includes(spec.version.toLowerCase())) {
      const meant = binding === undefined ? closest(spec.type, types.keys()) : `${spec.type} v1`;
      const suggestion = meant === undefined ? "" : `; did you mean ${meant}?`;
      const reason = `couldn't find binding ${spec.name} (${spec.type}/${spec.version})${suggestion}`;
      logger.error({ component: spec.name, origin: formatOrigin(spec.origin) }, reason);
      unknown.set(spec.name, failedStatus(spec, reason));
      return undefined;
    }
    return new Component({
      appId,
      spec,
      binding,
      app: app?.of?.(spec.name) ?? app,
      logger,
      observer,
      http,
      concurrency,
      policies,
      fanOut,
      store,
      history,
      invokeOutput: (name, data, metadata) => outputs.create(name, data, metadata),
    });
  }

  return {
    bindings,
    get ready() {
      return applied && !draining;
    },
    async apply(specs) {
      const wanted = new Map(specs.map((spec) => [spec.name, spec]));
      const gone = [...components.values()].filter(({ spec }) => wanted.get(spec.name) !== spec);
      for (const component of gone) components.delete(component.spec.name);
      await Promise.all(gone.map((component) => component.close(Number.POSITIVE_INFINITY)));
      const started: Promise<void>[] = [];
      unknown.clear();
      for (const spec of wanted.values()) {
        if (components.has(spec.name)) continue;
        const component = make(spec);
        if (component === undefined) continue;
        components.set(spec.name, component);
        started.push(component.start());
      }
      isKnown = true;
      known.resolve();
      await Promise.all(started);
      applied = true;
    },
    applyPolicies(next) {
      if (policies !== undefined) next?.inherit(policies);
      policies = next;
      for (const component of components.values()) component.policies.apply(next);
    },
    components: () => [
      ...[...components.values()].map(({ status }) => status),
      ...unknown.values(),
    ],
    known: known.promise,
    invoke: (invocation) =>
      isKnown ? outputs.invoke(invocation) : known.promise.then(() => outputs.invoke(invocation)),
    takesStream: (name, operation) => outputs.takesStream(name, operation),
    invokeStream: (invocation) => outputs.invokeStream(invocation),
    async emit(name, event, signal) {
      if (app === undefined) return { kind: "unsent", reason: "no app port was given" };
      const target = app.of?.(name) ?? app;
      if (!target.available) return { kind: "unsent", reason: target.unavailableReason };
      const route = components.get(name)?.route ?? name;
      const trace = traceOf(event);
      const alone = { lane: undefined, key: undefined, id: undefined };
      const once = { attempt: 1, attempts: 1, lastError: undefined };
      return target.deliver({ name, route, ...alone, ...event, trace, ...once }, signal);
    },
    async redrive(letter, signal) {
      const component = components.get(letter.component);
      if (component !== undefined) return component.redrive(letter, signal);
      const text = `there is no component ${letter.component}, whose dead letter this is`;
      throw new BindingError("not_found", text);
    },
    history,
    async drain(deadline) {
      draining = true;
      const results = await Promise.all([...components.values()].map((one) => one.drain(deadline)));
      return { abandoned: results.reduce((sum, { abandoned }) => sum + abandoned, 0) };
    },
    blame(error) {
      const component = owningComponent();
      if (component === undefined || components.get(component.spec.name) !== component)
        return false;
      logger.error(
        { component: component.spec.name, reason: messageOf(error) },
        "a driver failed; its component is rebuilt",
      );
      component.rebuild(error);
      return true;
    },
    async close() {
      draining = true;
      isKnown = true;
      known.resolve();
      await Promise.all([...components.values()].map((one) => one.close()));
      outputs.close();
      components.clear();
      unknown.clear();
      await history.close();
    },
  };
}

function failedStatus(spec: ComponentSpec, reason: string): ComponentStatus {
  const { name, type, version } = spec;
  return {
    ...{ name, type, version, state: "failed", reason, since: new Date() },
    origin: formatOrigin(spec.origin),
    directions: { input: false, output: false },
    operations: [],
    ...{ inFlight: 0, waiting: 0, handled: 0, failedAttempts: 0, required: false },
  };
}

function typesByName(
  bindings: readonly AnyBinding[],
  stateStores: readonly AnyBinding[],
): ReadonlyMap<string, AnyBinding> {
  const types = new Map<string, AnyBinding>();
  for (const [prefix, list] of [
    ["bindings.", bindings],
    ["state.", stateStores],
  ] as const) {
    for (const binding of list) {
      for (const name of [binding.name, ...(binding.aliases ?? [])])
        types.set(prefix + name.toLowerCase(), binding);
    }
  }
  return types;
}
