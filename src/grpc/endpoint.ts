import { resolve } from "node:path";

/** Where a gRPC server is, without how it is trusted. */
export type Endpoint = EndpointAddress & {
  /** TLS is spoken. */
  readonly secure: boolean;
  /** A path before that of each method, for gateways; empty: none. */
  readonly prefix: string;
};

export type EndpointAddress =
  | { readonly host: string; readonly port: number }
  /** The path of a Unix socket. */
  | { readonly socket: string };

/** The forms that {@link parseEndpoint} takes, for error texts and help. */
export const endpointForms = "host:port, https://host:port or unix:path";

/**
 * Reads an endpoint in the forms of gRPC and of Dapr's `DAPR_GRPC_ENDPOINT`: `host:port`, `http://`, `https://`,
 * `grpc://`, `grpcs://`, `dns:host:port`, `unix:path`, `unix:///path`, each with `?tls=true` for TLS. A relative
 * path is made absolute now. The port is 50001 when none is said, and with TLS 443. `withTls`: TLS is spoken,
 * whatever the text says. `undefined`: it is none.
 */
export function parseEndpoint(text: string, withTls = false): Endpoint | undefined {
  const { address = "", tls } = endpoint.exec(text)?.groups ?? {};
  const isSecure = withTls || tls === "true";
  const path = unixPath.exec(address)?.[1];
  if (path !== undefined) return { socket: resolve(path), secure: isSecure, prefix: "" };
  const { scheme = "", host, port = "", prefix = "" } = authority.exec(address)?.groups ?? {};
  if (host === undefined || Number(port) > 65_535 || port === "0") return undefined;
  const secure = isSecure || scheme === "https" || scheme === "grpcs";
  return {
    host: host.replace(/^\[|\]$/g, ""),
    port: Number(port || (secure ? 443 : 50_001)),
    secure,
    prefix: prefix.replace(/\/+$/, ""),
  };
}

/** The endpoint of the runtime that belongs to this process, as `cufflink run`, `dapr run` and Dapr's SDKs say it. */
export function defaultEndpoint(env: NodeJS.ProcessEnv): string {
  return env["DAPR_GRPC_ENDPOINT"] || `127.0.0.1:${env["DAPR_GRPC_PORT"] || "50001"}`;
}

/** How an endpoint's address is called: what {@link parseEndpoint} takes. */
export function formatAddress(address: EndpointAddress): string {
  if ("socket" in address) return `unix:${address.socket}`;
  return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}

const endpoint = /^(?<address>[^?#]+)(?:\?tls=(?<tls>true|false))?$/;
/** After `//` a path is absolute: what else stands there would be the name of a host. */
const unixPath = /^unix:(?:\/\/(?=\/))?(?!\/\/)(.+)$/;
const authority =
  /^(?:(?<scheme>https?|grpcs?):\/\/|dns:(?:\/\/\/)?)?(?<host>\[[0-9a-fA-F:.]+\]|[^\s:/?#@[\]]+)(?::(?<port>\d{1,5}))?(?<prefix>\/\S*)?$/;
