import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createApp } from "../app/app.ts";
import type { CombinedApp } from "../app/combined-app.ts";
import { bindings } from "../bindings/index.ts";
import { formatDuration } from "../metadata/duration.ts";
import { MemoryBudget } from "../memory-budget.ts";
import { compilePolicies } from "../policy/policies.ts";
import { RuntimeDescription } from "../rpc/description.ts";
import type { ReloadResult } from "../runtime/component/reload.ts";
import { DeadLetterManager } from "../runtime/records/dead-letters.ts";
import { createRuntime, type Runtime } from "../runtime/runtime.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import { createHttpEndpoints } from "../server/http-endpoints.ts";
import { bind, type Address } from "../server/listener.ts";
import { createServer, type CufflinkServer, type ServerOptions } from "../server/server.ts";
import { stateStores } from "../states/index.ts";
import { createStore } from "../store/open-store.ts";
import { stateFolder } from "../store/state-folder.ts";
import { createLogger } from "../telemetry/logger.ts";
import { Metrics } from "../telemetry/metrics.ts";
import { version } from "../version.ts";
import { shutDown } from "./shutdown.ts";
import { Reloader } from "./reloader.ts";
import type { ServeOptions } from "./serve-options.ts";

/** A serving process, from the first listener to its end. */
export type Served = {
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly logger: RuntimeLogger;
  readonly runtime: Runtime;
  /** Resolves to the exit code once it has ended, for whatever reason. */
  readonly ended: Promise<number>;
  /** Ends it orderly; called again: at once. */
  end(why: string, exitCode?: number): void;
  /** Reads the resources again and takes over what has changed. */
  reload(): Promise<ReloadResult>;
};

/** Everything wired together. Listens first, then connects out. */
export async function serve(options: ServeOptions): Promise<Served> {
  const started = performance.now();
  const color = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
  const logger = createLogger({
    level: options.logLevel,
    json: options.logAsJson,
    appId: options.appId,
    color,
  });
  if (options.ignored.length > 0) {
    logger.warn(
      { flags: options.ignored },
      "these flags concern other building blocks and have no effect",
    );
  }
  const { promise: ended, resolve: resolveEnded } = Promise.withResolvers<number>();
  let shutdowns = 0;

  const reloader = await Reloader.create({
    ...{ appId: options.appId, resourcesPaths: options.resourcesPaths, bindings, logger },
    configPaths: options.configPaths,
    async apply(components, findings) {
      const result = await runtime.apply(components, findings);
      metrics.reloaded(result);
      return result;
    },
    async onLoaded({ resiliency }) {
      runtime.applyPolicies(resiliency && (await compilePolicies(resiliency)));
    },
  });
  const memory = new MemoryBudget(options.memoryBudget, {
    onRefused({ name, used, limit }, refusals) {
      const fields = { listener: name, refusals, held: used, limit };
      logger.warn(
        fields,
        "requests or answers refused: too many bytes are held; see --memory-budget",
      );
    },
  });
  const app = await createApp({
    protocol: options.appProtocol,
    port: options.appPort,
    host: options.appChannelAddress,
    token: process.env["APP_API_TOKEN"],
    optionsTimeout: options.appBindingOptionsTimeout,
    health: options.appHealth,
    answers: {
      maxBytes: options.appMaxAnswerSize,
      setting: "--app-max-answer-size",
      memory: memory.share("app").forAnswers,
    },
    logger,
  });
  const store = createStore({
    folder: stateFolder(options.appId, options.stateDir, process.env),
    retention: options.retention,
    logger: logger.child({ part: "store" }),
    onExpired: (component, count) => deadLetters.expired(component, count),
  });
  const metrics = new Metrics(
    options.appId,
    () => runtime.components(),
    () => ({ store, deadLetters, memory }),
  );
  const runtime: Runtime = createRuntime({
    appId: options.appId,
    bindings,
    stateStores,
    app,
    logger,
    observer: metrics,
    store,
    memory,
    http: createHttpEndpoints(memory),
    eventHistory: options.eventHistory,
    maxConcurrency: options.appMaxConcurrency,
  });
  const deadLetters = new DeadLetterManager({
    store: store.deadLetters,
    redrive: (deadLetter, signal) => runtime.redrive(deadLetter, signal),
    invoke: (invocation) => runtime.invoke(invocation),
    deadLetterRemoved: (deadLetter) => runtime.deadLetterRemoved(deadLetter),
    logger,
  });
  const server = await startServer(options, runtime, app, {
    memory,
    shutdown: () => end("shutdown was asked for"),
    features: () => (reloader.configuration.hotReload ? ["HotReload"] : []),
    operations: { operator: runtime, deadLetters, reload: () => reloader.reload() },
  });
  const withMetrics = options.metrics && reloader.configuration.metrics !== false;
  const metricsServer = withMetrics ? metrics.server() : undefined;
  try {
    if (metricsServer)
      await bind(metricsServer, { host: options.metricsListenAddress, port: options.metricsPort });
  } catch (error) {
    await server.close(0);
    throw error;
  }

  async function finish(exitCode: number): Promise<void> {
    reloader.close();
    const code = await shutDown(
      {
        ...{ runtime, app, server, logger, hasApp: options.appPort !== undefined },
        gracefulShutdown: options.gracefulShutdown,
        blockShutdown: options.blockShutdown,
        last: [
          () => {
            metricsServer?.close();
            metricsServer?.closeAllConnections();
          },
          () => store.close(),
        ],
      },
      exitCode,
    );
    logger.info({}, "shutdown complete");
    resolveEnded(code);
  }
  function end(why: string, exitCode = 0): void {
    shutdowns++;
    if (shutdowns === 1) {
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

  // Each of the two ports has as many listeners as there are addresses; a socket has one.
  const grpcAt = options.unixDomainSocket === undefined ? options.listenAddresses.length : 1;
  const [httpPort = 0] = server.ports;
  const grpcPort = server.ports[grpcAt] ?? 0;
  const where = options.unixDomainSocket ?? options.listenAddresses.join(", ");
  logger.info(
    {
      http: httpPort,
      grpc: grpcPort,
      on: where,
      version,
    },
    `listening on ${where}; say --dapr-listen-addresses for others`,
  );
  void reloader.start().then(({ components }) => {
    const took = formatDuration(Math.round(performance.now() - started));
    logger.info({ components: components.length, took }, "cufflink initialized. Status: Running.");
  });
  return {
    httpPort,
    grpcPort,
    logger,
    runtime,
    ended,
    end,
    reload: () => reloader.reload(),
  };
}

async function startServer(
  options: ServeOptions,
  runtime: Runtime,
  app: CombinedApp,
  {
    features,
    ...asked
  }: Pick<ServerOptions, "shutdown" | "operations" | "memory"> & {
    features: () => readonly string[];
  },
): Promise<CufflinkServer> {
  const { appId, appProtocol, appPort, appChannelAddress, appMaxConcurrency, appHealth } = options;
  const description = new RuntimeDescription({
    appId,
    version,
    runtime,
    features,
    app: {
      protocol: appProtocol,
      address: appChannelAddress,
      port: appPort,
      maxConcurrency: appMaxConcurrency,
      health: appHealth && {
        path: appHealth.path,
        interval: formatDuration(appHealth.interval),
        timeout: formatDuration(appHealth.timeout),
        threshold: appHealth.threshold,
      },
    },
  });
  const tls =
    options.tlsCert === undefined || options.tlsKey === undefined
      ? undefined
      : {
          cert: await readFile(options.tlsCert, "utf8"),
          key: await readFile(options.tlsKey, "utf8"),
        };
  return createServer({
    runtime,
    description,
    addresses: await addressesOf(options),
    ...(options.publicPort === undefined
      ? {}
      : {
          publicAddresses: [
            { host: options.publicListenAddress, port: options.publicPort, listener: "public" },
          ],
        }),
    token: process.env["DAPR_API_TOKEN"],
    maxBodySize: options.maxBodySize,
    tls,
    ...asked,
    subscribe: (messages) => app.streams.accept(messages),
  });
}

const listeners = ["http", "grpc"] as const;

async function addressesOf(options: ServeOptions): Promise<Address[]> {
  const { unixDomainSocket, appId, httpPort, grpcPort } = options;
  if (unixDomainSocket === undefined) {
    return listeners.flatMap((listener) =>
      options.listenAddresses.map((host) => ({
        ...{ host, listener },
        port: listener === "http" ? httpPort : grpcPort,
      })),
    );
  }
  await mkdir(unixDomainSocket, { recursive: true });
  return listeners.map((listener) => ({
    socket: join(unixDomainSocket, `dapr-${appId}-${listener}.socket`),
    listener,
  }));
}
