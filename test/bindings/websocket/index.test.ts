import { describe, expect, test, vi } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import websocket from "../../../src/bindings/websocket/index.ts";
import { handled, refused } from "../../runtime/fake-app.ts";
import { startProxy } from "../../servers/proxy.ts";
import { endAfterTest, read } from "../contract.ts";
import { openInput } from "../opened-input.ts";
import { allBytes, openOutput } from "../opened-output.ts";
import { accepted, frameOf, RawServer } from "./raw-server.ts";

const soon = { timeout: 15_000, interval: 5 };
const start = (url: string, more: Record<string, string> = {}) =>
  read({ binding: websocket }, { properties: { url, ...more } });
const isConnected = ({ sockets }: RawServer) =>
  vi.waitFor(() => expect(sockets.size).toBe(1), soon);

/** The server of the library. */
async function serveWs() {
  const server = new WebSocketServer({
    ...{ host: "127.0.0.1", port: 0 },
    handleProtocols: (offered) => (offered.has("orders.v2") ? "orders.v2" : false),
  });
  await new Promise((resolve) => server.once("listening", resolve));
  endAfterTest(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const received: { text: string; isBinary: boolean }[] = [];
  server.on("connection", (client: WebSocket) =>
    client.on("message", (data, isBinary) =>
      received.push({ text: (data as Buffer).toString("latin1"), isBinary }),
    ),
  );
  const send = (data: string | Uint8Array): void => {
    for (const client of server.clients) client.send(data);
  };
  const connected = () => vi.waitFor(() => expect(server.clients.size).toBe(1), soon);
  return { server, url: `ws://127.0.0.1:${port}/feed`, received, send, connected };
}

describe("as an input", () => {
  test("each byte, nothing and much come as they are, with what the connection tells", async () => {
    const { url, send, connected } = await serveWs();
    const { app, status } = await start(`${url}?token=hidden`, {
      subprotocols: "other, orders.v2",
    });
    await connected();
    const much = Buffer.alloc(2 ** 20, allBytes);
    for (const data of [allBytes, new Uint8Array(), much, "é"]) send(data);
    await vi.waitFor(() => expect(status().handled).toBe(4), soon);
    const came = app.deliveries.map(({ data }) => Buffer.from(data ?? "none"));
    expect(came[0]?.equals(allBytes)).toBe(true);
    expect(came.map(({ length }) => length)).toEqual([256, 0, 2 ** 20, 2]);
    expect(came[2]?.equals(much)).toBe(true);
    expect(app.deliveries.map(({ metadata }) => metadata)).toMatchObject([
      { messageType: "binary", url, subprotocol: "orders.v2" },
      { messageType: "binary" },
      { messageType: "binary" },
      { messageType: "text" },
    ]);
  });

  test("order holds with inOrder, under parallelism and refusals", async () => {
    const { url, send, connected } = await serveWs();
    const seen: number[] = [];
    let turn = 0;
    const { status } = await read(
      { binding: websocket },
      { properties: { url, inOrder: "true" } },
      async (text) => {
        for (let wait = ++turn % 5; wait > 0; wait--) await new Promise(setImmediate);
        if (turn % 40 === 0) return refused();
        seen.push(Number(text));
        return handled;
      },
    );
    await connected();
    for (let n = 0; n < 200; n++) send(String(n));
    await vi.waitFor(() => expect(status().handled).toBe(200), soon);
    expect(seen).toEqual(Array.from({ length: 200 }, (_, n) => n));
  });

  test("what was handled never comes again, and what is not handled is tried again here alone", async () => {
    const { url, send, connected } = await serveWs();
    let refusals = 0;
    const first = await read({ binding: websocket }, { properties: { url } }, (text) =>
      text === "odd" && ++refusals < 3 ? refused() : handled,
    );
    await connected();
    send("odd");
    send("even");
    await vi.waitFor(() => expect(first.status().handled).toBe(2), soon);
    expect(first.app.texts.toSorted()).toEqual(["even", "odd", "odd", "odd"]);
    await first.runtime.close();
    const second = await start(url);
    await connected();
    send("last");
    await vi.waitFor(() => expect(second.app.texts).toEqual(["last"]), soon);
  });

  test("opening messages are sent in order, at each connection, when reading begins", async () => {
    const server = await RawServer.start();
    const { app, runtime } = await start(server.url, {
      "openingMessage:10": "third",
      "openingMessage:9": "second",
      "openingMessage:1": "first",
    });
    await vi.waitFor(() => expect(server.texts).toEqual(["first", "second", "third"]), soon);
    server.close(1001);
    await vi.waitFor(() => expect(server.texts).toHaveLength(6), soon);
    server.send("x");
    await vi.waitFor(() => expect(app.texts).toEqual(["x"]), soon);
    await runtime.close();
    expect(server.frames.at(-1)?.opcode).toBe(8);
  });

  test("a server that restarts is connected again, and only what was sent meanwhile is lost", async () => {
    const server = await RawServer.start();
    const { app, status } = await start(server.url);
    await isConnected(server);
    server.send("1");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await server.stop();
    server.send("lost");
    await vi.waitFor(() => expect(status().state).toBe("reconnecting"), soon);
    await server.listen();
    await isConnected(server);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    server.send("2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });

  test("messages in frames, cut anywhere, with pings between them", async () => {
    const server = await RawServer.start();
    const { app } = await start(server.url);
    await isConnected(server);
    const bytes = Buffer.concat([
      frameOf(Buffer.from("gr"), 1, false),
      frameOf(Buffer.from("are you there"), 9),
      frameOf(Buffer.from([0xc3]), 0, false),
      frameOf(Buffer.from([0xbc]), 0, false),
      frameOf(Buffer.from("n"), 0),
      frameOf(Buffer.from("next"), 1),
    ]);
    for (const byte of bytes) {
      server.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    await vi.waitFor(() => expect(app.texts).toEqual(["grün", "next"]), soon);
    const pong = server.frames.find(({ opcode }) => opcode === 10);
    expect(pong?.data.toString()).toBe("are you there");
  });

  test("nothing more is read while there is no room", async () => {
    const server = await RawServer.start();
    const gate = Promise.withResolvers<void>();
    const input = await openInput(websocket, { url: server.url }, { room: () => gate.promise });
    await isConnected(server);
    const large = "x".repeat(512 * 1024);
    for (let n = 0; n < 40; n++) server.send(large);
    await input.next();
    const [socket] = server.sockets;
    // The system's buffers are full, and the rest waits at the server.
    await vi.waitFor(() => expect(socket?.writableLength).toBeGreaterThan(5_000_000), soon);
    expect(input.events.length).toBeLessThan(3);
    gate.resolve();
    await vi.waitFor(() => expect(input.events.length).toBe(40), soon);
  });
});

describe("a connection that ends", () => {
  test.each<[string, (server: RawServer) => void, string]>([
    ["1000", (server) => server.close(1000), "closed the connection with 1000 (normal closure)"],
    ["1003", (server) => server.close(1003), "1003 (unsupported data)"],
    ["1008", (server) => server.close(1008, "no\nway"), '1008 (policy violation): "no\\nway"'],
    ["1011", (server) => server.close(1011), "1011 (internal error)"],
    ["3000", (server) => server.close(3000), "3000 (unauthorized)"],
    ["4001", (server) => server.close(4001, "own"), 'with 4001: "own"'],
    ["no code", (server) => server.send("", 8), "1005 (no code)"],
    [
      "a cut",
      (server) => server.sockets.forEach((socket) => socket.resetAndDestroy()),
      "1006 (no closing handshake)",
    ],
    [
      "an end",
      (server) => server.sockets.forEach((socket) => socket.end()),
      "1006 (no closing handshake)",
    ],
    [
      "a large message",
      (server) => server.send("x".repeat(2000)),
      "larger message than maxMessageSize",
    ],
    [
      "fragments that grow",
      (server) => {
        for (let n = 0; n < 20; n++) server.send("x".repeat(100), n === 0 ? 1 : 0, false);
      },
      "larger message than maxMessageSize",
    ],
    [
      "a masked frame",
      (server) => server.write(Buffer.of(0x81, 0x80, 0, 0, 0, 0)),
      "MASK must be clear",
    ],
    ["no UTF-8", (server) => server.send(Buffer.of(0xff), 1), "invalid UTF-8"],
    ["a reserved opcode", (server) => server.send("", 5), "invalid opcode"],
    [
      "compression that was not agreed on",
      (server) => server.write(Buffer.of(0xc1, 0)),
      "RSV1 must be clear",
    ],
    [
      "a half-open ping",
      (server) => void (server.answersPings = false),
      "not answered a ping within 50ms",
    ],
  ])("%s is a reason", async (_name, end, reason) => {
    const server = await RawServer.start();
    const { status, lines } = await start(server.url, {
      ...{ maxMessageSize: "1Ki", pingInterval: "50ms", pingTimeout: "50ms" },
    });
    await isConnected(server);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    end(server);
    await vi.waitFor(
      () => expect(JSON.stringify(lines)).toContain(JSON.stringify(reason).slice(1, -1)),
      soon,
    );
    // It is connected again.
    server.answersPings = true;
    await vi.waitFor(() => expect(server.heads.length).toBeGreaterThan(1), soon);
  });

  test.each<[string, RawServer["answer"], string]>([
    [
      "401",
      () => "HTTP/1.1 401 No\r\nContent-Length: 6\r\n\r\ns3cret",
      "refuses the WebSocket: 401 Unauthorized",
    ],
    ["503", () => "HTTP/1.1 503 No\r\nRetry-After: 5\r\n\r\n", "refuses the WebSocket: 503"],
    ["a redirect", () => "HTTP/1.1 302 No\r\nLocation: ws://127.0.0.1:1/\r\n\r\n", "302 Found"],
    ["200", () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "refuses the WebSocket: 200"],
    ["a wrong key", () => accepted("another"), "Sec-WebSocket-Accept"],
    [
      "another subprotocol",
      (key) => accepted(key, "Sec-WebSocket-Protocol: c\r\n"),
      "invalid subprotocol",
    ],
    ["no subprotocol", (key) => accepted(key, ""), "no subprotocol"],
    ["nonsense", () => "nonsense\r\n\r\n", "Parse Error"],
  ])("a handshake answered with %s fails", async (_name, answer, reason) => {
    const server = await RawServer.start();
    server.answer = answer;
    const { status } = await start(server.url, { subprotocols: "a, b" });
    await vi.waitFor(() => expect(status().state).toBe("reconnecting"), soon);
    expect(status().reason).toContain(reason);
    expect(JSON.stringify(status())).not.toContain("s3cret");
  });
});

describe("as an output", () => {
  test("text and binary are sent on the connection that reads", async () => {
    const { url, received, send, connected, server } = await serveWs();
    const { app, invoke } = await start(url, { direction: "input, output" });
    await connected();
    await invoke("send", "grün");
    await invoke("send", "\0bytes", { metadata: { messageType: "binary" } });
    await invoke("send");
    await vi.waitFor(() => expect(received).toHaveLength(3), soon);
    expect(received).toEqual([
      { text: Buffer.from("grün").toString("latin1"), isBinary: false },
      { text: "\0bytes", isBinary: true },
      { text: "", isBinary: false },
    ]);
    send("x");
    await vi.waitFor(() => expect(app.texts).toEqual(["x"]), soon);
    expect(server.clients.size).toBe(1);
  });

  test("alone it drops what comes, and answers pings", async () => {
    const server = await RawServer.start();
    const output = await openOutput(websocket, { url: server.url });
    endAfterTest(async () => output[Symbol.asyncDispose]());
    server.send("x".repeat(100_000));
    server.send("ping", 9);
    await vi.waitFor(
      () => expect(server.frames.some(({ opcode }) => opcode === 10)).toBe(true),
      soon,
    );
    await output.invoke("send", {}, { data: allBytes.slice(0, 128) });
    await vi.waitFor(() => expect(server.texts).toHaveLength(1), soon);
  });

  test("calls that cannot be are refused, and nothing is sent", async () => {
    const server = await RawServer.start();
    const output = await openOutput(websocket, { url: server.url, maxMessageSize: "1Ki" });
    endAfterTest(async () => output[Symbol.asyncDispose]());
    const rejected = { effect: "rejected", reason: "invalid_argument" };
    await expect(output.invoke("send", {}, { data: Buffer.of(0xff) })).rejects.toMatchObject(
      rejected,
    );
    await expect(output.invoke("send", {}, { data: "x".repeat(1025) })).rejects.toMatchObject(
      rejected,
    );
    await expect(output.invoke("send", { messageType: "json" }, { data: "x" })).rejects.toThrow(
      "messageType",
    );
    expect(server.texts).toEqual([]);
  });

  test("what is not connected is unsent, what is cut is ambiguous, and each is sent once", async () => {
    const server = await RawServer.start();
    const proxy = await startProxy({ host: "127.0.0.1", port: server.port });
    endAfterTest(async () => proxy[Symbol.asyncDispose]());
    const url = `ws://127.0.0.1:${proxy.port}/`;
    const output = await openOutput(websocket, { url, maxMessageSize: "64Mi" });
    endAfterTest(async () => output[Symbol.asyncDispose]());
    proxy.stall();
    // More than the system's buffers take.
    const cut = output.invoke("send", {}, { data: "x".repeat(32 * 1024 * 1024) });
    const gone = new AbortController();
    const cancelled = output.invoke("send", {}, { data: "late", signal: gone.signal });
    gone.abort();
    await expect(cancelled).rejects.toMatchObject({ reason: "cancelled", effect: "ambiguous" });
    proxy.cut();
    await expect(cut).rejects.toMatchObject({ reason: "unavailable", effect: "ambiguous" });
    await expect(output.lost).resolves.toMatchObject({ reason: "unavailable" });
    await expect(output.invoke("send", {}, { data: "x" })).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "unsent" },
    });
    expect(server.texts).toEqual([]);
  });

  test.each<[Record<string, string>, string]>([
    [{ url: "http://127.0.0.1:1" }, "must begin with ws:// or wss://"],
    [{ url: "ws://127.0.0.1:1/a\r\nb" }, "control character"],
    [{ "header:X-A": "a\r\nb" }, "invalid header field value"],
    [{ "header:a b": "x" }, "invalid header field name"],
    [{ "header:Sec-WebSocket-Key": "x" }, "belongs to the handshake"],
    [{ subprotocols: 'a"b' }, "cannot be offered"],
    [{ subprotocols: "a\r\nb" }, "cannot be offered"],
    [{ clientKey: "x", clientCert: "x" }, "not in PEM"],
  ])("%j is refused", async (more, reason) => {
    const properties = { url: "ws://127.0.0.1:1", ...more };
    await expect(openOutput(websocket, properties)).rejects.toMatchObject({
      message: expect.stringContaining(reason) as string,
      reason: "invalid_argument",
    });
  });

  test("the handshake has what the component says, and nothing more", async () => {
    const server = await RawServer.start();
    const url = server.url.replace("//", "//me:p%40ss@").replace("/feed", "/a b/../é?q=1#x");
    const properties = { url, "header:X-Own": "grün", subprotocols: "" };
    const output = await openOutput(websocket, properties);
    endAfterTest(async () => output[Symbol.asyncDispose]());
    const [head = ""] = server.heads;
    const lines = head.split("\r\n");
    expect(lines[0]).toMatch(/^GET \/(a%20b\/\.\.\/)?%C3%A9\?q=1 HTTP\/1\.1$/);
    expect(head).toContain(`Authorization: Basic ${btoa("me:p@ss")}`);
    expect(head).toContain(`X-Own: ${Buffer.from("grün").toString("latin1")}`);
    expect(head).not.toContain("Sec-WebSocket-Protocol");
    expect(head).not.toContain("Sec-WebSocket-Extensions");
  });
});
