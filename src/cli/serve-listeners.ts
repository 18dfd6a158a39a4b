import type { CombinedApp } from "../app/combined-app.ts";
import { formatDuration } from "../metadata/duration.ts";
import { RuntimeDescription } from "../rpc/description.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { createServer, type CufflinkServer, type ServerOptions } from "../server/server.ts";
import { version } from "../version.ts";
import { addressesOf } from "./serve-addresses.ts";
import type { ServedWorkers } from "./serve-workers.ts";
import type { ServeOptions } from "./serve-options.ts";

/** Dapr's two ports, or their sockets, and the public one. */
export async function startServer(
  options: ServeOptions,
  runtime: Runtime,
  app: CombinedApp,
  {
    features,
    workers,
    ...asked
  }: Pick<
    ServerOptions,
    "shutdown" | "operations" | "store" | "callers" | "onRefused" | "tls" | "memory"
  > & {
    features: () => readonly string[];
    /** Who listens in place of this server. */
    workers?: ServedWorkers | undefined;
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
  const server = await createServer({
    runtime,
    description,
    addresses: workers === undefined ? await addressesOf(options) : [],
    ...(workers && { beforeAccepted: () => workers.look() }),
    ...(options.publicPort === undefined
      ? {}
      : {
          publicAddresses: [
            {
              ...{ host: options.publicListenAddress, port: options.publicPort },
              flags: { place: "--dapr-public-port", host: "--dapr-public-listen-address" },
              listener: "public",
            },
          ],
        }),
    token: process.env["DAPR_API_TOKEN"],
    maxBodySize: options.maxBodySize,
    ...asked,
    subscribe: (messages) => workers?.subscribe(messages) ?? app.streams.accept(messages),
  });
  return workers === undefined ? server : workers.serveBefore(server, asked.tls);
}

/** The ports that listen; 0 where sockets do. */
export function portsOf(
  { listenAddresses, unixDomainSocket }: ServeOptions,
  { ports }: CufflinkServer,
) {
  if (unixDomainSocket !== undefined) return { httpPort: 0, grpcPort: 0 };
  // Each of the two ports has as many listeners as there are addresses.
  const [httpPort = 0] = ports;
  return { httpPort, grpcPort: ports[listenAddresses.length] ?? 0 };
}
