import { createFunctionApp, type FunctionAppHandlers } from "../app/function.ts";
import type { AnyBinding, Answer, Header } from "../binding.ts";
import { bindings as ownBindings } from "../bindings/index.ts";
import { checkCount } from "../check-count.ts";
import { embeddedDeadLetters, type EmbeddedDeadLetters } from "./dead-letters.ts";
import { embeddedOperations, type EmbeddedOperations } from "./operations.ts";
import { messageOf } from "../errors.ts";
import { MemoryBudget } from "../memory/budget.ts";
import { lint } from "../resources/lint.ts";
import { loadResources, type ResourceOptions } from "../resources/load.ts";
import { ResourceMemory } from "../resources/memory.ts";
import { SecretStores } from "../resources/secret-stores.ts";
import { shapeProblems, shapeText } from "../own-bindings/shape.ts";
import { compilePolicies } from "../policy/policies.ts";
import { formatProblem, problemRecord, type ResourceProblem } from "../resources/problem.ts";
import type { Outcome } from "../runtime/app.ts";
import { componentFields } from "../runtime/component/component-fields.ts";
import { untilAborted } from "../runtime/outputs/caller-signal.ts";
import { DeadLetterManager } from "../runtime/records/dead-letters.ts";
import { createRuntime as createCore, type Runtime } from "../runtime/runtime.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import type { ReloadResult } from "../runtime/component/reload.ts";
import type { ComponentStatus } from "../runtime/status.ts";
import { CallerGate } from "../server/caller-gate.ts";
import { createHttpEndpoints } from "../server/http-endpoints.ts";
import { stateStores } from "../states/index.ts";
import { createStore } from "../store/open-store.ts";
import { stateFolder } from "../store/state-folder.ts";
import { createLogger } from "../telemetry/logger.ts";
import { Metrics } from "../telemetry/metrics.ts";

/** What a runtime in this process is made of. All of it may be left out. */
export type EmbeddedOptions = {
  /** For scopes, client ids and group names. Default `cufflink`. */
  readonly appId?: string;
  /** A folder or file of component YAML, or several. */
  readonly resources?: string | readonly string[];
  /** Components that are in no file: objects of the same shape, or YAML text. */
  readonly components?: readonly (ComponentResource | string)[];
  /** The functions that events go to. Absent: outputs work, inputs wait. */
  readonly app?: FunctionAppHandlers;
  /** Binding types of your own, made by `defineBinding`; of the same name as one of ours, in its place. */
  readonly bindings?: readonly AnyBinding[];
  /** A pino logger, or what looks like one. Default: warnings and errors, readable, to standard error. */
  readonly logger?: RuntimeLogger;
  /**
   * A folder for what must outlast the process, in a folder of its own for `appId`: dead letters, attempt counts, the
   * keys of repeated calls, the history of events. One process at a time. Absent: nothing outlasts it, an event
   * whose attempts are used up stays where it is, unacknowledged, and calls with a key are refused.
   */
  readonly stateDir?: string;
  /** The most events of all components together that the app handles at one time. Default: no limit. */
  readonly maxConcurrency?: number;
  /**
   * The most bytes of what systems and senders send that are held together: events, answers, bodies of webhooks.
   * What there is no room for fails as `resource_exhausted`, or is not read on. Default 256 MiB.
   */
  readonly memoryBudget?: number;
  /**
   * A folder in which the drivers of bindings are looked for, beside the package's own and the working directory. Each
   * page of a binding names the drivers that it needs.
   */
  readonly driversFolder?: string;
  /** Components of the type `exec` may run programs of this machine. Default false: they are `failed`. */
  readonly allowExec?: boolean;
  /**
   * The origins whose web pages may send something to the ports that webhook components listen on, such as
   * `https://shop.example`; `*`: all. Default: none.
   */
  readonly allowedOrigins?: readonly string[];
  /**
   * The names beside `localhost` that requests to those ports may be for, where they listen on a loopback address, such as the public
   * name that a proxy passes on; `*`: any. Default: none.
   */
  readonly allowedHosts?: readonly string[];
};

/** A component as its YAML says it. */
export type ComponentResource = {
  readonly apiVersion: "dapr.io/v1alpha1";
  readonly kind: "Component";
  readonly metadata: { readonly name: string; readonly [key: string]: unknown };
  readonly spec: {
    readonly type: string;
    readonly version: string;
    readonly metadata?: readonly { readonly name: string; readonly [key: string]: unknown }[];
    readonly [key: string]: unknown;
  };
  readonly [key: string]: unknown;
};

/** A runtime in this process: no port, the same components. */
export type EmbeddedRuntime = AsyncDisposable &
  EmbeddedOperations & {
    /** What is wrong with the resources as they were last read, already logged. It stops only the components it is about. */
    readonly problems: readonly ResourceProblem[];
    /** Events that could not be handled. There are none without a `stateDir`. */
    readonly deadLetters: EmbeddedDeadLetters;
    /**
     * Reads `resources` again and takes over what has changed, each component as a transaction: where a new
     * definition does not work, the old one goes on. Never rejects: what is wrong is in the result.
     */
    reload(): Promise<ReloadResult>;
    /**
     * Runs an operation of an output. Resolves to `undefined` where the binding answers nothing. Rejects
     * with a `BindingError`.
     */
    invoke(name: string, operation: string, request?: InvokeRequest): Promise<Answer | undefined>;
    /**
     * Hands the app one test event as if the component had read it, once. Rejects with a `BindingError` where
     * there is no such input.
     */
    emit(
      name: string,
      event?: { data?: Uint8Array | string; headers?: readonly Header[] },
    ): Promise<Outcome>;
    /** Every component with its state. */
    components(): ComponentStatus[];
    /**
     * Reads no more events, lets the app finish what it has for at most `deadline` ms (default 5,000), closes
     * everything. What was not finished is the sources' again. Called again: the same closing.
     */
    close(options?: { readonly deadline?: number }): Promise<void>;
  };

export type InvokeRequest = {
  /** Bytes as they are, or a text. */
  readonly data?: Uint8Array | string | undefined;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Aborted: the call rejects at once, whether the binding can break off what it does or not. */
  readonly signal?: AbortSignal;
};

/**
 * Starts the runtime in this process. Resolves once every component was tried; one that cannot work, or whose
 * system is not there, stops nothing and is told by `components()`.
 */
export async function createEmbeddedRuntime(options: EmbeddedOptions): Promise<EmbeddedRuntime> {
  const { appId = "cufflink", app, maxConcurrency } = options;
  checkCount("maxConcurrency", maxConcurrency);
  checkCount("memoryBudget", options.memoryBudget);
  const logger = options.logger ?? quietLogger(appId);
  for (const [index, binding] of (options.bindings ?? []).entries()) checkBinding(binding, index);
  const bindings = withOwn(options.bindings ?? []);
  const budget = new MemoryBudget(options.memoryBudget, {
    onRefused({ name, used, limit }, refusals) {
      const fields = { share: name, refusals, held: `${used}B`, limit: `${limit}B` };
      logger.warn(fields, "refused: too many bytes are held; see memoryBudget");
    },
  });
  const store = createStore({
    folder:
      options.stateDir === undefined
        ? undefined
        : stateFolder(appId, options.stateDir, process.env),
    logger: logger.child({ part: "store" }),
  });
  if (options.stateDir !== undefined) void store.look();
  const metrics = new Metrics(
    appId,
    () => core.components(),
    () => ({ store, deadLetters: manager, memory: budget, concurrency: core.concurrency }),
  );
  const core: Runtime = createCore({
    appId,
    observer: metrics,
    bindings,
    stateStores,
    app: app && createFunctionApp(app, logger),
    logger,
    memory: budget,
    http: createHttpEndpoints(budget, gateOf(options, logger)),
    store: options.stateDir === undefined ? undefined : store,
    maxConcurrency,
    driversFolder: options.driversFolder,
    allowExec: options.allowExec,
  });
  const manager = new DeadLetterManager({
    store: store.deadLetters,
    redrive: (deadLetter, signal) => core.redrive(deadLetter, signal),
    invoke: (invocation) => core.invoke(invocation),
    deadLetterRemoved: (deadLetter) => core.deadLetterRemoved(deadLetter),
    logger,
  });
  const memory = new ResourceMemory();
  const secretStores = new SecretStores({
    ...{ driversFolder: options.driversFolder, logger: logger.child({ part: "secrets" }) },
    onChange: () => void reload(),
  });
  let problems: readonly ResourceProblem[] = [];
  const apply = async (): Promise<ReloadResult> => {
    const read = await load(options, appId, bindings, { memory, secretStores });
    ({ problems } = read);
    for (const problem of problems) {
      const { fields, message } = problemRecord(problem);
      logger[problem.severity === "error" ? "error" : "warn"](fields, message);
    }
    let { refused } = read;
    try {
      core.applyPolicies(read.resiliency && (await compilePolicies(read.resiliency)));
    } catch (error) {
      refused = true;
      logger.error(
        { reason: messageOf(error) },
        "the Resiliency cannot be taken over; policies stay as they were",
      );
    }
    const findings = { problems: problems.map(firstLineOf), refused };
    const result = await core.apply(read.components, findings);
    metrics.reloaded(result);
    return result;
  };
  let reading: Promise<unknown> = apply();
  await reading;
  const reload = (): Promise<ReloadResult> => {
    // One after another: each takes over what is there then.
    const result = reading.then(apply);
    reading = result;
    return result;
  };
  const end = async (deadline: number): Promise<void> => {
    await secretStores[Symbol.asyncDispose]();
    await core.drain(deadline);
    await core.close();
    await store.close();
  };
  let closing: Promise<void> | undefined;
  const close = ({ deadline = 5000 }: { readonly deadline?: number } = {}): Promise<void> =>
    (closing ??= end(deadline));
  return {
    get problems() {
      return problems;
    },
    ...embeddedOperations({ runtime: core, deadLetters: manager, metrics }),
    deadLetters: embeddedDeadLetters(manager),
    reload,
    invoke(name, operation, { data, metadata = {}, signal } = {}) {
      const invocation = {
        name,
        operation,
        data: bytes(data),
        encoding: "bytes",
        metadata,
      } as const;
      if (signal === undefined)
        return core.invoke({ ...invocation, signal: new AbortController().signal });
      return untilAborted(
        () => core.invoke({ ...invocation, signal }),
        signal,
        `${operation} of ${name}`,
      );
    },
    emit: (name, { data, headers = [] } = {}) =>
      core.emit(name, { data: bytes(data), headers, metadata: {} }, new AbortController().signal),
    components: () => core.components(),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** Answers web pages that may not send anything to webhooks. */
function gateOf(options: EmbeddedOptions, logger: RuntimeLogger): CallerGate {
  const { allowedOrigins = [], allowedHosts = [] } = options;
  const settings = { origins: "allowedOrigins", hosts: "allowedHosts" };
  return new CallerGate({ allowedOrigins, allowedHosts, settings }, (text) =>
    logger.warn({}, text),
  );
}

async function load(
  options: EmbeddedOptions,
  appId: string,
  bindings: readonly AnyBinding[],
  kept: Pick<ResourceOptions, "memory" | "secretStores">,
) {
  const loaded = await loadResources({
    paths: [options.resources ?? []].flat(),
    texts: (options.components ?? []).map((component, index) => ({
      file: `components[${index}]`,
      // JSON is YAML too.
      text: typeof component === "string" ? component : JSON.stringify(component, undefined, 2),
    })),
    appId,
    bindings,
    stateStores,
    frameworkFields: componentFields,
    ...kept,
  });
  const linted = await lint(loaded.components, bindings, {
    ...{ frameworkFields: componentFields, sharedStore: false },
  });
  return { ...loaded, problems: [...loaded.problems, ...linted] };
}

function firstLineOf(problem: ResourceProblem): string {
  return formatProblem(problem).split("\n", 1)[0] ?? "";
}

function withOwn(added: readonly AnyBinding[]): AnyBinding[] {
  const names = new Set(added.map(({ name }) => name));
  return [...ownBindings.filter(({ name }) => !names.has(name)), ...added];
}

/** Throws where what should be a binding is none. */
function checkBinding(binding: unknown, index: number): void {
  const problems = shapeProblems(binding).map(shapeText);
  if (problems.length > 0) throw new TypeError(`bindings[${index}]: ${problems.join("; ")}`);
}

function quietLogger(appId: string): RuntimeLogger {
  const date = !process.stderr.isTTY;
  return createLogger({ level: "warn", json: false, appId, date, destination: process.stderr });
}

function bytes(data: Uint8Array | string | undefined): Uint8Array | undefined {
  return typeof data === "string" ? Buffer.from(data) : data;
}
