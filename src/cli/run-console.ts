import { remoteDaemon } from "../rpc/forwarding.ts";
import type { ConsoleCommandOptions } from "./console.ts";
import type { Signalled } from "./process-signals.ts";
import { serveConsole } from "./serve-console.ts";
import { createServeLogger } from "./serve-log.ts";
import { ServerCertificate } from "./server-certificate.ts";

/** How long calls may take to end, in milliseconds. */
const lastCalls = 2_000;

/** Serves the console of daemons elsewhere until it is ended. */
export async function runConsole(options: ConsoleCommandOptions): Promise<Signalled> {
  const { place, tls, ca, insecure, allowedHosts, logLevel, logAsJson } = options;
  const logger = createServeLogger({ appId: "console", logLevel, logAsJson });
  const remotes = options.daemons.map(({ name, endpoint, token }) => {
    const remote = remoteDaemon({ endpoint, ca, insecure, token });
    return { name, remote, services: async () => remote.services };
  });
  const certificate = tls && (await ServerCertificate.load(tls, logger));
  const server = await serveConsole({
    ...{ place, allowedHosts, logger, daemons: remotes },
    tls: certificate?.material,
  });
  void certificate?.watch((next) => server.setTls(next));
  const { promise: ended, resolve } = Promise.withResolvers<number>();
  let ends = 0;
  return {
    ...{ logger, ended },
    runtime: { blame: () => false },
    shuttingDown: () => ends > 0,
    end(why, exitCode = 0) {
      ends++;
      if (ends > 1) return resolve(1);
      logger.info({ why }, "shutting down");
      certificate?.close();
      for (const { remote } of remotes) remote[Symbol.dispose]();
      void server.close(lastCalls).then(() => resolve(exitCode));
    },
  };
}
