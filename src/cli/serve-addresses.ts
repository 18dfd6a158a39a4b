import { mkdir } from "node:fs/promises";
import { BindingError, messageOf } from "../errors.ts";
import type { CallerRules } from "../server/callers.ts";
import type { Address } from "../server/listener.ts";
import { socketOf } from "./app-environment.ts";
import type { ServeOptions } from "./serve-options.ts";

export const listeners = ["http", "grpc"] as const;

/** Where Dapr's two ports are, or their sockets. */
export async function addressesOf(options: ServeOptions): Promise<Address[]> {
  const { unixDomainSocket, appId, httpPort, grpcPort } = options;
  if (unixDomainSocket === undefined) {
    return listeners.flatMap((listener) =>
      options.listenAddresses.map((host) => ({
        ...{ host, listener },
        flags: { place: `--dapr-${listener}-port`, host: "--dapr-listen-addresses" },
        port: listener === "http" ? httpPort : grpcPort,
      })),
    );
  }
  await makeFolder(unixDomainSocket);
  return listeners.map((listener) => ({
    socket: socketOf(unixDomainSocket, appId, listener),
    flags: { place: "--unix-domain-socket" },
    listener,
  }));
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    const text = `the folder of --unix-domain-socket cannot be made: ${messageOf(error)}`;
    throw new BindingError("unavailable", text, { effect: "unsent", cause: error });
  }
}

/** Which web pages may call, and by which names. */
export function callerRules({
  callers: { allowOrigins, allowedHosts },
  listenAddresses,
}: Pick<ServeOptions, "callers" | "listenAddresses">): CallerRules {
  // Whoever listens on a name means it.
  return { allowedOrigins: allowOrigins, allowedHosts: [...allowedHosts, ...listenAddresses] };
}
