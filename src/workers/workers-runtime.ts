import type { AnyBinding, Answer, StreamAnswer } from "../binding.ts";
import type { ComponentSpec } from "../component.ts";
import { BindingError, messageOf } from "../errors.ts";
import { parseBoolean } from "../metadata/boolean.ts";
import type { Policies } from "../policy/policies.ts";
import { usualMaxInFlight } from "../runtime/delivery/delivery-options.ts";
import { namesOf } from "../runtime/component-names.ts";
import type { ComponentTypes } from "../runtime/component-types.ts";
import { parseDirections } from "../runtime/component/component-fields.ts";
import { ReloadLog, type ComponentChange, type Findings } from "../runtime/component/reload.ts";
import { noComponent } from "../runtime/find-component.ts";
import type { History } from "../runtime/records/history.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ComponentStatus } from "../runtime/status.ts";
import { invocationMessage } from "./invocations.ts";
import { mergeStatuses } from "./merge-status.ts";
import { place, type Placeable } from "./placement.ts";
import type { WorkerThread } from "./worker-thread.ts";
import type { Workers } from "./workers.ts";

export type WorkersRuntimeOptions = {
  readonly workers: Workers;
  readonly types: ComponentTypes;
  readonly allBindings: () => Promise<readonly AnyBinding[]>;
  readonly history: History;
  readonly maxConcurrency: number | undefined;
};

/** What is seen of the components is at most so old, in milliseconds, but for a worker that is busy. */
const mostAge = 200;

type Plan = { readonly specs: readonly ComponentSpec[]; readonly findings: Findings };

/** The runtimes of all workers as one. It has no component itself. */
export class WorkersRuntime {
  readonly #options: WorkersRuntimeOptions;
  readonly #reloads = new ReloadLog();
  readonly #known = Promise.withResolvers<void>();
  #planning: Promise<unknown> = Promise.resolve();
  #plan: Plan | undefined;
  /** Whose inputs are paused in this process alone: a worker that takes another's place must not read them. */
  readonly #drained = new Set<string>();
  #policies: Policies | undefined;
  readonly #state = { applied: false, draining: false, inputsAreDrained: false };

  constructor(options: WorkersRuntimeOptions) {
    this.#options = options;
  }

  /** Tells a worker what all have been told. */
  async begin(worker: number, { peer }: WorkerThread): Promise<void> {
    await this.#planning;
    const plan = this.#plan;
    if (this.#policies !== undefined) await peer.call("applyPolicies", [this.#policies.resiliency]);
    if (this.#state.inputsAreDrained) await peer.call("drainInputs", [0]);
    if (plan !== undefined) void peer.call("apply", [this.#message(plan, worker)]).catch(() => {});
  }

  get runtime(): Runtime {
    const { workers, allBindings, history, maxConcurrency } = this.#options;
    const owner = async (name: string): Promise<WorkerThread> => {
      if (!workers.placements.has(name)) throw noComponent(name, [...workers.placements.keys()]);
      return workers.thread(workers.ownerOf(name));
    };
    const at = async <Result>(
      name: string,
      ask: (thread: WorkerThread) => Promise<Result>,
    ): Promise<Result> => {
      const result = await ask(await owner(name));
      await workers.look();
      return result;
    };
    /** Asks all workers that read it. */
    const readers = async <Result>(
      name: string,
      ask: (thread: WorkerThread) => Promise<Result>,
    ): Promise<readonly Result[]> => {
      if (workers.readersOf(name).length < 2) return [await at(name, ask)];
      const results = await workers.each(ask, workers.readersOf(name));
      await workers.look();
      return results;
    };
    const abandoned = (results: readonly { abandoned: number }[]): { abandoned: number } => ({
      abandoned: results.reduce((sum, one) => sum + one.abandoned, 0),
    });
    const [reloads, state] = [this.#reloads, this.#state];
    return {
      bindings: allBindings,
      apply: (specs, findings) => this.#apply(specs, findings),
      get reloads() {
        return reloads.results;
      },
      async pause(name, reason, by) {
        await readers(name, ({ peer }) => peer.call("pause", [name, reason, by]));
      },
      resume: async (name) => {
        this.#drained.delete(name);
        await readers(name, ({ peer }) => peer.call("resume", [name]));
      },
      async restart(name) {
        await owner(name);
        await workers.each(({ peer }) => peer.call("restart", [name]), workers.hostsOf(name));
        await workers.look();
      },
      drainComponent: async (name, deadline) => {
        const results = readers(name, ({ peer }) => peer.call("drainComponent", [name, deadline]));
        if (workers.placements.has(name)) this.#drained.add(name);
        return abandoned(await results);
      },
      async examine(name, timeout, signal) {
        const { peer } = await owner(name);
        return peer.call("examine", [name, timeout], signal && { signal });
      },
      async drainInputs(deadline) {
        state.inputsAreDrained = true;
        const results = await workers.each(({ peer }) => peer.call("drainInputs", [deadline]));
        await workers.look();
        return abandoned(results);
      },
      policies: (name) => workers.snapshots[workers.ownerOf(name)]?.policies.get(name),
      applyPolicies: (policies) => {
        this.#policies = policies;
        void workers.each(({ peer }) => peer.call("applyPolicies", [policies?.resiliency]));
      },
      components: () => this.#components(),
      concurrency: {
        get used() {
          return workers.used;
        },
        limit: maxConcurrency ?? Number.POSITIVE_INFINITY,
      },
      get ready() {
        return state.applied && !state.draining;
      },
      tracer: undefined,
      known: this.#known.promise,
      invoke: async (invocation): Promise<Answer | undefined> => {
        await this.#known.promise;
        const { peer } = await workers.thread(workers.ownerOf(invocation.name));
        const { signal } = invocation;
        return peer.call("invoke", [invocationMessage(invocation)], { signal });
      },
      takesStream: () => false,
      async invokeStream(): Promise<StreamAnswer | undefined> {
        throw new BindingError("unimplemented", "the parent of workers takes payloads whole");
      },
      async emit(name, event, signal) {
        const { peer } = await owner(name);
        return peer.call("emit", [name, event], { signal });
      },
      async redrive(deadLetter, signal) {
        const { peer } = await owner(deadLetter.component).catch((error: unknown) => {
          throw new BindingError(
            "not_found",
            `the dead letter's component is gone: ${messageOf(error)}`,
          );
        });
        return peer.call("redrive", [deadLetter], signal && { signal });
      },
      deadLetterRemoved(deadLetter) {
        for (const worker of workers.readersOf(deadLetter.component))
          workers.peerOf(worker)?.tell("deadLetterRemoved", [deadLetter]);
      },
      history,
      async unfinished(eventId, component) {
        const found = await workers.each(({ peer }) =>
          peer.call("unfinished", [eventId, component]),
        );
        return found.flat();
      },
      async drain(deadline) {
        state.draining = true;
        workers.closing();
        return abandoned(await workers.each(({ peer }) => peer.call("drain", [deadline])));
      },
      // What fails in a worker is its own.
      blame: () => false,
      close: async (deadline = 0) => {
        state.draining = true;
        this.#known.resolve();
        workers.closing();
        await workers.each(({ peer }) => peer.call("close", [deadline]));
        await history.close();
      },
    };
  }

  #components(): ComponentStatus[] {
    const { workers } = this.#options;
    if (performance.now() - workers.lookedAt > mostAge) void workers.look();
    return mergeStatuses(workers.placements, workers.snapshots, workers.endedStatuses);
  }

  async #apply(
    specs: readonly ComponentSpec[],
    findings: Findings = { problems: [], refused: false },
  ) {
    const { workers } = this.#options;
    if (this.#state.draining) return this.#reloads.add([], findings);
    const planned = this.#planning.then(async () => {
      if (findings.unread === undefined) {
        const placeables = await Promise.all(specs.map((spec) => this.#placeable(spec)));
        workers.placementsBefore = workers.placements;
        workers.placements = place(placeables, workers.placements, workers.count);
        for (const name of this.#drained)
          if (!workers.placements.has(name)) this.#drained.delete(name);
      }
      this.#plan = { specs, findings };
      return this.#plan;
    });
    this.#planning = planned.catch(() => undefined);
    const plan = await planned;
    const changes = await workers.each(async ({ peer }, worker) => {
      const own = await peer.call("apply", [this.#message(plan, worker)]);
      return own.map((change) => ({ worker, change }));
    });
    if (findings.unread === undefined) this.#known.resolve();
    this.#state.applied = true;
    await workers.look();
    return this.#reloads.add(this.#merged(changes.flat()), findings);
  }

  #message({ specs, findings }: Plan, worker: number) {
    const { workers, types } = this.#options;
    const own = specs.filter(({ name }) => {
      const placement = workers.placements.get(name);
      return placement?.isAlone !== true || placement.owner === worker;
    });
    return {
      specs: own.map((spec) => workers.specs.message(spec, worker)),
      placements: workers.placements,
      names: worker === 0 ? namesOf(specs, types) : undefined,
      findings,
      drained: [...this.#drained],
    };
  }

  async #placeable(spec: ComponentSpec): Promise<Placeable> {
    const { name, type } = spec;
    const binding = this.#options.types.find(type);
    // Another program serves it, which may take one connection for one component; or nobody does.
    if (binding === undefined) return { name, reads: true, isAlone: true, together: undefined };
    const values = await settingsOf(spec);
    const declared = parseDirections(values.get("direction"));
    const reads =
      binding.read !== undefined && (declared?.input ?? binding.inputIsOptional !== true);
    const writes = binding.operations !== undefined && (declared?.output ?? true);
    const kind = type.toLowerCase().startsWith("state.") ? "Statestore" : "Binding";
    const hasBreaker = (direction: "inbound" | "outbound"): boolean =>
      this.#policies?.hasBreaker({ component: name, kind, direction }) === true;
    // What one breaker counts, one worker sees.
    const isOne =
      binding.openedOnce !== undefined ||
      (writes && hasBreaker("outbound")) ||
      (reads && binding.spreads === true && hasBreaker("inbound"));
    const { count } = this.#options.workers;
    const spreads = reads && binding.spreads === true && !isOne && maySpread(values, count);
    return {
      ...{ name, reads, spreads },
      isAlone: isOne || (!writes && !spreads),
      together: binding.openedOnce === "port" ? "port" : undefined,
    };
  }

  /** One of each component: what went wrong anywhere, else what its owner says. */
  #merged(
    changes: readonly { readonly worker: number; readonly change: ComponentChange }[],
  ): ComponentChange[] {
    const { workers } = this.#options;
    const byName = Map.groupBy(changes, ({ change }) => change.name);
    return [...byName].flatMap(([name, all]) => {
      const failed = all.find(({ change }) => change.outcome === "failed");
      const stays = all.filter(({ change }) => change.change !== "deleted");
      const own = (stays.length > 0 ? stays : all).find(
        ({ worker }) => worker === workers.ownerOf(name),
      );
      const told = failed ?? own ?? all[0];
      return told === undefined ? [] : [told.change];
    });
  }
}

/** What decides where a component runs, by name in lower case, as written. */
async function settingsOf(spec: ComponentSpec): Promise<ReadonlyMap<string, string>> {
  const names = ["direction", "maxinflight", "maxperkey", "orderkey", "onexhausted"];
  const only = [...names, "deduplicate", "singleton", "relay"];
  const [direction, all] = await Promise.all([
    spec.resolve(["direction"]).catch(() => undefined),
    spec.resolve(only).catch(() => undefined),
  ]);
  const found = all ?? direction;
  // One that cannot be read yet may say anything.
  const unread: [string, string][] = all === undefined ? [["maxinflight", "1"]] : [];
  const values = Object.entries(found?.values ?? {});
  return new Map([...values.map(([key, value]) => [key.toLowerCase(), value] as const), ...unread]);
}

/** Whether nothing of the component is counted, ordered or halted over all partitions of its source. */
function maySpread(values: ReadonlyMap<string, string>, workers: number): boolean {
  const is = (name: string, usual: string): boolean =>
    (values.get(name)?.trim().toLowerCase() ?? usual) === usual;
  const most = Number(values.get("maxinflight") ?? usualMaxInFlight);
  const halts = ["return", "halt"].includes(values.get("onexhausted")?.trim().toLowerCase() ?? "");
  const keepsKeys =
    is("orderkey", "source") && !values.has("maxperkey") && is("deduplicate", "off");
  const isOn = (name: string): boolean => parseBoolean(values.get(name) ?? "") === true;
  return most >= workers && keepsKeys && !halts && !isOn("singleton") && !isOn("relay");
}
