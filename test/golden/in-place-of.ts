import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, type Server, type Socket } from "node:net";
import type { RequestListener } from "node:http";
import { makeCertificates } from "../bindings/certificates.ts";
import { listen } from "../bindings/http/loopback-server.ts";

type Pair = { readonly cert: string; readonly key: string };

/** Makes the server of a stand-in that has a certificate. */
type Start<StandIn> = (
  create: (listener: RequestListener) => Server,
  scheme: "https",
) => Promise<StandIn>;

/**
 * Puts a stand-in in the place of hosts that a component of Dapr asks whatever its metadata say: by a proxy that leads
 * all who ask for one of them to it, as variables of the environment name it to both runtimes, and a certificate
 * of an authority that Dapr is told of by the environment, too, and Cufflink by `caCert`.
 */
export async function inPlaceOf<StandIn extends AsyncDisposable & { readonly port: number }>(
  hosts: readonly string[],
  start: Start<StandIn>,
  createServerOf: (pair: Pair, listener: RequestListener) => Server = createTlsServer,
) {
  const certificates = makeCertificates(hosts);
  const { cert, key } = certificates.server;
  const standIn = await start((listener) => createServerOf({ cert, key }, listener), "https");
  const sockets = new Set<Socket>();
  const proxy = createServer((_request, response) => void response.writeHead(405).end());
  proxy.on("connect", ({ url = "" }, socket: Socket, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    if (!hosts.some((host) => url === `${host}:443`)) return socket.destroy();
    const upstream = connect(standIn.port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    for (const one of [socket, upstream]) {
      sockets.add(one);
      one.on("close", () => sockets.delete(one));
    }
    return undefined;
  });
  const port = await listen(proxy);
  return {
    standIn,
    environment: { HTTPS_PROXY: `http://127.0.0.1:${port}`, SSL_CERT_FILE: certificates.caPath },
    caCert: certificates.caPath,
    async close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await standIn[Symbol.asyncDispose]();
      certificates.remove();
    },
  };
}
