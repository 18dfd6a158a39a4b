import { AsyncLocalStorage } from "node:async_hooks";
import { createApp } from "../../app/app.ts";
import type { AppProtocol } from "../../app/app-protocol.ts";
import type { CombinedApp } from "../../app/combined-app.ts";
import { createFunctionApp, type FunctionAppHandlers } from "../../app/function.ts";
import type { AnyBinding, BindingModule } from "../../binding.ts";
import { bindingModules } from "../../bindings/modules.ts";
import { messageOf } from "../../errors.ts";
import { MemoryBudget } from "../../memory/budget.ts";
import { compilePolicies } from "../../policy/policies.ts";
import { lint } from "../../resources/lint.ts";
import { loadResources } from "../../resources/load.ts";
import { ResourceMemory } from "../../resources/memory.ts";
import { formatProblem, problemRecord, type ResourceProblem } from "../../resources/problem.ts";
import { SecretStores } from "../../resources/secret-stores.ts";
import { RuntimeDescription } from "../../rpc/description.ts";
import type { App } from "../../runtime/app.ts";
import { componentFields } from "../../runtime/component/component-fields.ts";
import type { ReloadResult } from "../../runtime/component/reload.ts";
import { DeadLetterManager } from "../../runtime/records/dead-letters.ts";
import { BindingCatalogue } from "../../runtime/binding-catalogue.ts";
import { createRuntime, type Runtime } from "../../runtime/runtime.ts";
import type { RuntimeLogger } from "../../runtime/runtime-logger.ts";
import { createHttpEndpoints } from "../../server/http-endpoints.ts";
import { createServer, type CufflinkServer } from "../../server/server.ts";
import { stateStores as ownStateStores } from "../../states/index.ts";
import { createStore } from "../../store/open-store.ts";
import type { Store } from "../../store/store.ts";
import { Metrics } from "../../telemetry/metrics.ts";
import { version } from "../../version.ts";
import type { Activity } from "./activity.ts";
import { directRelay } from "./direct-relay.ts";
import { secretStandIn, type ReplacedSecret } from "./secrets.ts";
import type { StandIns } from "./stand-ins.ts";
import { watchedStore } from "./watched-store.ts";
import { WatchedApp } from "./watched-app.ts";

/** An app in a process, or at least behind a port, of its own. */
export type RemoteApp = {
  /** Where it listens. Absent: it dials in, as the library `cufflink/app` does. */
  readonly port?: number;
  /** How it is spoken to on that port. Default `http`. */
  readonly protocol?: AppProtocol;
  readonly host?: string;
  /** Where it reaches the runtime. Default: a port that is free, see `port` and `environment` of the kit. */
  readonly runtimePort?: number;
};

export type WiringOptions = {
  readonly appId: string;
  readonly resources: readonly string[];
  /** YAML, or JSON, of components that are in no file. */
  readonly texts: readonly string[];
  readonly bindings: readonly AnyBinding[];
  readonly app: { readonly functions: FunctionAppHandlers } | RemoteApp | undefined;
  readonly maxConcurrency: number | undefined;
  readonly logger: RuntimeLogger;
  readonly standIns: StandIns;
  /** What goes on, where that matters to a clock. */
  readonly activity: Activity | undefined;
  /** The time of the store, where it is not the process's. */
  readonly storeClock: SharedArrayBuffer | undefined;
};

/** The true runtime with stand-ins behind its components. */
export type Wired = {
  readonly runtime: Runtime;
  readonly app: App | undefined;
  readonly deadLetters: DeadLetterManager;
  readonly metrics: Metrics;
  /** As they were last read. */
  readonly problems: () => readonly ResourceProblem[];
  readonly replacedSecrets: readonly ReplacedSecret[];
  /** Where a remote app reaches the runtime, by every protocol; `undefined`: nothing listens. */
  readonly port: number | undefined;
  readonly reload: () => Promise<ReloadResult>;
  close(deadline: number): Promise<void>;
};

export async function wire(options: WiringOptions): Promise<Wired> {
  const { appId, logger, standIns, activity } = options;
  const catalogue = new BindingCatalogue(standIns.modules(modulesWith(options.bindings)));
  const bindings = catalogue.loaded;
  const stateStores = ownStateStores.map((store) => standIns.replace(store));
  const memory = new MemoryBudget();
  const store = watchedStore(
    createStore({ folder: ":memory:", logger, clock: options.storeClock }),
    activity,
  );
  const { app, remote } = await appOf(options, memory);
  const metrics = new Metrics(
    appId,
    () => runtime.components(),
    () => ({ store, deadLetters, memory, concurrency: runtime.concurrency }),
  );
  const runtime = createRuntime({
    ...{ appId, bindings, stateStores, app, logger, memory, store },
    relay: directRelay,
    allBindings: () => catalogue.all(),
    observer: metrics,
    http: createHttpEndpoints(memory),
    maxConcurrency: options.maxConcurrency,
  });
  const deadLetters = managerOf(runtime, store, logger);
  const replacedSecrets: ReplacedSecret[] = [];
  const secretStores = new SecretStores({ logger });
  const kept = {
    ...{ secretStores, memory: new ResourceMemory() },
    standIn: secretStandIn(
      () => bindings,
      (secret) => replacedSecrets.push(secret),
    ),
  };
  let problems: readonly ResourceProblem[] = [];
  const reload = async (): Promise<ReloadResult> => {
    const read = await loadResources({
      paths: options.resources,
      texts: options.texts.map((text, index) => ({ file: `components[${index}]`, text })),
      ...{ appId, bindings, stateStores, frameworkFields: componentFields, ...kept },
      needBindings: (types) => catalogue.need(types),
    });
    const linted = await lint(read.components, bindings, { frameworkFields: componentFields });
    problems = [...read.problems, ...linted];
    for (const problem of problems) {
      const { fields, message } = problemRecord(problem);
      logger[problem.severity === "error" ? "error" : "warn"](fields, message);
    }
    try {
      runtime.applyPolicies(read.resiliency && (await compilePolicies(read.resiliency)));
    } catch (error) {
      logger.error({ reason: messageOf(error) }, "the Resiliency cannot be taken over");
    }
    const lines = problems.map((problem) => formatProblem(problem).split("\n", 1)[0] ?? "");
    return runtime.apply(read.components, { problems: lines, refused: read.refused });
  };
  await reload();
  const server =
    remote && (await serverOf(options, runtime, remote, { memory, store, reload, deadLetters }));
  return {
    ...{ runtime, app, deadLetters, metrics, replacedSecrets, reload },
    problems: () => problems,
    port: server?.ports[0],
    async close(deadline) {
      await secretStores[Symbol.asyncDispose]();
      await runtime.drain(deadline);
      await runtime.close();
      await app?.close();
      await server?.close(deadline);
      await store.close();
    },
  };
}

/** All binding types; those that were added in place of ours of the same name. Loaded when a component names them. */
function modulesWith(added: readonly AnyBinding[]): BindingModule[] {
  const names = new Set(added.map(({ name }) => name));
  const own = added.map((binding) => ({
    name: binding.name,
    ...(binding.aliases && { aliases: binding.aliases }),
    load: async () => ({ default: binding }),
  }));
  return [...bindingModules.filter(({ name }) => !names.has(name)), ...own];
}

/** The app, its attempts watched; `remote`: one that may call back over the network. */
async function appOf(
  { app, logger, standIns, activity }: WiringOptions,
  memory: MemoryBudget,
): Promise<{ app: App | undefined; remote?: CombinedApp }> {
  if (app === undefined) return { app: undefined };
  const watching = { ...(activity && { activity }) };
  if ("functions" in app) {
    const functions = createFunctionApp(app.functions, logger);
    return { app: new WatchedApp(functions, standIns, { ...watching, isRemote: false }) };
  }
  const remote = await createApp({
    ...{ protocol: app.protocol ?? "http", port: app.port, host: app.host, logger },
    answers: { maxBytes: 4 * 1024 * 1024, memory: memory.share("app").forAnswers },
  });
  return { app: new WatchedApp(remote, standIns, { ...watching, isRemote: true }), remote };
}

function managerOf(runtime: Runtime, store: Store, logger: RuntimeLogger): DeadLetterManager {
  return new DeadLetterManager({
    ...{ store: store.deadLetters, logger },
    redrive: (deadLetter, signal) => runtime.redrive(deadLetter, signal),
    invoke: (invocation) => runtime.invoke(invocation),
    deadLetterRemoved: (deadLetter) => runtime.deadLetterRemoved(deadLetter),
  });
}

async function serverOf(
  { appId, app }: WiringOptions,
  runtime: Runtime,
  remote: CombinedApp,
  parts: {
    readonly memory: MemoryBudget;
    readonly store: Store;
    readonly deadLetters: DeadLetterManager;
    readonly reload: () => Promise<ReloadResult>;
  },
): Promise<CufflinkServer> {
  const { memory, store, deadLetters, reload } = parts;
  const { port, protocol = "http", host = "127.0.0.1", runtimePort = 0 } = app as RemoteApp;
  const flags = { place: "runtimePort", host: "127.0.0.1" };
  const inTime = inContext(runtime);
  return createServer({
    ...{ runtime: inTime, memory, store },
    description: new RuntimeDescription({
      ...{ appId, version, runtime: inTime },
      app: { protocol, address: host, ...(port !== undefined && { port }) },
    }),
    addresses: [{ host: "127.0.0.1", port: runtimePort, flags }],
    shutdown: () => undefined,
    operations: { operator: inTime, deadLetters: inContext(deadLetters), reload },
    subscribe: (messages) => remote.streams.accept(messages),
  });
}

/** The same, with all that its functions begin in the context of now: connections from outside come in none. */
function inContext<Parts extends object>(parts: Parts): Parts {
  const context = AsyncLocalStorage.snapshot();
  return new Proxy(parts, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown =>
        context((): unknown => Reflect.apply(value, target, args));
    },
  });
}
