import type { BindingModule } from "../binding.ts";
import { bindingModules } from "../bindings/modules.ts";
import { MemoryBudget } from "../memory/budget.ts";
import { closest } from "../metadata/suggest.ts";
import { serveComponent, type ComponentServer } from "../pluggable/component/component-server.ts";
import { SocketsFolder } from "../pluggable/sockets-folder.ts";
import { CallerGate } from "../server/caller-gate.ts";
import { createHttpEndpoints } from "../server/http-endpoints.ts";
import { createStore } from "../store/open-store.ts";
import { stateFolder } from "../store/state-folder.ts";
import type { CheckedStore } from "../store/store.ts";
import { version } from "../version.ts";
import type { ComponentOptions } from "./component.ts";
import type { Signalled } from "./process-signals.ts";
import { createServeLogger } from "./serve-log.ts";
import { UsageError } from "./usage-error.ts";

/** Serves each type by a socket of its own. */
export async function serveComponents(options: ComponentOptions): Promise<Signalled> {
  const modules = options.types.map((type) => [type, moduleOf(type)] as const);
  const logger = createServeLogger(options);
  const { socketFolder } = options;
  const folder =
    socketFolder === undefined
      ? SocketsFolder.of(process.env)
      : new SocketsFolder(socketFolder, true);
  const memory = new MemoryBudget(options.memoryBudget, {
    onRefused({ name, used, limit }, refusals) {
      const fields = { share: name, refusals, held: `${used}B`, limit: `${limit}B` };
      logger.warn(fields, "refused: too many bytes are held; see --memory-budget");
    },
  });
  const { allowOrigins: allowedOrigins, allowedHosts } = options.callers;
  const gate = new CallerGate({ allowedOrigins, allowedHosts }, (text) => logger.warn({}, text));
  const http = createHttpEndpoints(memory, gate);
  const stores: CheckedStore[] = [];
  const servers: ComponentServer[] = [];
  const closeAll = async (deadline: number): Promise<void> => {
    await Promise.all(servers.map((one) => one.close(deadline)));
    await Promise.all(stores.map((one) => one.close()));
  };
  try {
    for (const [type, { load }] of modules) {
      const { default: binding } = await load();
      if (binding.notBuilt === true)
        throw new UsageError(`--type ${type} cannot be served: the type is known, and not built`);
      // Names of components are unique in an app, and these may be of several.
      const place = stateFolder(`${options.appId}.${type}`, options.stateDir, process.env);
      const store = createStore({ folder: place, logger: logger.child({ part: "store" }) });
      stores.push(store);
      const server = await serveComponent({
        ...{ type, binding, memory, http, store, logger: logger.child({ served: type }) },
        ...{ appId: options.appId, allowExec: options.allowExec },
        ...{ folder: folder.path, mode: options.socketMode, maxMessageSize: options.maxBodySize },
        driversFolder: options.driversFolder,
      });
      servers.push(server);
      logger.info({ type: `bindings.${type}`, socket: server.socket, version }, "serving a type");
    }
  } catch (error) {
    await closeAll(0);
    throw error;
  }
  const { promise: ended, resolve: resolveEnded } = Promise.withResolvers<number>();
  let shutdowns = 0;
  return {
    ...{ logger, ended },
    runtime: { blame: (error) => servers.some((one) => one.blame(error)) },
    shuttingDown: () => shutdowns > 0,
    end(why, exitCode = 0) {
      shutdowns++;
      if (shutdowns > 1) {
        logger.warn({ why }, "exiting now");
        return resolveEnded(1);
      }
      logger.info(
        { why },
        "shutting down: no more events are read; daprd may acknowledge those it has",
      );
      void closeAll(options.gracefulShutdown).then(
        () => {
          logger.info({}, "shutdown complete");
          resolveEnded(exitCode);
        },
        () => resolveEnded(1),
      );
    },
  };
}

function moduleOf(type: string): BindingModule {
  const namesOf = ({ name, aliases = [] }: BindingModule): string[] => [name, ...aliases];
  const found = bindingModules.find((one) => namesOf(one).includes(type));
  if (found !== undefined) return found;
  const meant = closest(type, bindingModules.flatMap(namesOf));
  const hint = meant === undefined ? "see cufflink types" : `did you mean ${meant}?`;
  throw new UsageError(`--type ${JSON.stringify(type)} is no type of a binding; ${hint}`);
}
