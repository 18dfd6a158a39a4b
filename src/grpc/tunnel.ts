import net from "node:net";
import tls from "node:tls";

/** A longer head of an answer is none of a proxy. */
const longestHead = 16 * 1024;
const endOfHead = "\r\n\r\n";

/**
 * Resolves to a connection, paused, to a host through an HTTP proxy (`CONNECT`), whose URL may name a user. Rejects with an
 * error that quotes nothing of the URL where the proxy is none, refuses, or the signal is aborted.
 */
export async function openTunnel(
  proxy: string,
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<net.Socket> {
  const url = URL.parse(proxy);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new Error("the proxy is no http or https URL");
  const isSecure = url.protocol === "https:";
  const address = url.hostname.replaceAll(/[[\]]/g, "");
  const where = { host: address, port: Number(url.port) || (isSecure ? 443 : 80), noDelay: true };
  const socket = isSecure
    ? tls.connect({ ...where, ...(net.isIP(address) === 0 && { servername: address }) })
    : net.connect(where);
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`, ...proofOf(url)];
  const give = Promise.withResolvers<net.Socket>();
  let head = Buffer.alloc(0);
  const fail = (error: Error): void => {
    socket.destroy();
    give.reject(error);
  };
  const take = (bytes: Buffer): void => {
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf(endOfHead);
    if (end === -1 && head.length <= longestHead) return;
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(head.toString("latin1", 0, 64))?.[1];
    if (end === -1 || status?.startsWith("2") !== true)
      return fail(new Error(`the proxy refuses: ${status ?? "what it says is no HTTP"}`));
    socket.off("data", take);
    socket.pause();
    if (head.length > end + endOfHead.length) socket.unshift(head.subarray(end + endOfHead.length));
    give.resolve(socket);
  };
  const abort = (): void => fail(new Error("the proxy did not connect in time"));
  const closed = (): void => fail(new Error("the proxy ended the connection"));
  socket.on(isSecure ? "secureConnect" : "connect", () => {
    socket.write(lines.join("\r\n") + endOfHead);
  });
  socket.on("data", take).on("error", fail).on("close", closed);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await give.promise;
  } finally {
    signal.removeEventListener("abort", abort);
    socket.off("error", fail).off("close", closed);
  }
}

function proofOf({ username, password }: URL): string[] {
  if (username === "" && password === "") return [];
  const proof = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return [`Proxy-Authorization: Basic ${Buffer.from(proof).toString("base64")}`];
}
