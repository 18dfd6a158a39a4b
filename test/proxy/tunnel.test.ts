import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { openTunnel, ProxyError } from "../../src/proxy/tunnel.ts";
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

const api = { host: "api.example", port: 443 };
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
  const socket = await openTunnel(url, api, signal());
  sockets.add(socket);
  socket.write("hello");
  expect(await firstOf(socket)).toBe("hello");
  const proof = `Basic ${Buffer.from("shop:hu/sh").toString("base64")}`;
  expect(asked).toEqual([{ url: "api.example:443", proof }]);
});

test("what follows the proxy's answer at once is not lost", async () => {
  const port = await serve((socket) => void socket.end("HTTP/1.1 200 OK\r\n\r\nand more"));
  const socket = await openTunnel(`http://127.0.0.1:${port}`, { host: "::1", port: 443 }, signal());
  expect(await firstOf(socket)).toBe("and more");
});

/** What is said of a proxy at that port, whose URL has a password or not. */
async function failureOf(port: number, user = "", given = signal()): Promise<string> {
  const url = `http://${user}127.0.0.1:${port}`;
  const error: unknown = await openTunnel(url, api, given).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ProxyError);
  const { message } = error as ProxyError;
  return message.replace(String(port), "PORT");
}

const named = "the proxy http://127.0.0.1:PORT (HTTPS_PROXY)";
const around = "or name api.example in NO_PROXY";

describe("a proxy that", () => {
  test.each([
    {
      what: "wants a password",
      ...{ user: "", status: "407 Hello" },
      said: "407 Proxy Authentication Required; put its user and password into HTTPS_PROXY, as http://USER:PASSWORD@127.0.0.1:PORT",
    },
    {
      what: "takes another password",
      ...{ user: "shop:hush@", status: "407 shop:hush" },
      said: "407 Proxy Authentication Required; correct the user and the password in HTTPS_PROXY",
    },
    {
      what: "does not allow it",
      ...{ user: "shop:hush@", status: "403 No" },
      said: "403 Forbidden; allow CONNECT to that host and port at the proxy",
    },
    {
      what: "does not reach the server",
      ...{ user: "", status: "502 No" },
      said: "502 Bad Gateway; check that the proxy can resolve and reach the host",
    },
    {
      what: "has a status of its own",
      ...{ user: "", status: "499 No" },
      said: "499; allow CONNECT to that host and port at the proxy",
    },
  ])("$what", async ({ user, status, said }) => {
    const port = await serve((socket) => void socket.write(`HTTP/1.1 ${status}\r\n\r\n`));
    expect((await failureOf(port, user)).replace(String(port), "PORT")).toBe(
      `${named} refuses to connect to api.example:443: ${said}, ${around}`,
    );
  });

  test.each([
    ["speaks no HTTP", "SSH-2.0-x\r\n\r\n"],
    ["talks without end", "HTTP/1.1 200 OK\r\n".padEnd(20_000, "x")],
  ])("%s", async (_, answer) => {
    const port = await serve((socket) => void socket.write(answer));
    const text = "gave an answer that is no HTTP; correct HTTPS_PROXY";
    expect(await failureOf(port)).toBe(`${named} ${text}`);
  });

  const cut = `ended the connection before it reached api.example:443; check that the proxy allows it, ${around}`;

  test.each([
    ["hangs up", (socket: Socket) => void socket.end()],
    ["cuts the connection", (socket: Socket) => void socket.resetAndDestroy()],
  ])("%s", async (_, act) => {
    const port = await serve((socket) => void socket.once("data", () => act(socket)));
    expect(await failureOf(port)).toBe(`${named} ${cut}`);
  });

  test("is not there", async () => {
    const failure = await failureOf(await reservePort(), "shop:hush@");
    expect(failure).toContain(`${named} cannot be reached: connect ECONNREFUSED 127.0.0.1`);
    expect(failure).toContain(`; correct HTTPS_PROXY, ${around}`);
    expect(failure).not.toContain("hush");
  });

  test("says nothing until the signal is aborted", async () => {
    const heard = Promise.withResolvers<void>();
    const port = await serve((socket) => void socket.once("data", () => heard.resolve()));
    const gone = new AbortController();
    const failure = failureOf(port, "shop:hush@", gone.signal);
    await heard.promise;
    gone.abort();
    expect(await failure).toBe(
      `${named} has not connected to api.example:443 in time; check that the proxy works, ${around}`,
    );
  });

  test.each(["ftp://127.0.0.1:1", "nothing"])("is %s", async (url) => {
    const opening = openTunnel(url, api, signal());
    await expect(opening).rejects.toThrow("HTTPS_PROXY in the environment is no http or https URL");
  });
});
