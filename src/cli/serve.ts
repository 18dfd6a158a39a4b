import { bindingModules } from "../bindings/modules.ts";
import { formatDuration } from "../metadata/duration.ts";
import { releaseBlocks } from "../memory/byte-parts.ts";
import { collectWhenQuiet, keepYoungSmall } from "../memory/garbage-collection.ts";
import { PluggableBindings } from "../pluggable/host/pluggable-bindings.ts";
import { SocketsFolder, socketsFolderVariable } from "../pluggable/sockets-folder.ts";
import { compilePolicies } from "../policy/policies.ts";
import type { ReloadResult } from "../runtime/component/reload.ts";
import { DeadLetterManager } from "../runtime/records/dead-letters.ts";
import { BindingCatalogue } from "../runtime/binding-catalogue.ts";
import { createRuntime, type Runtime } from "../runtime/runtime.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import { CallerGate } from "../server/caller-gate.ts";
import { createHttpEndpoints } from "../server/http-endpoints.ts";
import { stateStores } from "../states/index.ts";
import type { ConsoleServer } from "../server/console/console-server.ts";
import { standardOutput } from "../telemetry/logger.ts";
import { Metrics } from "../telemetry/metrics.ts";
import type { DryRun } from "../testkit/app/dry-run.ts";
import { version } from "../version.ts";
import { socketOf } from "./app-environment.ts";
import { withDeclarations } from "./declarations.ts";
import { shutDown } from "./shutdown.ts";
import { openCluster } from "./mode-options.ts";
import { startTelemetry } from "./telemetry.ts";
import { openOwnBindings } from "./own-bindings.ts";
import { Reloader } from "./reloader.ts";
import { createServeLogger } from "./serve-log.ts";
import { serveApp, serveMemory } from "./serve-app.ts";
import { callerRules, listeners } from "./serve-addresses.ts";
import { portsOf, startServer } from "./serve-listeners.ts";
import type { DryOptions } from "./dry-options.ts";
import { joinFleet } from "./serve-fleet.ts";
import { serveMetrics } from "./serve-metrics.ts";
import type { ServeOptions } from "./serve-options.ts";
import { serveRelay } from "./serve-relay.ts";
import { openServeStore } from "./serve-store.ts";
import type { ServerCertificate } from "./server-certificate.ts";

/** What serves calls is loaded so long after the start unless one comes before, in milliseconds: the start goes first. */
const loadCallsAfter = 500;

/** What is served; `dry`: with stand-ins in place of all systems. */
export type RunOptions = ServeOptions & { readonly dry?: DryOptions };

/** A serving process, from the first listener to its end. */
export type Served = {
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly logger: RuntimeLogger;
  readonly runtime: Runtime;
  /** Resolves to the exit code once it has ended, for whatever reason. */
  readonly ended: Promise<number>;
  /** Whether it is being shut down, for whatever reason. */
  shuttingDown(): boolean;
  /** Ends it orderly; called again: at once. */
  end(why: string, exitCode?: number): void;
  /** Reads the resources again and takes over what has changed. */
  reload(): Promise<ReloadResult>;
};

/** Everything wired together. Listens first, then connects out. */
export async function serve(options: RunOptions): Promise<Served> {
  const mayGrow = keepYoungSmall();
  try {
    return await begin(options, mayGrow);
  } catch (error) {
    mayGrow();
    throw error;
  }
}

/** `onStarted` is told once the components were started, well or not. */
async function begin(options: RunOptions, onStarted: () => void): Promise<Served> {
  const started = performance.now();
  const logger = createServeLogger(options, options.dry !== undefined);
  const dryRun = options.dry && (await createDryRun(options.dry, logger));
  if (options.ignored.length > 0) {
    logger.warn(
      { flags: options.ignored },
      "these flags concern other building blocks and have no effect",
    );
  }
  const { promise: ended, resolve: resolveEnded } = Promise.withResolvers<number>();
  let shutdowns = 0;

  const own = await openOwnBindings(options.bindings, (problem) =>
    logger.error({ problem }, "a package with a binding cannot be used"),
  );
  const folder = SocketsFolder.of(process.env);
  const pluggable = new PluggableBindings({
    folder,
    names: () => catalogue.names,
    onShadowed: (type, socket) => logger.warn({ socket }, shadowed(type)),
  });
  const catalogue: BindingCatalogue = dryRun
    ? new BindingCatalogue(dryRun.modules(bindingModules), dryRun.others(own))
    : new BindingCatalogue(withDeclarations(bindingModules), {
        loaded: own.loaded,
        find: () => own.find(),
        mayBeServed: (name) => pluggable.mayServe(name),
      });
  const stores = dryRun?.stateStores(stateStores) ?? stateStores;
  const reloader = await Reloader.create({
    ...{ appId: options.appId, resourcesPaths: options.resourcesPaths, logger },
    bindings: catalogue.loaded,
    async needBindings(types, waiting) {
      await catalogue.need(types, waiting);
      await workers?.need(types, waiting);
    },
    changedBindings: () => own.changes(),
    pluggable: folder,
    ...{ configPaths: options.configPaths, maxBodySize: options.maxBodySize },
    sharedStore: dryRun === undefined ? options.store !== undefined : undefined,
    cluster: options.kubernetes && (await openCluster(options.kubernetes, options.appId, logger)),
    ...{ driversFolder: options.driversFolder, stateStores: stores },
    standIn: dryRun?.secrets(() => catalogue.loaded),
    async apply(components, findings) {
      const result = await runtime.apply(components, findings);
      metrics.reloaded(result);
      return result;
    },
    async onLoaded({ resiliency }) {
      runtime.applyPolicies(resiliency && (await compilePolicies(resiliency)));
    },
  });
  const memory = serveMemory(options.memoryBudget, logger);
  // Each worker reaches it by itself.
  const port = options.workers > 1 ? undefined : options.appPort;
  const app = await serveApp(options, port, memory, logger);
  const store = await openServeStore(options, {
    inMemory: dryRun !== undefined,
    logger: logger.child({ part: "store" }),
    onExpired: (component, count) => deadLetters.expired(component, count),
  });
  const stopCollecting = collectWhenQuiet(memory, releaseBlocks);
  const metrics = new Metrics(
    options.appId,
    () => runtime.components(),
    () => ({
      ...{ store, deadLetters, concurrency: runtime.concurrency, fleet: fleet?.observer },
      memory: workers?.memoryWith(memory) ?? memory,
    }),
    { deprecated: options.deprecatedMetrics },
  );
  const telemetry = dryRun
    ? undefined
    : await startTelemetry({
        ...{ appId: options.appId, variables: process.env },
        ...{ configuration: reloader.configuration.tracing, metrics },
        logger: logger.child({ part: "telemetry" }),
      });
  const callers = callerRules(options);
  const onRefused = (message: string): void => logger.warn({}, message);
  const fleet = await joinFleet(options.fleet, store, () => runtime.components(), logger);
  const relay = serveRelay(options, {
    ...{ store, replica: fleet?.fleet.replica, memory, logger: logger.child({ part: "relay" }) },
  });
  const workers =
    options.workers > 1
      ? new (await import("./serve-workers.ts")).ServedWorkers({
          ...{ options, count: options.workers, logger, catalogue, store, fleet: fleet?.fleet },
          tracing: () => reloader.configuration.tracing,
          onHopeless: (why) => end(why, 70),
        })
      : undefined;
  workers?.addMetrics(metrics);
  const runtime: Runtime =
    workers?.runtime ??
    createRuntime({
      appId: options.appId,
      bindings: catalogue.loaded,
      allBindings: () => catalogue.all(),
      stateStores: stores,
      ...(dryRun === undefined && { pluggable }),
      app: dryRun?.app(app) ?? app,
      logger,
      observer: metrics,
      tracer: telemetry?.tracer,
      store,
      ...{ fleet: fleet?.fleet, relay: dryRun?.relay ?? relay },
      memory,
      http: createHttpEndpoints(memory, new CallerGate(callers, onRefused)),
      eventHistory: options.eventHistory,
      maxConcurrency: options.appMaxConcurrency,
      driversFolder: options.driversFolder,
      allowExec: options.allowExec,
    });
  const deadLetters = new DeadLetterManager({
    store: store.deadLetters,
    redrive: (deadLetter, signal) => runtime.redrive(deadLetter, signal),
    invoke: (invocation) => runtime.invoke(invocation),
    deadLetterRemoved: (deadLetter) => runtime.deadLetterRemoved(deadLetter),
    tracer: telemetry?.tracer,
    logger,
    shared: fleet && { claims: store.claims, replica: fleet.fleet.replica },
  });
  const certificate = await loadCertificate(options, logger);
  const reload = async (): Promise<ReloadResult> => {
    await certificate?.reload();
    return reloader.reload();
  };
  const webConsole = options.console && (await import("./serve-console.ts"));
  const server = await startServer(options, runtime, app, {
    memory,
    workers,
    shutdown: () => end("shutdown was asked for"),
    features: () => (reloader.configuration.hotReload ? ["HotReload"] : []),
    ...{ onRefused, callers },
    operations: {
      ...{ operator: runtime, deadLetters, reload },
      fleet: fleet && (() => fleet.observer.describe()),
      definition: (name) => reloader.definition(name),
      sampler:
        webConsole && new webConsole.Sampler(() => runtime.components(), { permanent: true }),
    },
    tls: certificate?.material,
    store,
  });
  const withMetrics = options.metrics && reloader.configuration.metrics !== false;
  let closeMetrics: (() => void) | undefined;
  let consoleServer: ConsoleServer | undefined;
  try {
    if (options.console && webConsole)
      consoleServer = await webConsole.serveConsole({
        ...{ place: options.console, tls: certificate?.material, memory, logger },
        ...{ allowedHosts: options.callers.allowedHosts, maxBodySize: options.maxBodySize },
        daemons: [{ name: options.appId, services: () => server.services() }],
      });
    if (withMetrics) closeMetrics = await serveMetrics(options, metrics, new CallerGate(callers));
  } catch (error) {
    await consoleServer?.close(0);
    await server.close(0);
    throw error;
  }

  async function finish(exitCode: number): Promise<void> {
    reloader.close();
    certificate?.close();
    const code = await shutDown(
      {
        ...{ runtime, server, logger, hasApp: options.appPort !== undefined },
        app: workers?.app ?? app,
        gracefulShutdown: options.gracefulShutdown,
        blockShutdown: options.blockShutdown,
        last: [
          () => workers?.close(),
          () => consoleServer?.close(0),
          () => closeMetrics?.(),
          () => dryRun?.close(),
          () => stopCollecting(),
          () => relay?.[Symbol.asyncDispose](),
          () => fleet?.close(),
          () => store.close(),
          () => telemetry?.close(),
        ],
      },
      exitCode,
    );
    logger.info({}, "shutdown complete");
    resolveEnded(dryRun?.exitCode(code) ?? code);
  }
  function end(why: string, exitCode = 0): void {
    shutdowns++;
    if (shutdowns === 1) {
      dryRun?.stop();
      logger.info(
        { why },
        "shutting down: no more events are read; the app may finish the events it has",
      );
      void finish(exitCode);
    } else {
      logger.warn({ why }, "exiting now");
      resolveEnded(1);
    }
  }

  const { httpPort, grpcPort } = portsOf(options, server);
  if (options.unixDomainSocket === undefined) {
    const on = options.listenAddresses.join(", ");
    const facts = { http: httpPort, grpc: grpcPort, on, version };
    logger.info(facts, `listening on ${on}; say --dapr-listen-addresses for others`);
  } else {
    const folder = options.unixDomainSocket;
    const [http, grpc] = listeners.map((listener) => socketOf(folder, options.appId, listener));
    logger.info({ http, grpc, version }, "listening on sockets");
  }
  if (dryRun === undefined) void store.look();
  void certificate?.watch((tls) => {
    server.setTls(tls);
    consoleServer?.setTls(tls);
  });
  void reloader
    .start()
    .finally(onStarted)
    .then(({ components }) => {
      const took = formatDuration(Math.round(performance.now() - started));
      logger.info(
        { components: components.length, took },
        "cufflink initialized. Status: Running.",
      );
      setTimeout(() => void server.load(), loadCallsAfter).unref();
      void dryRun?.run(runtime).then((over) => over && end(over.why, over.code));
    });
  return {
    httpPort,
    grpcPort,
    logger,
    runtime,
    ended,
    shuttingDown: () => shutdowns > 0,
    end,
    reload,
  };
}

async function createDryRun(options: DryOptions, logger: RuntimeLogger): Promise<DryRun> {
  const { DryRun } = await import("../testkit/app/dry-run.ts");
  const out = standardOutput();
  const print = (record: object): void => {
    out.write(`${JSON.stringify(record)}\n`);
  };
  return new DryRun({ ...options, logger, print });
}

function shadowed(type: string): string {
  return `the socket of a pluggable component is not used, since bindings.${type} is built in; to use it, name its folder in ${socketsFolderVariable}`;
}

async function loadCertificate(
  { tls }: ServeOptions,
  logger: RuntimeLogger,
): Promise<ServerCertificate | undefined> {
  if (tls === undefined) return undefined;
  const { ServerCertificate } = await import("./server-certificate.ts");
  return ServerCertificate.load(tls, logger);
}
