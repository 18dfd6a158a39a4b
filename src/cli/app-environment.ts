import { join, resolve } from "node:path";
import { formatAddress } from "../grpc/endpoint.ts";
import type { ServeOptions } from "./serve-options.ts";

/** A socket in the folder of `--unix-domain-socket`, by Dapr's name. */
export function socketOf(folder: string, appId: string, listener: "http" | "grpc"): string {
  return join(folder, `dapr-${appId}-${listener}.socket`);
}

/**
 * What an app beside the runtime finds in its environment. Dapr's two variables for endpoints are set where its two for
 * ports do not lead to the runtime, and taken away (`undefined`) elsewhere: what was inherited leads to another runtime.
 */
export function environmentOf(
  options: ServeOptions,
  ports: { readonly httpPort: number; readonly grpcPort: number },
): Record<string, string | undefined> {
  return {
    APP_ID: options.appId,
    APP_PROTOCOL: options.appProtocol,
    ...(options.appPort !== undefined && { APP_PORT: String(options.appPort) }),
    ...runtimeAddress(options, ports),
  };
}

function runtimeAddress(
  { unixDomainSocket, appId, tls, listenAddresses }: ServeOptions,
  { httpPort, grpcPort }: { readonly httpPort: number; readonly grpcPort: number },
): Record<string, string | undefined> {
  const isSecure = tls !== undefined;
  if (unixDomainSocket !== undefined) {
    const endpointOf = (listener: "http" | "grpc"): string => {
      const socket = socketOf(resolve(unixDomainSocket), appId, listener);
      return `unix:${socket}${isSecure ? "?tls=true" : ""}`;
    };
    return {
      DAPR_HTTP_PORT: undefined,
      DAPR_GRPC_PORT: undefined,
      DAPR_HTTP_ENDPOINT: endpointOf("http"),
      DAPR_GRPC_ENDPOINT: endpointOf("grpc"),
    };
  }
  const byPort = { DAPR_HTTP_PORT: String(httpPort), DAPR_GRPC_PORT: String(grpcPort) };
  const isOnLoopback = listenAddresses.some((host) => loopback.has(host));
  if (isOnLoopback && !isSecure) {
    return { ...byPort, DAPR_HTTP_ENDPOINT: undefined, DAPR_GRPC_ENDPOINT: undefined };
  }
  const host = isOnLoopback ? "127.0.0.1" : (listenAddresses[0] ?? "127.0.0.1");
  const endpoint = (port: number): string =>
    `${isSecure ? "https" : "http"}://${formatAddress({ host, port })}`;
  return {
    ...byPort,
    DAPR_HTTP_ENDPOINT: endpoint(httpPort),
    DAPR_GRPC_ENDPOINT: endpoint(grpcPort),
  };
}

/** Whoever listens on one of these is reached at 127.0.0.1. */
const loopback: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "0.0.0.0", "::"]);
