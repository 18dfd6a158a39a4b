import { createServer, connect } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startProxy } from "./proxy.ts";
import type { Proxy } from "./proxy.ts";

let echo: Server;
let proxy: Proxy;
const clients: Socket[] = [];
/** The server's ends of the connections. */
const ends: Socket[] = [];

beforeEach(async () => {
  ends.length = 0;
  echo = createServer((socket) => {
    ends.push(socket);
    socket.on("error", () => {}).pipe(socket);
  });
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  proxy = await startProxy({ host: "127.0.0.1", port: (echo.address() as AddressInfo).port });
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy[Symbol.asyncDispose]();
  await new Promise((resolve) => echo.close(resolve));
});

describe("proxy", () => {
  test("forwards both ways, large and in order, to the last byte of a half-closed connection", async () => {
    const client = await open();
    const sent = Buffer.alloc(3_000_000, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
    const received: Buffer[] = [];
    client.on("data", (chunk: Buffer) => received.push(chunk));
    client.end(sent);
    await once(client, "end");
    expect(Buffer.concat(received).equals(sent)).toBe(true);
  });

  test("cuts what is open, and serves new connections", async () => {
    const client = await open();
    expect(await roundTrip(client, "one")).toBe("one");
    const error = failure(client);
    proxy.cut();
    expect(await error).toBe("ECONNRESET");
    expect(await roundTrip(await open(), "two")).toBe("two");
  });

  test("stalls in silence, also for new connections, and lets go when healed", async () => {
    const client = await open();
    await roundTrip(client, "one");
    proxy.stall();
    const other = await open();
    let heard = "";
    for (const each of [client, other]) each.on("data", (chunk: Buffer) => (heard += chunk));
    client.write("two");
    other.write("three");
    // A byte that passed would be back by the time that this other server's answer is.
    await using control = await startProxy({
      host: "127.0.0.1",
      port: (echo.address() as AddressInfo).port,
    });
    for (let i = 0; i < 20; i++) {
      expect(await roundTrip(await open(control), String(i))).toBe(String(i));
    }
    expect(heard).toBe("");
    proxy.heal();
    await expect.poll(() => heard.length).toBe("twothree".length);
  });

  test("leaves a client with a connection at whose other end nobody is", async () => {
    const client = await open();
    await roundTrip(client, "one");
    let ended = false;
    for (const event of ["error", "end", "close"]) client.on(event, () => (ended = true));
    const gone = new Promise((resolve) => ends.at(-1)?.once("close", resolve));
    proxy.halfOpen();
    await gone;
    client.write("two");
    // New connections are served, so the client has had time to hear of an end.
    expect(await roundTrip(await open(), "three")).toBe("three");
    expect(ended).toBe(false);
  });

  test("adds latency in each direction and keeps the order", async () => {
    const client = await open();
    proxy.delay(60);
    const start = performance.now();
    expect(await roundTrip(client, "one")).toBe("one");
    expect(performance.now() - start).toBeGreaterThan(110);
    const all = read(client, 30);
    for (let i = 10; i < 25; i++) client.write(String(i));
    expect(await all).toBe("101112131415161718192021222324");
  });

  test("refuses until healed", async () => {
    const client = await open();
    await roundTrip(client, "one");
    const error = failure(client);
    proxy.refuse();
    expect(await error).toBe("ECONNRESET");
    const refused = connect(proxy);
    clients.push(refused);
    expect(await failure(refused)).toBe("ECONNRESET");
    proxy.heal();
    expect(await roundTrip(await open(), "two")).toBe("two");
  });

  test("resets a client whose target is down, and goes elsewhere when told", async () => {
    const client = await open();
    await roundTrip(client, "one");
    const down = await startProxy(proxy);
    const port = down.port;
    await down[Symbol.asyncDispose]();
    proxy.retarget({ host: "127.0.0.1", port });
    const lost = connect(proxy);
    clients.push(lost);
    expect(await failure(lost)).toBe("ECONNRESET");
    expect(await roundTrip(client, "two")).toBe("two");
  });

  test("counts its connections, and says when they are not as asked", async () => {
    const client = await open();
    await proxy.connected(1);
    await expect(proxy.connected(2, 20)).rejects.toThrow("1 connections after 20 ms, not 2");
    client.end();
    await proxy.connected(0);
    expect(proxy.connections).toBe(0);
  });
});

async function open(target: { host: string; port: number } = proxy): Promise<Socket> {
  const socket = connect({ host: target.host, port: target.port, noDelay: true });
  clients.push(socket);
  await once(socket, "connect");
  return socket;
}

async function roundTrip(socket: Socket, text: string): Promise<string> {
  const answer = read(socket, text.length);
  socket.write(text);
  return answer;
}

function read(socket: Socket, length: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.on("data", function take(chunk: Buffer) {
      text += chunk.toString("latin1");
      if (text.length < length) return;
      socket.off("data", take);
      resolve(text);
    });
    socket.once("error", reject);
  });
}

function failure(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
  });
}
