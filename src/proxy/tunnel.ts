import { STATUS_CODES } from "node:http";
import net from "node:net";
import tls from "node:tls";

/** A longer head of an answer is none of a proxy. */
const longestHead = 16 * 1024;
const endOfHead = "\r\n\r\n";
const tcpKeepAlive = { keepAlive: true, keepAliveInitialDelay: 30_000 };

/** Where a proxy is to lead. */
export type Target = { readonly host: string; readonly port: number };

/** Why a proxy gave no connection: names the proxy without its user and password, and what to do next. */
export class ProxyError extends Error {
  override readonly name = "ProxyError";
}

/** What a proxy is called in messages: its URL without user, password and path. */
export function proxyName(proxy: string): string {
  const url = URL.parse(proxy);
  return url === null ? "" : `${url.protocol}//${url.host}`;
}

/**
 * Resolves to a connection, paused, to a host through an HTTP proxy (`CONNECT`), whose URL may name a user. Rejects with a
 * {@link ProxyError} where the proxy is none, cannot be reached, refuses, ends the connection, or the signal is aborted.
 */
export async function openTunnel(
  proxy: string,
  target: Target,
  signal: AbortSignal,
): Promise<net.Socket> {
  const url = URL.parse(proxy);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new ProxyError("HTTPS_PROXY in the environment is no http or https URL");
  const { host, port } = target;
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const name = `the proxy ${proxyName(proxy)} (HTTPS_PROXY)`;
  const around = `or name ${host} in NO_PROXY`;
  const socket = connect(url);
  const give = Promise.withResolvers<net.Socket>();
  let head = Buffer.alloc(0);
  let isReached = false;
  const fail = (text: string, cause?: unknown): void => {
    socket.destroy();
    give.reject(new ProxyError(`${name} ${text}`, { cause }));
  };
  const take = (bytes: Buffer): void => {
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf(endOfHead);
    if (end === -1 && head.length <= longestHead) return;
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(head.toString("latin1", 0, 64))?.[1];
    if (end === -1 || status === undefined)
      return fail("gave an answer that is no HTTP; correct HTTPS_PROXY");
    if (!status.startsWith("2"))
      return fail(`refuses to connect to ${authority}: ${refusal(Number(status), url, around)}`);
    socket.off("data", take);
    socket.pause();
    if (head.length > end + endOfHead.length) socket.unshift(head.subarray(end + endOfHead.length));
    give.resolve(socket);
  };
  const abort = (): void =>
    fail(`has not connected to ${authority} in time; check that the proxy works, ${around}`);
  const closed = (): void =>
    fail(
      `ended the connection before it reached ${authority}; check that the proxy allows it, ${around}`,
    );
  const failed = (error: Error): void => {
    if (isReached) return closed();
    fail(`cannot be reached: ${messageOf(error)}; correct HTTPS_PROXY, ${around}`, error);
  };
  socket.on(url.protocol === "https:" ? "secureConnect" : "connect", () => {
    isReached = true;
    const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`, ...proofOf(url)];
    socket.write(lines.join("\r\n") + endOfHead);
  });
  socket.on("data", take).on("error", failed).on("close", closed);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await give.promise;
  } finally {
    signal.removeEventListener("abort", abort);
    socket.off("error", failed).off("close", closed);
    // What comes of one that was given up is nobody's.
    if (socket.destroyed) socket.on("error", () => undefined);
  }
}

function connect({ protocol, hostname, port }: URL): net.Socket {
  const host = hostname.replaceAll(/[[\]]/g, "");
  const isSecure = protocol === "https:";
  const where = { host, port: Number(port) || (isSecure ? 443 : 80), noDelay: true };
  const options = { ...where, ...tcpKeepAlive };
  if (!isSecure) return net.connect(options);
  return tls.connect({ ...options, ...(net.isIP(host) === 0 && { servername: host }) });
}

/** The status in words of ours, since the proxy's own may quote what it was sent, and the remedy. */
function refusal(status: number, url: URL, around: string): string {
  const said = `${status} ${STATUS_CODES[status] ?? ""}`.trim();
  if (status === 407) {
    const remedy = isNamed(url)
      ? "correct the user and the password in HTTPS_PROXY"
      : `put its user and password into HTTPS_PROXY, as ${url.protocol}//USER:PASSWORD@${url.host}`;
    return `${said}; ${remedy}, ${around}`;
  }
  if (status >= 500)
    return `${said}; check that the proxy can resolve and reach the host, ${around}`;
  return `${said}; allow CONNECT to that host and port at the proxy, ${around}`;
}

function isNamed({ username, password }: URL): boolean {
  return username !== "" || password !== "";
}

function proofOf(url: URL): string[] {
  if (!isNamed(url)) return [];
  const proof = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return [`Proxy-Authorization: Basic ${Buffer.from(proof).toString("base64")}`];
}

/** Of several addresses of one name the last one's failure counts. */
function messageOf(error: Error): string {
  const last: unknown = error instanceof AggregateError ? error.errors.at(-1) : error;
  return last instanceof Error ? last.message : error.message;
}
