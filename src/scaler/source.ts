import { abortable } from "../abortable.ts";
import type { AnyBinding } from "../binding.ts";
import { clock } from "../clock.ts";
import type { ComponentSpec } from "../component.ts";
import { BindingError, messageOf } from "../errors.ts";
import { ComponentCode } from "../runtime/component/component-code.ts";
import {
  openComponent,
  shown,
  type OpenedComponent,
  type OpenOptions,
} from "../runtime/component/opening.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";

export type SourceOptions = Pick<
  OpenOptions,
  "appId" | "spec" | "binding" | "http" | "memory" | "driversFolder" | "allowExec"
> & {
  readonly logger: RuntimeLogger;
  /** How long an answer may take, connecting included, in milliseconds. */
  readonly timeout: number;
  /** How long an answer, or why there is none, counts for those who ask after, in milliseconds. */
  readonly maxAge: number;
  /** The types that tell a backlog, for who asks another one. */
  readonly typesWithBacklog: readonly string[];
};

/** What was answered last, or why nothing was. */
type Answer = { readonly at: number; readonly backlog: number | BindingError };

/**
 * The source of one component, which is asked for its backlog and for nothing else: it is opened as for an examination,
 * never read from, and nothing is made or changed there. Opened when it is first asked, and anew after a failure.
 */
export class Source {
  readonly #options: SourceOptions;
  readonly #code: ComponentCode;
  readonly #closed = new AbortController();
  #opened: OpenedComponent | undefined;
  #last: Answer | undefined;
  #asking: Promise<number> | undefined;

  constructor(options: SourceOptions) {
    this.#options = options;
    this.#code = new ComponentCode(options.binding);
  }

  get spec(): ComponentSpec {
    return this.#options.spec;
  }

  /** Rejects with a `BindingError` that is `failed_precondition` where its type tells no backlog, whatever the system's state. */
  async check(): Promise<void> {
    await this.#code.load?.();
    if (tellsBacklog(this.#code.binding)) return;
    const { name, type } = this.spec;
    const types = this.#options.typesWithBacklog;
    throw refusal(
      `component ${name} has the type ${type}, of which nobody knows how many events wait; these tell it: ${types.join(", ")}`,
    );
  }

  /** How many events wait. Those who ask at one time, or within `maxAge`, get one answer. Rejects with a `BindingError`. */
  async backlog(): Promise<number> {
    const last = this.#last;
    if (last !== undefined && clock.elapsed() - last.at < this.#options.maxAge) {
      if (last.backlog instanceof BindingError) throw last.backlog;
      return last.backlog;
    }
    return (this.#asking ??= this.#ask().finally(() => (this.#asking = undefined)));
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#disconnect();
  }

  async #ask(): Promise<number> {
    try {
      const backlog = await this.#answer();
      this.#last = { at: clock.elapsed(), backlog };
      return backlog;
    } catch (thrown) {
      const error = BindingError.from(thrown, "unavailable", "unsent");
      this.#last = { at: clock.elapsed(), backlog: error };
      // It may be the connection that has failed.
      void this.#disconnect();
      throw error;
    }
  }

  async #answer(): Promise<number> {
    await this.check();
    const { timeout, spec } = this.#options;
    const signal = AbortSignal.any([AbortSignal.timeout(timeout), this.#closed.signal]);
    const late = (): BindingError =>
      new BindingError(
        "deadline_exceeded",
        `component ${spec.name}: the source did not say within ${timeout} ms how many events wait`,
        { effect: "unsent" },
      );
    const opened = (this.#opened ??= await this.#open(signal));
    const { connection, metadata, redact } = opened;
    const { binding } = this.#code;
    try {
      const answer =
        binding.totalBacklog === undefined
          ? binding.backlog?.(connection, signal)
          : binding.totalBacklog(connection, { metadata: metadata as never, signal });
      const count = await abortable(Promise.resolve(answer ?? 0), signal, late);
      if (Number.isFinite(count) && count >= 0) return count;
      throw new Error(`the source says that ${count} events wait`);
    } catch (error) {
      throw this.#named(shown(error, redact));
    }
  }

  async #open(signal: AbortSignal): Promise<OpenedComponent> {
    const { appId, spec, http, memory, driversFolder, allowExec, logger } = this.#options;
    const { binding } = this.#code;
    let isInput = true;
    let opened: OpenedComponent;
    try {
      opened = await openComponent({
        ...{ appId, spec, binding, http, memory, driversFolder, allowExec, logger, signal },
        examines: true,
        lost: (reason) => {
          logger.debug({ component: spec.name, reason: messageOf(reason) }, "connection lost");
          void this.#disconnect();
        },
        notice: () => undefined,
        run: (open) => open(),
        onRedact: () => undefined,
        onSecrets: () => undefined,
        onDirections: ({ input }) => (isInput = input),
      });
    } catch (error) {
      throw this.#named(BindingError.from(error, "unavailable", "unsent"));
    }
    if (isInput && !this.#closed.signal.aborted) return opened;
    await opened[Symbol.asyncDispose]();
    throw refusal(
      `component ${spec.name} is an output only, and nothing waits at one; see its direction`,
    );
  }

  #named(error: BindingError): BindingError {
    const { name } = this.spec;
    const { reason, effect, systemCode } = error;
    const message = error.message.includes(name)
      ? error.message
      : `component ${name}: ${error.message}`;
    return new BindingError(reason, message, {
      ...{ effect, cause: error },
      ...(systemCode !== undefined && { systemCode }),
    });
  }

  async #disconnect(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.[Symbol.asyncDispose]();
  }
}

/** Whether components of a type can be asked how many events wait for them. */
function tellsBacklog(binding: AnyBinding): boolean {
  return (
    binding.read !== undefined &&
    (binding.totalBacklog !== undefined || binding.backlog !== undefined)
  );
}

function refusal(text: string): BindingError {
  return new BindingError("failed_precondition", text, { effect: "unsent" });
}
