import net from "node:net";
import tls from "node:tls";
import type { EndpointAddress } from "./endpoint.ts";

export type ClientTls = {
  /** False takes whatever certificate the server shows. */
  readonly verify: boolean;
  /** PEM. The authorities that are trusted. Default: Node's. */
  readonly ca?: string | Buffer | undefined;
  /** PEM. What the client shows for itself. */
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
};

const tcpKeepAlive = { keepAlive: true, keepAliveInitialDelay: 30_000 };

/** Begins to connect to a server; `through`: a connection to it that is there already, for TLS to be spoken on. */
export function openSocket(
  address: EndpointAddress,
  secure: ClientTls | undefined,
  through?: net.Socket,
): net.Socket {
  // On a Unix socket the certificate is expected to be that of `localhost`.
  const host = "socket" in address ? "localhost" : address.host;
  const where =
    "socket" in address
      ? { path: address.socket }
      : { host, port: address.port, ...tcpKeepAlive, noDelay: true };
  if (secure === undefined) return through ?? net.connect(where);
  return tls.connect({
    ...(through === undefined ? where : { socket: through }),
    ALPNProtocols: ["h2"],
    rejectUnauthorized: secure.verify,
    ca: secure.ca,
    cert: secure.cert,
    key: secure.key,
    ...(net.isIP(host) === 0 && { servername: host }),
  });
}
