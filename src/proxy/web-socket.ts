import type { ClientRequestArgs } from "node:http";
import { isIP } from "node:net";
import { connect, type ConnectionOptions } from "node:tls";
import { tlsProxyFor } from "./rules.ts";
import { openTunnel } from "./tunnel.ts";

/**
 * What a WebSocket to a `wss://` URL is opened with: nothing, or the connection that the environment's proxy has made. To
 * `ws://`, which no proxy need be able to carry, it is always nothing. Rejects with a `ProxyError`.
 */
export async function webSocketCarrier(
  url: string,
  signal: AbortSignal,
): Promise<Pick<ClientRequestArgs, "createConnection">> {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== "wss:") return {};
  const target = { host: hostname.replaceAll(/[[\]]/g, ""), port: Number(port) || 443 };
  const proxy = tlsProxyFor(target.host, target.port);
  if (proxy === undefined) return {};
  const socket = await openTunnel(proxy, target, signal);
  const servername = isIP(target.host) === 0 ? target.host : "";
  return {
    // Of the request, those of TLS count; its path is none of a socket.
    createConnection: (options) =>
      connect({
        ...(options as ConnectionOptions),
        ...{ socket, path: undefined, host: target.host, servername },
      }),
  };
}
