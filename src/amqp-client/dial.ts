import { connect as connectTcp, isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { openTunnel, proxyName } from "../proxy/tunnel.ts";
import { webSocketCarrier } from "../proxy/web-socket.ts";
import type { ServerAddress } from "./server-address.ts";

/** The subprotocol of Azure's services. */
const webSocketProtocol = "AMQPWSB10";
/** Of one message of a WebSocket, which may have several frames, in bytes. */
const largestMessage = 16 * 1024 * 1024;

/** What a server is called in messages. */
export function whereOf({ host, port, proxy, webSocketPath }: ServerAddress): string {
  const how = webSocketPath === undefined ? "" : " over a WebSocket";
  const by = proxy === undefined ? "" : `, by the proxy ${proxyName(proxy)}`;
  return `${host}:${port}${how}${by}`;
}

/**
 * Resolves to the connection that AMQP, or TLS below it, is spoken on, where it takes more than a TCP connection: a proxy or
 * a WebSocket; `undefined`: it does not. Rejects where there is none, or the signal is aborted.
 */
export async function openCarrier(
  address: ServerAddress,
  signal: AbortSignal,
): Promise<Duplex | undefined> {
  const { host, port, proxy, webSocketPath } = address;
  if (webSocketPath !== undefined) return openWebSocket(address, webSocketPath, signal);
  return proxy === undefined ? undefined : openTunnel(proxy, { host, port }, signal);
}

/** Begins to connect, on a carrier if there is one, and calls back once bytes can be sent. */
export function dial(
  { host, port, tls, webSocketPath }: ServerAddress,
  carrier: Duplex | undefined,
  connected: () => void,
): Duplex {
  if (carrier !== undefined && webSocketPath !== undefined) {
    setImmediate(connected);
    return carrier;
  }
  if (tls === undefined) return connectTcp({ host, port, noDelay: true }, connected);
  const servername = isIP(host) ? {} : { servername: host };
  const options = { host, port, ...servername, ...tls };
  if (carrier !== undefined) return connectTls({ ...options, socket: carrier }, connected);
  return connectTls(options, connected).setNoDelay(true);
}

async function openWebSocket(
  { host, port, tls }: ServerAddress,
  path: string,
  signal: AbortSignal,
): Promise<Duplex> {
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const url = `${tls === undefined ? "ws" : "wss"}://${authority}${path}`;
  const carrier = await webSocketCarrier(url, signal);
  const { createWebSocketStream, WebSocket } = await import("ws");
  const socket = new WebSocket(url, webSocketProtocol, {
    ...{ followRedirects: false, perMessageDeflate: false, maxPayload: largestMessage },
    ...{ minVersion: "TLSv1.2", ...tls, ...carrier },
  });
  const opened = Promise.withResolvers<void>();
  const giveUp = (): void => opened.reject(new Error("it does not answer"));
  socket.once("open", () => opened.resolve());
  socket.on("error", (error) => opened.reject(error));
  socket.once("unexpected-response", (request, { statusCode = 0 }) => {
    opened.reject(new Error(`it refuses the WebSocket with ${statusCode}`));
    request.destroy();
  });
  if (signal.aborted) giveUp();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    await opened.promise;
    return createWebSocketStream(socket);
  } catch (error) {
    socket.terminate();
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
