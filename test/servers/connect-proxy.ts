import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { listen } from "../bindings/http/loopback-server.ts";

export type ConnectProxy = AsyncDisposable & {
  readonly port: number;
  /** The hosts and ports that were asked for, in their order, and what proved who asks. */
  readonly asked: { readonly target: string; readonly proof: string | undefined }[];
  /** What is done from now on with who asks: led to that port of this machine, answered with a status, cut, left waiting. */
  act: "lead" | "cut" | "hang" | number;
};

/**
 * An HTTP proxy that takes `CONNECT` alone, and leads to ports of this machine, whatever host is asked for. `leadsTo`:
 * the one port; default: the port that is asked for.
 */
export async function startConnectProxy(leadsTo?: number): Promise<ConnectProxy> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => socket.destroy());
  };
  const server = createServer((_request, response) => void response.writeHead(405).end());
  server.on("connection", keep);
  server.on("connect", ({ url = "", headers }, socket: Socket, head: Buffer) => {
    proxy.asked.push({ target: url, proof: headers["proxy-authorization"] });
    const { act } = proxy;
    if (act === "hang") return;
    if (act === "cut") return void socket.resetAndDestroy();
    // As some proxies do, it tells what it was sent.
    const proof = headers["proxy-authorization"] ?? "";
    if (act !== "lead") return void socket.end(`HTTP/1.1 ${act} ${proof}\r\n\r\n${proof}`);
    const upstream = connect(leadsTo ?? Number(url.split(":").at(-1)), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    keep(upstream);
  });
  const port = await listen(server);
  const proxy: ConnectProxy = {
    ...{ port, asked: [], act: "lead" },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return proxy;
}
