import type { AnyBinding } from "../binding.ts";
import type { ComponentSpec } from "../component.ts";
import { BindingError } from "../errors.ts";
import type { MemoryBudget } from "../memory/budget.ts";
import { ReloadLog, type Findings, type ReloadResult } from "../runtime/component/reload.ts";
import type { ComponentTypes } from "../runtime/component-types.ts";
import { nearestOf } from "../runtime/find-component.ts";
import { Source, type SourceOptions } from "./source.ts";
import type { Trigger } from "./trigger.ts";

export type ScalerOptions = Omit<SourceOptions, "spec" | "binding" | "memory"> & {
  readonly types: ComponentTypes;
  readonly memory: MemoryBudget;
  /** The namespace that the components are read from; `undefined`: they are in files, and in none. */
  readonly namespace: string | undefined;
};

/** How many events wait at the sources of components, for who scales the workload that handles them. */
export class Scaler {
  readonly #options: ScalerOptions;
  readonly #reloads = new ReloadLog();
  #sources = new Map<string, Source>();
  /** Of components whose type nobody has. */
  #unknown = new Map<string, string>();
  #unread: string | undefined = "the components were not read yet; ask again";

  constructor(options: ScalerOptions) {
    this.#options = options;
  }

  /** The components were read. */
  get ready(): boolean {
    return this.#unread === undefined;
  }

  /** Takes over what the resources say now. What has not changed keeps its connection. */
  apply(specs: readonly ComponentSpec[], findings: Findings): ReloadResult {
    this.#unread = findings.unread;
    const before = this.#sources;
    this.#sources = new Map();
    this.#unknown = new Map();
    for (const spec of specs) {
      const old = before.get(spec.name);
      if (old !== undefined && isSame(old.spec, spec)) {
        this.#sources.set(spec.name, old);
        before.delete(spec.name);
        continue;
      }
      const binding = this.#options.types.find(spec.type);
      if (binding === undefined) this.#unknown.set(spec.name, spec.type);
      else this.#sources.set(spec.name, this.#sourceOf(spec, binding));
    }
    for (const gone of before.values()) void gone.close();
    return this.#reloads.add([], { ...findings, changed: true });
  }

  /**
   * Rejects with a `BindingError` where a trigger asks for what this scaler cannot tell, whatever the systems' state:
   * `not_found`, `failed_precondition`, or `unavailable` while the components are not known.
   */
  async check(trigger: Trigger, namespace: string): Promise<void> {
    const { namespace: own } = this.#options;
    const asked = trigger.namespace ?? namespace;
    if (own !== undefined && asked !== own) {
      const text = `this scaler has the components of the namespace ${own}, and the trigger asks for ${asked}; run one there, or correct scalerAddress`;
      throw new BindingError("not_found", text, { effect: "unsent" });
    }
    for (const name of trigger.components) await this.#find(name).check();
  }

  /** How many events wait for a component. Rejects with a `BindingError`. */
  async backlog(component: string): Promise<number> {
    return this.#find(component).backlog();
  }

  /** Whether any component of a trigger has work. One that has outweighs others of which nobody knows. */
  async isActive({ components, activation }: Trigger): Promise<boolean> {
    const answers = await Promise.allSettled(components.map((name) => this.backlog(name)));
    if (answers.some((one) => one.status === "fulfilled" && one.value > activation)) return true;
    const failed = answers.find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    return false;
  }

  async close(): Promise<void> {
    const sources = [...this.#sources.values()];
    this.#sources = new Map();
    await Promise.all(sources.map((source) => source.close()));
  }

  #find(name: string): Source {
    if (this.#unread !== undefined)
      throw new BindingError("unavailable", this.#unread, { effect: "unsent" });
    const source = this.#sources.get(name);
    if (source !== undefined) return source;
    const type = this.#unknown.get(name);
    const text =
      type === undefined
        ? `no component is called ${JSON.stringify(name)}; ${nearestOf(name, [...this.#sources.keys()])}`
        : `component ${name} has the type ${type}, and no binding is of it; see cufflink types`;
    const reason = type === undefined ? "not_found" : "failed_precondition";
    throw new BindingError(reason, text, { effect: "unsent" });
  }

  #sourceOf(spec: ComponentSpec, binding: AnyBinding): Source {
    const { types: _, memory, namespace: __, ...rest } = this.#options;
    return new Source({
      ...{ ...rest, spec, binding },
      memory: memory.share(`component ${spec.name}`),
    });
  }
}

function isSame(one: ComponentSpec, other: ComponentSpec): boolean {
  return one.fingerprint === undefined ? one === other : one.fingerprint === other.fingerprint;
}
