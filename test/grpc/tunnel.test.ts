import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { openTunnel } from "../../src/grpc/tunnel.ts";
import { listen } from "../bindings/http/loopback-server.ts";
import { reservePort } from "../servers/ports.ts";

const sockets = new Set<Socket>();

/** A server that does this with each connection. */
async function serve(listener: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    listener(socket);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return listen(server);
}

/** What comes first; it is paused until somebody reads. */
async function firstOf(socket: Socket): Promise<string> {
  const first = once(socket, "data") as Promise<[Buffer]>;
  socket.resume();
  return (await first)[0].toString();
}

const signal = (): AbortSignal => AbortSignal.timeout(10_000);

test("what is said at either end arrives at the other", async () => {
  const asked: { url: string | undefined; proof: string | undefined }[] = [];
  const echo = await serve((socket) => void socket.pipe(socket));
  const proxy = createHttpServer();
  proxy.on("connect", ({ url, headers }, socket: Socket) => {
    asked.push({ url, proof: headers["proxy-authorization"] });
    const upstream = connect(echo, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\nX-Own: a\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    sockets.add(socket).add(upstream);
  });
  onTestFinished(() => void proxy.close());
  const port = await listen(proxy);
  const url = `http://shop:hu%2Fsh@127.0.0.1:${port}`;
  const socket = await openTunnel(url, "api.example", 443, signal());
  sockets.add(socket);
  socket.write("hello");
  expect(await firstOf(socket)).toBe("hello");
  const proof = `Basic ${Buffer.from("shop:hu/sh").toString("base64")}`;
  expect(asked).toEqual([{ url: "api.example:443", proof }]);
});

test("what follows the proxy's answer at once is not lost", async () => {
  const port = await serve((socket) => void socket.end("HTTP/1.1 200 OK\r\n\r\nand more"));
  const socket = await openTunnel(`http://127.0.0.1:${port}`, "::1", 443, signal());
  expect(await firstOf(socket)).toBe("and more");
});

describe("a proxy that", () => {
  test.each([
    ["refuses", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy refuses: 407"],
    ["speaks no HTTP", "SSH-2.0-x\r\n\r\n", "the proxy refuses: what it says is no HTTP"],
    ["talks without end", "HTTP/1.1 200 OK\r\n".padEnd(20_000, "x"), "the proxy refuses: 200"],
  ])("%s", async (_, answer, message) => {
    const port = await serve((socket) => void socket.write(answer));
    const opening = openTunnel(`http://127.0.0.1:${port}`, "api.example", 443, signal());
    await expect(opening).rejects.toThrow(message);
  });

  test("hangs up", async () => {
    const port = await serve((socket) => void socket.once("data", () => socket.destroy()));
    const opening = openTunnel(`http://127.0.0.1:${port}`, "api.example", 443, signal());
    await expect(opening).rejects.toThrow(/the proxy ended the connection|ECONNRESET/);
  });

  test("is not there", async () => {
    const url = `http://127.0.0.1:${await reservePort()}`;
    await expect(openTunnel(url, "api.example", 443, signal())).rejects.toThrow("ECONNREFUSED");
  });

  test("says nothing until the signal is aborted", async () => {
    const heard = Promise.withResolvers<void>();
    const port = await serve((socket) => void socket.once("data", () => heard.resolve()));
    const gone = new AbortController();
    const url = `http://127.0.0.1:${port}`;
    const opening = openTunnel(url, "api.example", 443, gone.signal);
    await heard.promise;
    gone.abort();
    await expect(opening).rejects.toThrow("the proxy did not connect in time");
  });

  test.each(["ftp://127.0.0.1:1", "nothing"])("is %s", async (url) => {
    const opening = openTunnel(url, "api.example", 443, signal());
    await expect(opening).rejects.toThrow("the proxy is no http or https URL");
  });
});
