import type { AnyBinding, Answer, InboundEvent, StreamAnswer } from "../binding.ts";
import type { ComponentSpec } from "../component.ts";
import { BindingError } from "../errors.ts";
import { MemoryBudget } from "../memory/budget.ts";
import { closest } from "../metadata/suggest.ts";
import { describePolicies, type PolicyParts } from "../policy/describe.ts";
import type { Policies } from "../policy/policies.ts";
import type { DeadLetter } from "../store/records.ts";
import type { Outcome } from "./app.ts";
import { namesOf } from "./component-names.ts";
import { ComponentTypes } from "./component-types.ts";
import { Component, owner } from "./component/component.ts";
import { ComponentSlot } from "./component/component-slot.ts";
import { examineComponent, type Examined } from "./component/examine.ts";
import { noComponent } from "./find-component.ts";
import { followPauses } from "./component/shared-pauses.ts";
import { PauseRecord } from "./component/pause-record.ts";
import { Concurrency } from "./concurrency.ts";
import { fanOutSteps, type MakeFanOut } from "./delivery/fan-out.ts";
import { Loops } from "./delivery/loops.ts";
import { History } from "./records/history.ts";
import type { Invocation, StreamInvocation } from "./outputs/invocation.ts";
import { silentObserver } from "./observer.ts";
import type { RuntimeOptions } from "./runtime-options.ts";
import { Outputs } from "./outputs/outputs.ts";
import {
  ReloadLog,
  type ComponentChange,
  type Findings,
  type ReloadResult,
} from "./component/reload.ts";
import type { Redriven } from "./delivery/redrive.ts";
import type { ComponentStatus, UnfinishedEvent } from "./status.ts";
import { emitTo } from "./emission.ts";
import type { Tracer } from "./tracer.ts";

/** The heart: components, the way out and the way in. Knows no binding, no wire. */
export type Runtime = {
  /**
   * Makes exactly these components run: new ones are opened, ones that are gone are drained and closed, each
   * changed one follows the one before it as a transaction (see `replaceComponent`). Resolves once all that is done,
   * tried, or superseded by a later call. Never rejects. With `findings.unread` nothing is known yet: no component is
   * touched.
   */
  apply(specs: readonly ComponentSpec[], findings?: Findings): Promise<ReloadResult>;
  /** What came of the last 20 times that components were applied, oldest first. */
  readonly reloads: readonly ReloadResult[];
  /**
   * Stops a component's input until {@link Runtime.resume}, in the processes to come too as far as there is a store:
   * what the app has it may finish, the rest is the source's again. Outputs go on. Rejects with a `BindingError`
   * where there is no such input.
   */
  pause(name: string, reason: string, by?: string): Promise<void>;
  /** Lets a paused input read again. One that is not paused stays as it is. */
  resume(name: string): Promise<void>;
  /** Opens a component anew beside its connection, and lets that follow. Rejects with what keeps it from being open. */
  restart(name: string): Promise<void>;
  /** Pauses a component, in this process alone, and resolves once the app has finished what it had, or `deadline` ms have passed. */
  drainComponent(name: string, deadline: number): Promise<{ abandoned: number }>;
  /**
   * Examines a component by a connection of its own, within `timeout` ms, without consuming or changing anything. Rejects
   * with a `BindingError` where there is none of that name.
   */
  examine(name: string, timeout: number, signal?: AbortSignal): Promise<Examined>;
  /**
   * Pauses all inputs, those to come too, in this process alone. Resolves once the app has finished what it had, or
   * `deadline` ms have passed. Each may be resumed.
   */
  drainInputs(deadline: number): Promise<{ abandoned: number }>;
  /** The policies of a component that count now, for people. `undefined`: there is no such component. */
  policies(name: string): PolicyParts | undefined;
  /** Gives all components what Resiliency says now; `undefined`: nothing. No component is reopened. */
  applyPolicies(policies: Policies | undefined): void;
  /** In the order in which they were applied. */
  components(): ComponentStatus[];
  /** The app's events of all components together. */
  readonly concurrency: Pick<Concurrency, "used" | "limit">;
  /** All bindings there are, in use or not. */
  bindings(): Promise<readonly AnyBinding[]>;
  /** Every component was tried, and the runtime is not draining. */
  readonly ready: boolean;
  /** `undefined`: nothing is traced. */
  readonly tracer: Tracer | undefined;
  /** Resolves once the first components are there: until then nobody knows what is an output. */
  readonly known: Promise<void>;
  /**
   * Runs an operation. Resolves to `undefined` for "no response". Rejects with a `BindingError`. What comes
   * before {@link known} waits for it, or is told why the resources cannot be read.
   */
  invoke(invocation: Invocation): Promise<Answer | undefined>;
  /** Whether an output's operation reads its payload, and answers, in parts. Throws a `BindingError` where there is none. */
  takesStream(name: string, operation: string): boolean;
  /**
   * Runs such an operation. Resolves once the answer begins; the invocation ends with the answer's body,
   * which must be read to its end or cancelled. Rejects, and the body throws, a `BindingError`.
   */
  invokeStream(invocation: StreamInvocation): Promise<StreamAnswer | undefined>;
  /**
   * Hands a test event to the app as if the component had read it, once. Rejects with a `BindingError` where there
   * is no such input.
   */
  emit(
    name: string,
    event: Pick<InboundEvent, "data" | "metadata" | "headers">,
    signal: AbortSignal,
  ): Promise<Outcome>;
  /**
   * Delivers a dead letter's event to the app again, with fresh attempts, until it is handled or they are used up. The
   * dead letter stays where it is; removing it once it is handled is the caller's. Rejects with a `BindingError`
   * where its component is not there, or reads nothing now.
   */
  redrive(deadLetter: DeadLetter, signal?: AbortSignal): Promise<Redriven>;
  /** A dead letter was removed: should its event come again, it is attempted, if its source was told of it before. */
  deadLetterRemoved(deadLetter: DeadLetter): void;
  /** What became of events. */
  readonly history: Pick<History, "find" | "list" | "ofDeadLetter" | "tail">;
  /** The events with this id, or in this trace, that have not ended: where they are, and why. */
  unfinished(
    eventId: string,
    component?: string,
  ): readonly UnfinishedEvent[] | Promise<readonly UnfinishedEvent[]>;
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
  /** Closes everything. Drains first when that was not done. Invocations may end within `deadline` ms, by default none. */
  close(deadline?: number): Promise<void>;
};

/** Makes a runtime without components; {@link Runtime.apply} gives it some. */
export function createRuntime(options: RuntimeOptions): Runtime {
  const { appId, bindings, app, logger, http, tracer, observer = silentObserver } = options;
  const stateStores = options.stateStores ?? [];
  const types = new ComponentTypes(bindings, stateStores, options.pluggable);
  const { store, worker, memory = new MemoryBudget() } = options;
  const concurrency = worker?.concurrency ?? new Concurrency(options.maxConcurrency);
  const history =
    worker?.history ?? new History(store?.history, logger, { keeps: options.eventHistory });
  const slots = new Map<string, ComponentSlot>();
  /** Deletions under way. A new component may be one of them renamed, with the same consumer's identity. */
  const removals = new Set<{ type: string | undefined; change: Promise<ComponentChange> }>();
  /** Those that outputs find, by name. */
  const components = new Map<string, Component>();
  const reloads = new ReloadLog();
  const outputs = new Outputs(components, observer, options.store?.claims, tracer, worker);
  const known = Promise.withResolvers<void>();
  let policies: Policies | undefined;
  let isKnown = false;
  let unread: string | undefined;
  let applied = false;
  let draining = false;
  /** New components do not read either. */
  let inputsAreDrained = false;
  /** The components' names as they were last applied. */
  let order: string[] = [];

  const loops = new Loops();
  const fanOut: MakeFanOut = (reply, replyFanOut, { mark, span }) =>
    fanOutSteps(reply, replyFanOut, {
      create: (name, data) => outputs.create(name, data, mark(name, data), undefined, span()),
      save: async (name, states) => {
        for (const { key, value } of states) await outputs.save(name, key, value, span());
      },
    });

  function make(spec: ComponentSpec): Component | string {
    const binding = types.find(spec.type);
    if (binding === undefined || !["", "v0", "v1"].includes(spec.version.toLowerCase())) {
      const meant = binding === undefined ? closest(spec.type, types.names()) : `${spec.type} v1`;
      const suggestion = meant === undefined ? "" : `; did you mean ${meant}?`;
      return `couldn't find binding ${spec.name} (${spec.type}/${spec.version})${suggestion}`;
    }
    const component = new Component({
      ...{ appId, spec, binding, logger, observer, tracer, http, concurrency, fanOut, loops },
      memory: memory.share(`component ${spec.name}`),
      driversFolder: options.driversFolder,
      allowExec: options.allowExec === true,
      ...{ policies, store, history, relay: options.relay, fleet: options.fleet, worker },
      app: app?.of?.(spec.name) ?? app,
      invokeOutput: (...call) => outputs.create(...call),
    });
    // One that follows another takes over whether that is paused.
    if (inputsAreDrained && slots.get(spec.name)?.current === undefined)
      void component.input.pause(...allDrained, 0);
    return component;
  }

  function slotOf(name: string): ComponentSlot {
    let slot = slots.get(name);
    if (slot !== undefined) return slot;
    const onSwitch = (component: Component | undefined): void => {
      if (component === undefined) components.delete(name);
      else components.set(name, component);
    };
    slots.set(name, (slot = new ComponentSlot({ name, make, logger, onSwitch, worker })));
    return slot;
  }

  async function remove(name: string, slot: ComponentSlot): Promise<ComponentChange> {
    // Whatever is called so later is another component, unless other replicas may have it still.
    if (store?.shared !== true) void new PauseRecord(store?.pauses, name, logger).forget();
    const leaving = { type: slot.status?.type, change: slot.want(undefined) };
    removals.add(leaving);
    const change = await leaving.change;
    removals.delete(leaving);
    return change;
  }

  /** Resolves once those of the type that were deleted are closed; `undefined`: there is none. */
  function ended(type: string): Promise<unknown> | undefined {
    const same = [...removals].filter((one) => one.type === type);
    return same.length === 0 ? undefined : Promise.all(same.map(({ change }) => change));
  }

  function slotWith(name: string): ComponentSlot {
    const slot = slots.get(name);
    if (slot?.current !== undefined) return slot;
    const reason = slot?.status?.reason;
    if (reason === undefined) throw noComponent(name, [...slots.keys()]);
    throw new BindingError("failed_precondition", `component ${name} does not run: ${reason}`);
  }

  function inputOf(name: string): ComponentSlot {
    const slot = slotWith(name);
    const { directions, operations } = slot.status ?? {};
    if (directions?.input === false) {
      const can = operations?.join(", ") || "no operation";
      const text = `component ${name} is an output: it reads no events, it is invoked (${can})`;
      throw new BindingError("failed_precondition", text);
    }
    return slot;
  }

  async function invokeLater(invocation: Invocation): Promise<Answer | undefined> {
    if (unread !== undefined) throw new BindingError("unavailable", unread, { effect: "unsent" });
    await known.promise;
    return outputs.invoke(invocation);
  }

  function pauseInput(name: string, by: string, reason: string, deadline?: number) {
    const paused = inputOf(name).components.map((one) =>
      one.input.pause(by, reason, deadline ?? one.drainTimeout),
    );
    return Promise.all(paused);
  }

  const endPauses = followPauses(store, (name) => slots.get(name)?.components ?? []);

  return {
    bindings: options.allBindings ?? (async () => bindings),
    concurrency,
    get ready() {
      return applied && !draining;
    },
    get reloads() {
      return reloads.results;
    },
    async apply(specs, findings = { problems: [], refused: false }) {
      if (draining) return reloads.add([], findings);
      if (findings.unread !== undefined && !isKnown) {
        unread = findings.unread;
        applied = true;
        return reloads.add([], findings);
      }
      const wanted = new Map(specs.map((spec) => [spec.name, spec]));
      const gone = [...slots].filter(([name, slot]) => slot.isWanted && !wanted.has(name));
      const deletions = gone.map(([name, slot]) => remove(name, slot));
      const changes = [...wanted.values()].map((spec) => {
        const slot = slotOf(spec.name);
        return slot.want(spec, slot.isWanted ? undefined : ended(spec.type));
      });
      order = [...wanted.keys()];
      app?.componentsChanged?.(namesOf([...wanted.values()], types));
      isKnown = true;
      known.resolve();
      const all = await Promise.all([...changes, ...deletions]);
      for (const [name, slot] of slots) if (slot.isEmpty) slots.delete(name);
      applied = true;
      return reloads.add(all, findings);
    },
    components: () =>
      [...new Set([...order, ...slots.keys()])].flatMap((name) => slots.get(name)?.status ?? []),
    async pause(name, reason, by = "an operator") {
      void pauseInput(name, by, reason);
      await Promise.all(inputOf(name).components.map((one) => one.input.keepPause()));
    },
    async resume(name) {
      await Promise.all(inputOf(name).components.map((one) => one.input.resume()));
    },
    async restart(name) {
      await slotWith(name).restart();
    },
    async drainComponent(name, deadline) {
      const results = await pauseInput(name, "an operator", "drained", deadline);
      return { abandoned: results.reduce((sum, { abandoned }) => sum + abandoned, 0) };
    },
    async examine(name, timeout, signal) {
      const slot = slots.get(name);
      const spec = slot?.current?.spec ?? slot?.unknownSpec;
      if (spec === undefined) throw noComponent(name, [...slots.keys()]);
      return examineComponent({
        ...{ appId, spec, http, logger, timeout, ...(signal && { signal }) },
        code: slot?.current?.code,
        memory: memory.share(`component ${name}`),
        driversFolder: options.driversFolder,
        allowExec: options.allowExec === true,
      });
    },
    async drainInputs(deadline) {
      inputsAreDrained = true;
      const inputs = [...slots.values()]
        .flatMap((slot) => slot.components)
        .filter(({ status }) => status.directions.input);
      const results = await Promise.all(
        inputs.map(({ input }) => input.pause(...allDrained, deadline)),
      );
      return { abandoned: results.reduce((sum, { abandoned }) => sum + abandoned, 0) };
    },
    policies(name) {
      const component = slots.get(name)?.current;
      return component && describePolicies(component.policies, component.status.directions);
    },
    applyPolicies(next) {
      if (policies !== undefined) next?.inherit(policies);
      policies = next;
      for (const slot of slots.values())
        for (const component of slot.components) component.policies.apply(next);
    },
    tracer,
    known: known.promise,
    invoke: (invocation) => (isKnown ? outputs.invoke(invocation) : invokeLater(invocation)),
    takesStream: (name, operation) => outputs.takesStream(name, operation),
    invokeStream: (invocation) => outputs.invokeStream(invocation),
    async emit(name, event, signal) {
      inputOf(name);
      if (app === undefined) return { kind: "unsent", reason: noApp };
      const { route = name, input, spec } = components.get(name) ?? {};
      const from = { name, route, type: spec?.type ?? "", nullAs: input?.nullAs ?? "empty" };
      return emitTo(app.of?.(name) ?? app, from, event, signal, tracer);
    },
    async redrive(deadLetter, signal) {
      const component = components.get(deadLetter.component);
      if (component !== undefined)
        return component.input.redrive(deadLetter, component.status.state, signal);
      const { message } = noComponent(deadLetter.component, [...components.keys()]);
      throw new BindingError("not_found", `the dead letter's component is gone: ${message}`);
    },
    deadLetterRemoved(deadLetter) {
      components.get(deadLetter.component)?.input.delivery?.deadLetterRemoved(deadLetter);
    },
    history,
    unfinished: (eventId, name) =>
      [...slots.values()]
        .flatMap((slot) => slot.components)
        .filter(({ spec }) => name === undefined || spec.name === name)
        .flatMap(({ input }) => input.delivery?.unfinished.find(eventId) ?? []),
    async drain(deadline) {
      draining = true;
      const results = await Promise.all([...slots.values()].map((one) => one.drain(deadline)));
      return { abandoned: results.reduce((sum, { abandoned }) => sum + abandoned, 0) };
    },
    blame(error) {
      const component = owner.getStore();
      const slot = component && slots.get(component.spec.name);
      if (component === undefined || !slot?.components.includes(component)) return false;
      const reason = component.rebuild(error);
      logger.error(
        { component: component.spec.name, reason },
        "a driver failed; its component is rebuilt",
      );
      return true;
    },
    async close(deadline = 0) {
      draining = true;
      endPauses();
      isKnown = true;
      known.resolve();
      await Promise.all([...slots.values()].map((one) => one.close(deadline)));
      outputs.close();
      await history.close();
    },
  };
}

const noApp = "this runtime was given no app; createRuntime takes one as `app`";

/** By whom and why all inputs are paused. */
const allDrained = ["an operator", "all inputs are drained"] as const;
