import type { MemoryBudget } from "../memory/budget.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import { ConsoleAssets } from "../server/console/assets.ts";
import { isLoopbackAddress } from "../server/callers.ts";
import {
  createConsoleServer,
  type ConsoleDaemon,
  type ConsoleServer,
} from "../server/console/console-server.ts";
import type { TlsMaterial } from "../server/tls-files.ts";
import { version } from "../version.ts";
import { consoleUrl, takeTokens } from "./console-access.ts";
import type { ConsolePlace } from "./console-options.ts";

export { Sampler } from "../runtime/watch/sampler.ts";

export type ServeConsoleOptions = {
  readonly place: ConsolePlace;
  readonly tls?: TlsMaterial | undefined;
  readonly allowedHosts: readonly string[];
  readonly maxBodySize?: number;
  readonly memory?: MemoryBudget;
  readonly logger: RuntimeLogger;
  readonly daemons: readonly ConsoleDaemon[];
};

/**
 * Serves the console. A token that was made for it is printed once, in a link, on standard error: the log may go where others read
 * it.
 */
export async function serveConsole(options: ServeConsoleOptions): Promise<ConsoleServer> {
  const { place, tls, allowedHosts, maxBodySize, memory, logger, daemons } = options;
  const { isNew, ...tokens } = takeTokens(process.env);
  const server = await createConsoleServer({
    ...{ tokens, daemons, version, tls },
    assets: await ConsoleAssets.load(),
    address: {
      ...{ ...place, listener: "console" },
      flags: { place: "--console-port", host: "--console-listen-address" },
    },
    // Whoever listens on a name means it.
    allowedHosts: [...allowedHosts, place.host],
    ...(maxBodySize !== undefined && { maxBodySize }),
    ...(memory && { memory }),
    onRefused: (message) => logger.warn({}, message),
  });
  const url = consoleUrl({ ...place, port: server.port }, tls !== undefined);
  logger.info({ url }, "the console listens");
  if (tls === undefined && place.host !== "localhost" && !isLoopbackAddress(place.host))
    logger.warn(
      { host: place.host },
      "the console's token and all that it shows pass over the network without TLS; say --tls-cert and --tls-key, or listen on 127.0.0.1",
    );
  if (isNew) process.stderr.write(`Console: ${url}#token=${tokens.full}\n`);
  return server;
}
