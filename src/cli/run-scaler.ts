import { bindingModules } from "../bindings/modules.ts";
import { namesWithBacklog } from "../scaler/with-backlog.ts";
import { MemoryBudget } from "../memory/budget.ts";
import { scalerServices } from "../rpc/scaler-services.ts";
import { BindingCatalogue } from "../runtime/binding-catalogue.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import { ComponentTypes } from "../runtime/component-types.ts";
import { Scaler } from "../scaler/scaler.ts";
import { createHttpEndpoints } from "../server/http-endpoints.ts";
import { createScalerServer } from "../server/scaler-server.ts";
import { stateStores } from "../states/index.ts";
import { withDeclarations } from "./declarations.ts";
import { openCluster } from "./mode-options.ts";
import { openOwnBindings } from "./own-bindings.ts";
import { serveUntilSignalled, type Signalled } from "./process-signals.ts";
import { Reloader } from "./reloader.ts";
import type { ScalerFlags } from "./scaler.ts";
import { createServeLogger } from "./serve-log.ts";
import { ServerCertificate } from "./server-certificate.ts";

/** How long calls may go on at the end, in milliseconds. Streams end at once. */
const farewell = 2_000;
/** Components are compared with it, of which nothing is served here. */
const anyBodySize = Number.MAX_SAFE_INTEGER;

/** Serves until it is told to end. Resolves to the exit code. */
export function runScaler(flags: ScalerFlags): Promise<number> {
  return serveUntilSignalled(() => startScaler(flags, createServeLogger(flags)));
}

/** Resolves once the components were read. */
export async function startScaler(
  flags: ScalerFlags,
  logger: RuntimeLogger,
): Promise<Signalled & { readonly port: number }> {
  const { appId, driversFolder, allowExec, timeout, maxAge, interval } = flags;
  const own = await openOwnBindings(flags.bindings, (problem) =>
    logger.error({ problem }, "a package with a binding cannot be used"),
  );
  const catalogue = new BindingCatalogue(withDeclarations(bindingModules), {
    loaded: own.loaded,
    find: () => own.find(),
  });
  const cluster = flags.kubernetes && (await openCluster(flags.kubernetes, appId, logger));
  const memory = new MemoryBudget();
  const scaler = new Scaler({
    ...{ appId, driversFolder, allowExec, timeout, maxAge, logger, memory },
    types: new ComponentTypes(catalogue.loaded, stateStores),
    typesWithBacklog: namesWithBacklog.map((name) => `bindings.${name}`),
    http: createHttpEndpoints(memory),
    namespace: cluster?.namespace,
  });
  const { tlsCert: cert, tlsKey: key, tlsKeyPassphraseFile: passphrase } = flags;
  const certificate =
    cert === undefined || key === undefined
      ? undefined
      : await ServerCertificate.load({ cert, key, passphrase }, logger);
  const reloader = await Reloader.create({
    ...{ appId, resourcesPaths: flags.resourcesPaths, configPaths: flags.configPaths, logger },
    ...{ bindings: catalogue.loaded, needBindings: catalogue.need.bind(catalogue) },
    ...{ cluster, driversFolder, maxBodySize: anyBodySize },
    apply: async (components, findings = { problems: [], refused: false }) =>
      scaler.apply(components, findings),
    onLoaded: () => undefined,
  });
  const closing = new AbortController();
  const server = await createScalerServer({
    addresses: flags.listenAddresses.map((host) => ({
      ...{ host, port: flags.port, listener: "scaler" },
      flags: { place: "--port", host: "--listen-addresses" },
    })),
    services: scalerServices({
      ...{ scaler, interval, closing: closing.signal },
      onUnknown: (object, reason) =>
        logger.warn({ object, reason }, "nobody knows at the moment whether there is work"),
    }),
    ...{ tls: certificate?.material, memory, isReady: () => scaler.ready },
  }).catch((error: unknown) => {
    reloader.close();
    throw error;
  });
  await certificate?.watch((tls) => server.setTls(tls));
  const { promise: ended, resolve } = Promise.withResolvers<number>();
  let isEnding = false;
  logger.info(
    { on: flags.listenAddresses, port: server.ports[0], tls: certificate !== undefined },
    "the scaler listens",
  );
  await reloader.start();
  logger.info({}, "ready: the components were read");
  return {
    ...{ logger, ended, port: server.ports[0] ?? 0 },
    runtime: { blame: () => false },
    reload: () => reloader.reload(),
    shuttingDown: () => isEnding,
    end(why, exitCode = 0) {
      if (isEnding) return;
      isEnding = true;
      logger.info({ why }, "ending");
      closing.abort();
      reloader.close();
      certificate?.close();
      void server
        .close(farewell)
        .then(() => scaler.close())
        .finally(() => resolve(exitCode));
    },
  };
}
