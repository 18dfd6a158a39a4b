// A worker of `--workers`: listeners, outputs and some of the inputs in a thread of its own. All else is its parent's.
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import type { CombinedApp } from "../app/combined-app.ts";
import { ThreadStreams } from "../app/thread-streams.ts";
import { bindingModules } from "../bindings/modules.ts";
import { BindingError, messageOf } from "../errors.ts";
import { Http2ClientConnection } from "../http2/client-connection.ts";
import { releaseBlocks } from "../memory/byte-parts.ts";
import { collectWhenQuiet, keepYoungSmall } from "../memory/garbage-collection.ts";
import { PluggableBindings } from "../pluggable/host/pluggable-bindings.ts";
import { SocketsFolder } from "../pluggable/sockets-folder.ts";
import { compilePolicies } from "../policy/policies.ts";
import type { App } from "../runtime/app.ts";
import type { Fleet } from "../runtime/ownership.ts";
import { BindingCatalogue } from "../runtime/binding-catalogue.ts";
import { numberLanes } from "../runtime/delivery/lane.ts";
import { createRuntime, type Runtime } from "../runtime/runtime.ts";
import { RuntimeDescription } from "../rpc/description.ts";
import { CallerGate } from "../server/caller-gate.ts";
import { createHttpEndpoints } from "../server/http-endpoints.ts";
import type { Address } from "../server/listener.ts";
import { createServer, type CufflinkServer } from "../server/server.ts";
import { trustEnvironment } from "../tls/trust-environment.ts";
import type { TlsMaterial } from "../server/tls-files.ts";
import type { TracingConfiguration } from "../resources/tracing-configuration.ts";
import { stateStores } from "../states/index.ts";
import { createLogger } from "../telemetry/logger.ts";
import { Metrics } from "../telemetry/metrics.ts";
import { version } from "../version.ts";
import { answerMessage } from "../workers/invocations.ts";
import type { ParentApi, WorkerApi } from "../workers/api.ts";
import { ownBytes, Peer, type PeerPort } from "../workers/peer.ts";
import { PortStream } from "../workers/port-stream.ts";
import { RemoteHistory } from "../workers/remote-history.ts";
import { RemoteFleet } from "../workers/remote-fleet.ts";
import { AttemptsElsewhere, PausesElsewhere, remoteStore } from "../workers/remote-store.ts";
import { Routes } from "../workers/routes.ts";
import { SharedConcurrency } from "../workers/shared-concurrency.ts";
import { KnownSpecs } from "../workers/spec-message.ts";
import { withDeclarations } from "./declarations.ts";
import { openOwnBindings } from "./own-bindings.ts";
import { serveApp, serveMemory } from "./serve-app.ts";
import { callerRules } from "./serve-addresses.ts";
import type { ServeOptions } from "./serve-options.ts";
import { serveRelay } from "./serve-relay.ts";
import { startTelemetry } from "./telemetry.ts";

/** What a worker is told at its start. */
export type WorkerData = {
  /** From 0 on; one in the place of another that has ended has its number. */
  readonly worker: number;
  readonly workers: number;
  readonly options: ServeOptions;
  /** Where it listens. None: another worker does. */
  readonly addresses: readonly Address[];
  readonly memoryBudget: number;
  readonly log: { readonly color: boolean; readonly date: boolean };
  readonly tracing: TracingConfiguration | undefined;
  readonly tls: TlsMaterial | undefined;
  /** This process as others know it that share the store; `undefined`: it has the store alone. */
  readonly fleet: Pick<Fleet, "replica" | "singleton"> | undefined;
  /** See `concurrencyMemory`. */
  readonly concurrency: SharedArrayBuffer;
  /** A `PortStream` to the parent's server. */
  readonly upwards: MessagePort;
};

// What cannot be used, the parent has told.
await trustEnvironment(() => undefined);
if (parentPort !== null) void run(parentPort, workerData as WorkerData);

async function run(port: PeerPort, data: WorkerData): Promise<void> {
  const { worker, workers, options, log, addresses } = data;
  const mayGrow = keepYoungSmall();
  let server: CufflinkServer | undefined;
  let { tls } = data;
  /** The components come after what is said of them. */
  let policies = Promise.resolve();
  const attempts = new AttemptsElsewhere();
  const pauses = new PausesElsewhere();
  const routes = new Routes(worker, workers, (to, call, signal) =>
    parent.call("invoke", [to, call], { signal }),
  );

  const parent = new Peer<ParentApi, WorkerApi>(port, {
    async listen() {
      server ??= await createServer({
        ...{ runtime, description, memory, tls, callers, onRefused, forwardTo: upwards },
        addresses,
        token: process.env["DAPR_API_TOKEN"],
        maxBodySize: options.maxBodySize,
        shutdown: () => {},
      });
      await server.load();
    },
    need: (types, waiting) => catalogue.need(types, waiting),
    async apply({ specs, placements, names, findings, drained }) {
      routes.take(placements);
      if (names !== undefined) app.componentsChanged(names);
      const known = specs.map((one) => definitions.take(one));
      await policies;
      const applying = runtime.apply(known, findings);
      // Before anything is read: the components are there at once.
      for (const name of drained) {
        if (routes.reads(name)) void runtime.drainComponent(name, 0).catch(() => undefined);
      }
      const { components } = await applying;
      mayGrow();
      return components;
    },
    applyPolicies(resiliency) {
      policies = policies.then(async () =>
        runtime.applyPolicies(resiliency && (await compilePolicies(resiliency))),
      );
      return policies;
    },
    setTls(next) {
      tls = next;
      server?.setTls(next);
    },
    snapshot() {
      const components = runtime.components();
      const policies = components.flatMap(({ name }) => {
        const parts = runtime.policies(name);
        return parts === undefined ? [] : [[name, parts] as const];
      });
      return {
        components,
        policies: new Map(policies),
        memory: memory.shares.map(({ name, used, limit, refusals }) => ({
          ...{ name, used, limit, refusals },
        })),
        appAvailable: app.available,
      };
    },
    metrics: (deprecated) => metrics.counted(deprecated),
    pause: (name, reason, by) => runtime.pause(name, reason, by),
    resume: (name) => runtime.resume(name),
    restart: (name) => runtime.restart(name),
    drainComponent: (name, deadline) => runtime.drainComponent(name, deadline),
    drainInputs: (deadline) => runtime.drainInputs(deadline),
    examine: (name, timeout, signal) => runtime.examine(name, timeout, signal),
    invoke: async (call, signal) =>
      answerMessage(await runtime.invoke(routes.arrived(call, signal))),
    emit: (name, event, signal) => runtime.emit(name, event, signal),
    redrive: (deadLetter, signal) => runtime.redrive(deadLetter, signal),
    deadLetterRemoved: (deadLetter) => runtime.deadLetterRemoved(deadLetter),
    attemptNoted: (component, count) => attempts.noted(component, count),
    pauseChanged: (component, pause) => pauses.noted(component, pause),
    lease(id, lease): void {
      fleet?.told(id, lease);
    },
    unfinished: (eventId, component) => runtime.unfinished(eventId, component),
    watched(isWatched) {
      history.isWatched = isWatched;
    },
    stream: (id, message) => streams.take(id, message),
    recallCredit: (id) => streams.recall(id),
    streamEnded: (id, reason, properly) => streams.end(id, reason, properly),
    drain: (deadline) => runtime.drain(deadline),
    async close(deadline) {
      await runtime.close(deadline);
      await relay?.[Symbol.asyncDispose]();
    },
    closeApp: () => app.close(),
    async closeServer(deadline) {
      await server?.close(deadline);
      await telemetry?.close();
      stopCollecting();
    },
  });

  const logger = createLogger({
    ...{ appId: options.appId, level: options.logLevel, json: options.logAsJson },
    ...log,
    destination: { write: (line) => parent.tell("log", [line]) },
  });
  const onStray = (error: unknown): void => {
    if (runtime.blame(error)) return;
    const stack = error instanceof Error ? error.stack : undefined;
    const reason = messageOf(error);
    logger.error(
      { worker: String(worker + 1), reason, stack },
      "a failure outside every component",
    );
    // What was said goes out first.
    setImmediate(() => process.exit(1));
  };
  process.on("uncaughtException", onStray);
  process.on("unhandledRejection", onStray);

  const memory = serveMemory(data.memoryBudget, logger);
  const stopCollecting = collectWhenQuiet(memory, releaseBlocks);
  const upwards = new Http2ClientConnection(new PortStream(data.upwards), {
    onReady: () => {},
    onClosed: () => {},
  });
  const own = await openOwnBindings(options.bindings, () => {});
  const pluggable = new PluggableBindings({
    folder: SocketsFolder.of(process.env),
    names: () => catalogue.names,
    onShadowed: () => {},
  });
  const catalogue = new BindingCatalogue(withDeclarations(bindingModules), {
    loaded: own.loaded,
    find: () => own.find(),
    mayBeServed: (name) => pluggable.mayServe(name),
  });
  const app = await serveApp(options, options.appPort, memory, logger);
  const streams = new ThreadStreams(
    app.streams,
    {
      batch: (id, bytes, events) => parent.call("batch", [id, ownBytes(bytes), events]),
      needed: (id) => parent.tell("creditNeeded", [id]),
      returned: (id, credit) => parent.tell("creditReturned", [id, credit]),
    },
    worker,
    workers,
  );
  numberLanes(worker + workers, workers);
  app.onAvailability(() => parent.tell("changed", []));
  const definitions = new KnownSpecs({
    resolve: (id, only) => parent.call("resolve", [id, only]),
    prepare: (id) => parent.call("prepare", [id]),
    forget: (id) => parent.tell("forget", [id]),
  });
  const history = new RemoteHistory((events) => parent.tell("ended", [events]), logger);
  const metrics = new Metrics(options.appId, () => runtime.components());
  const stateChanged = (): void => parent.tell("changed", []);
  const telemetry = await startTelemetry({
    ...{ appId: options.appId, variables: process.env, configuration: data.tracing },
    logger: logger.child({ part: "telemetry" }),
    metrics: undefined,
  });
  const callers = callerRules(options);
  const onRefused = (message: string): void => logger.warn({}, message);
  const fleet: RemoteFleet | undefined =
    data.fleet &&
    new RemoteFleet({
      ...data.fleet,
      own: (id, component, cell, movable) => parent.tell("own", [id, component, cell, movable]),
      readingEnded: (id) => parent.tell("readingEnded", [id]),
      release: (id) => parent.call("release", [id]).catch(() => undefined),
    });
  const relay = serveRelay(options, {
    store: {
      replicas: { list: async () => [...(await parent.call("replicas", []))] },
      doubt: (stream) => parent.call("doubt", [stream]),
    },
    ...{ replica: fleet?.replica, memory, logger: logger.child({ part: "relay" }) },
  });
  const runtime: Runtime = createRuntime({
    appId: options.appId,
    bindings: catalogue.loaded,
    stateStores,
    pluggable,
    app: withoutNames(app),
    logger,
    observer: Object.assign(metrics, { stateChanged }),
    tracer: telemetry?.tracer,
    store: remoteStore({
      ask: (call) => parent.call("store", [call]),
      tell: (call) => parent.tell("store", [call]),
      ...{ shared: fleet !== undefined, attempts, pauses },
      epochOf: (component) => fleet?.epochOf(component),
    }),
    ...{ fleet, relay, memory },
    http: createHttpEndpoints(memory, new CallerGate(callers, onRefused)),
    maxConcurrency: options.appMaxConcurrency,
    driversFolder: options.driversFolder,
    allowExec: options.allowExec,
    worker: {
      history,
      concurrency: new SharedConcurrency(data.concurrency, worker, options.appMaxConcurrency),
      reads: (name) => routes.reads(name),
      share: (name, events) => routes.share(name, events),
      isElsewhere: (call) => routes.isElsewhere(call),
      invokeElsewhere: (call) => routes.invoke(call),
      async agree(component, proved) {
        let thrown: unknown;
        const failure = await proved.then(
          () => undefined,
          (error: unknown) => {
            thrown = error;
            return failureOf(error);
          },
        );
        const agreed = parent.call("agree", [component, failure]);
        if (failure === undefined) return agreed;
        await agreed.catch(() => undefined);
        throw thrown;
      },
    },
  });
  const description = new RuntimeDescription({
    ...{ appId: options.appId, version, runtime },
    app: { protocol: options.appProtocol, address: options.appChannelAddress },
  });
  parent.tell("begun", []);
}

/** The names are those of all workers, and told by the parent. */
function withoutNames(app: CombinedApp): App {
  return {
    get available() {
      return app.available;
    },
    get unavailableReason() {
      return app.unavailableReason;
    },
    get unavailableSince() {
      return app.unavailableSince;
    },
    onAvailability: (listener) => app.onAvailability(listener),
    wants: (input, signal) => app.wants(input, signal),
    whyUnwanted: (input) => app.whyUnwanted(input),
    deliver: (delivery, signal) => app.deliver(delivery, signal),
    of: (name) => app.of(name),
    close: () => app.close(),
  };
}

function failureOf(error: unknown): { reason: string; message: string } {
  const { reason, message } = BindingError.from(error, "unavailable");
  return { reason, message };
}
