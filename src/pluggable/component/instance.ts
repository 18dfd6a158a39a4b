import { createHash } from "node:crypto";
import { orAborted } from "../../abortable.ts";
import type { AnyBinding, HttpEndpoints } from "../../binding.ts";
import type { ComponentSpec } from "../../component.ts";
import { BindingError } from "../../errors.ts";
import type { MemoryBudget } from "../../memory/budget.ts";
import { passwordInUrl } from "../../metadata/url-password.ts";
import { visibilityBy } from "../../resources/visibility.ts";
import { componentFields } from "../../runtime/component/component-fields.ts";
import { silentObserver } from "../../runtime/observer.ts";
import type { RuntimeLogger } from "../../runtime/runtime-logger.ts";
import { createRuntime, type Runtime } from "../../runtime/runtime.ts";
import type { ComponentStatus } from "../../runtime/status.ts";
import type { Store } from "../../store/store.ts";
import { StreamApp } from "./stream-app.ts";

export type Direction = "input" | "output";

/** What the instances of a type have in common. */
export type InstanceOptions = {
  readonly binding: AnyBinding;
  readonly appId: string;
  readonly logger: RuntimeLogger;
  readonly memory: MemoryBudget;
  readonly http: HttpEndpoints;
  readonly store: Store | undefined;
  readonly driversFolder: string | undefined;
  readonly allowExec: boolean;
  /** How long nobody may read an input's events before it lets go of its source, in milliseconds. Default 30,000. */
  readonly idleAfter?: number;
};

/** How long a connection may take, in milliseconds. Whoever asks for one has his own patience. */
const initTimeout = 20_000;

/** States in which a component does what it is there for, or will as soon as somebody reads. */
const working: ReadonlySet<string> = new Set(["running", "waiting for app", "paused"]);

/** One of our components in one direction, on behalf of a runtime behind the socket. */
export class Instance {
  readonly name: string;
  readonly app: StreamApp | undefined;
  readonly runtime: Runtime;
  readonly #direction: Direction;
  readonly #binding: AnyBinding;
  #changed = Promise.withResolvers<void>();
  readonly #idleAfter: number;
  #idle: NodeJS.Timeout | undefined;
  #isReleased = false;

  constructor(
    { binding, logger, idleAfter = 30_000, ...rest }: InstanceOptions,
    { name, direction }: { name: string; direction: Direction },
  ) {
    this.name = name;
    this.#binding = binding;
    this.#direction = direction;
    this.app = direction === "input" ? new StreamApp() : undefined;
    this.runtime = createRuntime({
      ...{ ...rest, logger, bindings: [binding], app: this.app },
      observer: { ...silentObserver, stateChanged: () => this.#changed.resolve() },
    });
    this.#idleAfter = idleAfter;
    this.app?.onAvailability(() => this.#readersChanged());
  }

  get status(): ComponentStatus | undefined {
    return this.runtime.components()[0];
  }

  /** Why it does not work now; `undefined`: it does. */
  get trouble(): string | undefined {
    const { status } = this;
    if (status === undefined) return "it was not initialized";
    return working.has(status.state) ? undefined : `${status.state}: ${status.reason}`;
  }

  /**
   * Opens it, or lets what is there go on where nothing has changed. A changed one follows it once it works. Throws a
   * `BindingError` that says why it does not.
   */
  async initialize(properties: Readonly<Record<string, string>>): Promise<void> {
    const { components } = await this.runtime.apply([this.#specOf(properties)]);
    const [change] = components;
    await this.#begun();
    const { state } = this.status ?? {};
    if (change?.outcome === "failed")
      throw new BindingError(
        state === "failed" ? "invalid_argument" : "unavailable",
        change.reason,
      );
    if (this.trouble !== undefined)
      throw new BindingError("unavailable", this.status?.reason || this.trouble);
  }

  /** Whoever has gone for good must not keep events, and places in a consumer group, from others. */
  #readersChanged(): void {
    clearTimeout(this.#idle);
    if (this.app?.available === false) {
      this.#idle = setTimeout(() => {
        this.#isReleased = true;
        void this.runtime.drainComponent(this.name, 0).catch(() => undefined);
      }, this.#idleAfter).unref();
    } else if (this.#isReleased) {
      this.#isReleased = false;
      void this.runtime.resume(this.name).catch(() => undefined);
    }
  }

  /** One that is open may still look for what an earlier process has left. */
  async #begun(): Promise<void> {
    const late = AbortSignal.timeout(initTimeout);
    while (this.status?.state === "starting" && !late.aborted) {
      this.#changed = Promise.withResolvers();
      await orAborted(this.#changed.promise, late);
    }
  }

  /** What is under way may take until the deadline, in milliseconds. */
  async close(deadline: number): Promise<void> {
    const end = performance.now() + deadline;
    clearTimeout(this.#idle);
    await this.runtime.drain(deadline);
    await this.app?.close();
    await this.runtime.close(Math.max(0, end - performance.now()));
  }

  #specOf(properties: Readonly<Record<string, string>>): ComponentSpec {
    const values = valuesOf(properties, this.#direction);
    const type = `bindings.${this.#binding.name}`;
    const visible = visibilityBy([this.#binding], componentFields);
    const secrets = Object.entries(values).flatMap(([name, value]) =>
      visible(type, name) ? passwordInUrl(value) : [value],
    );
    const entries = Object.entries(values).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return {
      ...{ name: this.name, type, version: "v1", initTimeout, origin: undefined },
      fingerprint: createHash("sha256").update(JSON.stringify(entries)).digest("base64"),
      properties: Object.keys(values).map((name) => ({ name, origin: undefined })),
      resolve: async () => ({ values, secrets }),
    };
  }
}

/** What the runtime behind the socket has decided by its asking for an instance. */
const notPassed: ReadonlySet<string> = new Set(["direction", "readiness", "required"]);

/**
 * The component's metadata in one direction. The runtime behind the socket repeats what it wants to: an event that it
 * acknowledges with an error is its source's again, unless the component says otherwise.
 */
function valuesOf(
  properties: Readonly<Record<string, string>>,
  direction: Direction,
): Record<string, string> {
  const kept = Object.entries(properties).filter(([name]) => !notPassed.has(name.toLowerCase()));
  const values = { ...Object.fromEntries(kept), direction };
  if (direction === "output") return values;
  const said = kept.map(([name]) => name.toLowerCase());
  return {
    ...(said.includes("onexhausted") ? {} : { onExhausted: "return" }),
    ...(said.some((name) => name.startsWith("backoff")) ? {} : { backOffMaxRetries: "0" }),
    ...values,
  };
}
