import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createApp } from "../app/app.ts";
import type { JoinedApp } from "../app/joined-app.ts";
import { bindings } from "../bindings/index.ts";
import { messageOf } from "../errors.ts";
import { formatDuration, longestTimer } from "../metadata/duration.ts";
import { compilePolicies } from "../policy/policies.ts";
import { formatProblem, type ResourceProblem } from "../resources/problem.ts";
import { loadResources } from "../resources/load.ts";
import { lint } from "../resources/lint.ts";
import { RuntimeDescription } from "../rpc/description.ts";
import { componentFields } from "../runtime/component-fields.ts";
import { createRuntime, type Runtime } from "../runtime/runtime.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import { createHttpEndpoints } from "../server/http-endpoints.ts";
import { bind, type Address } from "../server/listener.ts";
import { createServer, type CufflinkServer } from "../server/server.ts";
import { stateStores } from "../states/index.ts";
import { createStore } from "../store/open-store.ts";
import { stateFolder } from "../store/state-folder.ts";
import { createLogger } from "../telemetry/logger.ts";
import { Metrics } from "../telemetry/metrics.ts";
import { version } from "../version.ts";
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
  const { promise: ended, resolve: sayEnded } = Promise.withResolvers<number>();
  let ending = 0;

  const app = await createApp({
    protocol: options.appProtocol,
    port: options.appPort,
    host: options.appChannelAddress,
    token: process.env["APP_API_TOKEN"],
    optionsTimeout: options.appBindingOptionsTimeout,
    health: options.appHealth,
    logger,
  });
  const store = createStore({
    folder: stateFolder(options.appId, options.stateDir, process.env),
    logger: logger.child({ part: "store" }),
  });
  const metrics = new Metrics(options.appId, () => runtime.components());
  const runtime: Runtime = createRuntime({
    appId: options.appId,
    bindings,
    stateStores,
    app,
    logger,
    observer: metrics,
    http: createHttpEndpoints(),
    maxConcurrency: options.appMaxConcurrency,
  });
  const server = await startServer(options, runtime, app, () => end("shutdown was asked for"));
  const metricsServer = options.metrics ? metrics.server() : undefined;
  try {
    if (metricsServer)
      await bind(metricsServer, { host: options.metricsListenAddress, port: options.metricsPort });
  } catch (error) {
    await server.close(0);
    throw error;
  }

  async function finish(exitCode: number): Promise<void> {
    let code = exitCode;
    try {
      if (options.blockShutdown > 0) await blockShutdown(options.blockShutdown, runtime);
      const { abandoned } = await runtime.drain(Math.min(options.gracefulShutdown, longestTimer));
      if (abandoned > 0) {
        logger.error(
          { events: abandoned },
          "the app did not finish in time; its events are the sources' again",
        );
        code ||= 1;
      }
      await runtime.close();
      // First, for streams that the app has dialled are calls of the server.
      await app.close();
      await server.close(2000);
      await store.close();
    } catch (error) {
      logger.error({ reason: messageOf(error) }, "ending did not go smoothly");
      code ||= 1;
    }
    metricsServer?.close();
    metricsServer?.closeAllConnections();
    logger.info({}, "ended");
    sayEnded(code);
  }
  function end(why: string, exitCode = 0): void {
    ending++;
    if (ending === 1) {
      logger.info({ why }, "ending: no more events are read, the app may finish what it has");
      void finish(exitCode);
    } else {
      logger.warn({ why }, "ending at once");
      sayEnded(1);
    }
  }

  const { components, resiliency, problems } = await loadResources({
    paths: options.resourcesPaths,
    appId: options.appId,
    bindings: [...bindings],
    frameworkFields: componentFields,
  });
  const findings = [
    ...problems,
    ...(await lint(components, bindings, { frameworkFields: componentFields })),
  ];
  for (const problem of findings) logProblem(logger, problem);
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
  if (resiliency !== undefined) runtime.applyPolicies(await compilePolicies(resiliency));
  void runtime.apply(components).then(() => {
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
  };
}

async function startServer(
  options: ServeOptions,
  runtime: Runtime,
  app: JoinedApp,
  shutdown: () => void,
): Promise<CufflinkServer> {
  const { appId, appProtocol, appPort, appChannelAddress, appMaxConcurrency, appHealth } = options;
  const description = new RuntimeDescription({
    appId,
    version,
    runtime,
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
      : { publicAddresses: [{ host: options.publicListenAddress, port: options.publicPort }] }),
    token: process.env["DAPR_API_TOKEN"],
    maxBodySize: options.maxBodySize,
    tls,
    shutdown,
    subscribe: (messages) => app.streams.accept(messages),
  });
}

async function addressesOf(options: ServeOptions): Promise<Address[]> {
  const { unixDomainSocket, appId, httpPort, grpcPort } = options;
  if (unixDomainSocket === undefined) {
    return [httpPort, grpcPort].flatMap((port) =>
      options.listenAddresses.map((host) => ({ host, port })),
    );
  }
  await mkdir(unixDomainSocket, { recursive: true });
  const sockets = ["http", "grpc"].map((name) =>
    join(unixDomainSocket, `dapr-${appId}-${name}.socket`),
  );
  return sockets.map((socket) => ({ socket }));
}

/** Inputs stop at once; outputs go on for the time. */
async function blockShutdown(milliseconds: number, runtime: Runtime): Promise<void> {
  await Promise.all([
    runtime.drain(Math.min(milliseconds, longestTimer)),
    new Promise((resolve) => setTimeout(resolve, Math.min(milliseconds, longestTimer))),
  ]);
}

function logProblem(logger: RuntimeLogger, problem: ResourceProblem): void {
  logger[problem.severity === "error" ? "error" : "warn"]({}, formatProblem(problem));
}
