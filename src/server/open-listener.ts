import type { Server } from "node:net";
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type Server as TlsServer,
} from "node:tls";
import { bind, listen, silence, tcpKeepAlive, type Address } from "./listener.ts";
import type { ProtocolServers } from "./protocols.ts";
import type { TlsMaterial } from "./tls-files.ts";

/** Listens on one address, in cleartext or, with a certificate, by TLS. Rejects with a `BindingError` that names it. */
export async function openListener(
  address: Address,
  protocols: ProtocolServers,
  tls: TlsMaterial | undefined,
): Promise<Server | TlsServer> {
  return tls === undefined ? listen(address, protocols) : listenTls(address, tls, protocols);
}

export function secureOptions(tls: TlsMaterial): SecureContextOptions {
  return { ...tls, minVersion: "TLSv1.2" };
}

async function listenTls(
  address: Address,
  tls: TlsMaterial,
  protocols: ProtocolServers,
): Promise<Server> {
  const server = createTlsServer(
    {
      ...secureOptions(tls),
      ...tcpKeepAlive,
      ALPNProtocols: ["h2", "http/1.1"],
      handshakeTimeout: silence,
      noDelay: true,
    },
    (socket) => {
      if (socket.alpnProtocol === "h2") protocols.acceptHttp2(socket);
      else protocols.acceptHttp1(socket);
    },
  );
  server.on("tlsClientError", (_, socket) => socket.destroy());
  await bind(server, address);
  return server;
}

/** What it listens on; 0 where that is a socket. */
export function portOf(server: Server): number {
  const address = server.address();
  return address !== null && typeof address === "object" ? address.port : 0;
}
