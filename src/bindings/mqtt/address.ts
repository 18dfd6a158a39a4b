import { connect as connectTcp, isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { BindingError } from "../../errors.ts";
import { tlsMaterial, type TlsMaterial } from "../../tls/pem.ts";

/** Where a broker is and how it is spoken to. */
export type BrokerAddress = {
  readonly transport: "tcp" | "tls" | "ws";
  readonly host: string;
  readonly port: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** For WebSocket, without user and password. */
  readonly webSocketUrl: string;
  readonly certificates: TlsMaterial;
};

const transports: Readonly<Record<string, readonly [BrokerAddress["transport"], port: number]>> = {
  "mqtt:": ["tcp", 1883],
  "tcp:": ["tcp", 1883],
  "mqtts:": ["tls", 8883],
  "ssl:": ["tls", 8883],
  "tls:": ["tls", 8883],
  "tcps:": ["tls", 8883],
  "ws:": ["ws", 80],
  "wss:": ["ws", 443],
};

/** Reads the metadata's URL and certificates. The URL may hold a password and is never quoted. */
export function brokerAddress(
  metadata: { readonly url: string } & Parameters<typeof tlsMaterial>[0],
): BrokerAddress {
  const text = metadata.url;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const known = url === undefined ? undefined : transports[url.protocol];
  if (url === undefined || known === undefined || url.hostname === "") {
    throw new BindingError(
      "invalid_argument",
      `the metadata url is not a broker's, such as mqtt://user:password@broker:1883; it begins with one of ${Object.keys(transports).join("//, ")}//`,
    );
  }
  const [transport, defaultPort] = known;
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  return {
    transport,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? defaultPort : Number(url.port),
    username: url.username === "" ? undefined : decodeURIComponent(url.username),
    password: url.password === "" ? undefined : decodeURIComponent(url.password),
    webSocketUrl: bare.href,
    certificates: tlsMaterial(metadata),
  };
}

/** Begins to connect. The stream emits `error` when it cannot, and buffers what is written before. */
export async function dial(address: BrokerAddress): Promise<Duplex> {
  const { transport, host, port, certificates } = address;
  if (transport === "tcp") return connectTcp({ host, port, noDelay: true });
  if (transport === "tls") {
    const servername = isIP(host) ? {} : { servername: host };
    return connectTls({ host, port, ...servername, ...certificates }).setNoDelay(true);
  }
  const { WebSocket, createWebSocketStream } = await import("ws");
  const socket = new WebSocket(address.webSocketUrl, ["mqtt"], {
    ...certificates,
    perMessageDeflate: false,
  });
  return createWebSocketStream(socket);
}
