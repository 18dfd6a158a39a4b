import { createServer } from "node:http";
import { createChannel, createSession } from "better-sse";
import { describe, expect, test, vi } from "vitest";
import sse from "../../../src/bindings/sse/index.ts";
import { handled, refused } from "../../runtime/fake-app.ts";
import { startProxy } from "../../servers/proxy.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { endAfterTest, read } from "../contract.ts";
import { listen, startLoopback } from "../http/loopback-server.ts";
import { openInput } from "../opened-input.ts";
import { EventServer } from "./event-server.ts";

const soon = { timeout: 15_000, interval: 5 };

const start = (url: string, more: Record<string, string> = {}, store?: MemoryStore) =>
  read(
    { binding: sse },
    { properties: { url, reconnectDelay: "100ms", ...more }, ...(store ? { store } : {}) },
  );

const isConnected = (server: EventServer) =>
  vi.waitFor(() => expect(server.connections).toBe(1), soon);

describe("where it goes on", () => {
  test("after a cut behind the last event that came, after a restart behind the last one handled", async () => {
    const server = await EventServer.start();
    const store = new MemoryStore();
    const answer = (text: string) => (text === "2" ? refused() : handled);
    const place = { properties: { url: server.url }, store };
    const first = await read({ binding: sse }, place, answer);
    await isConnected(server);
    for (const text of ["1", "2", "3"]) server.send(text);
    await vi.waitFor(() => expect(first.status().handled).toBe(2), soon);
    server.end();
    await vi.waitFor(() => expect(server.requests).toHaveLength(2), soon);
    expect(server.requests[1]?.["last-event-id"]).toBe("3");
    server.send("4");
    await vi.waitFor(() => expect(first.status().handled).toBe(3), soon);
    await first.runtime.close();
    const second = await read({ binding: sse }, place);
    await vi.waitFor(() => expect(second.app.texts).toEqual(["2"]), soon);
    expect(server.requests.at(-1)?.["last-event-id"]).toBe("1");
    await vi.waitFor(() => expect(second.status().handled).toBe(1), soon);
    await second.runtime.close();
    const third = await read({ binding: sse }, place);
    await isConnected(server);
    expect(server.requests.at(-1)?.["last-event-id"]).toBe("4");
    server.send("5");
    await vi.waitFor(() => expect(third.app.texts).toEqual(["5"]), soon);
  });

  test("the first time lastEventId says, and later the checkpoint", async () => {
    const server = await EventServer.start();
    for (const text of ["1", "2"]) server.send(text);
    const store = new MemoryStore();
    const first = await start(server.url, { lastEventId: "1" }, store);
    await vi.waitFor(() => expect(first.status().handled).toBe(1), soon);
    expect(first.app.texts).toEqual(["2"]);
    await first.runtime.close();
    const second = await start(server.url, { lastEventId: "1" }, store);
    await isConnected(server);
    expect(server.requests.at(-1)?.["last-event-id"]).toBe("2");
    await second.runtime.close();
    // Another stream under the same name.
    const third = await start(`${server.url}?other`, { lastEventId: "1" }, store);
    await isConnected(server);
    expect(server.requests.at(-1)?.["last-event-id"]).toBe("1");
    expect(JSON.stringify(third.lines)).toContain("checkpoint of another source");
  });

  test("without a checkpoint startFrom says, unless lastEventId does", async () => {
    const server = await EventServer.start();
    for (const text of ["1", "2"]) server.send(text);
    const store = new MemoryStore();
    const oldest = await start(server.url, { startFrom: "oldest" }, store);
    await vi.waitFor(() => expect(oldest.app.texts).toEqual(["1", "2"]), soon);
    await vi.waitFor(() => expect(oldest.status().handled).toBe(2), soon);
    expect(server.requests.at(-1)?.["last-event-id"]).toBe("0");
    await oldest.runtime.close();
    // From then on the checkpoint says.
    const again = await start(server.url, { startFrom: "oldest" }, store);
    await isConnected(server);
    expect(server.requests.at(-1)?.["last-event-id"]).toBe("2");
    await again.runtime.close();
    const newest = await start(server.url, { startFrom: "newest" });
    await isConnected(server);
    expect(server.requests.at(-1)?.["last-event-id"]).toBeUndefined();
    await newest.runtime.close();
    await start(server.url, { startFrom: "oldest", lastEventId: "1" });
    await isConnected(server);
    expect(server.requests.at(-1)?.["last-event-id"]).toBe("1");
  });

  test("an id without event moves it, an empty one takes it back", async () => {
    const server = await EventServer.start();
    const { app } = await start(server.url);
    await isConnected(server);
    server.write("id: seven\n\n");
    server.end();
    await vi.waitFor(() => expect(server.requests[1]?.["last-event-id"]).toBe("seven"), soon);
    await isConnected(server);
    server.write("id\ndata: x\n\n");
    await vi.waitFor(() => expect(app.texts).toEqual(["x"]), soon);
    server.end();
    await vi.waitFor(() => expect(server.requests).toHaveLength(3), soon);
    expect(server.requests[2]?.["last-event-id"]).toBeUndefined();
  });

  test("events without ids come, are not kept, and that is told", async () => {
    const server = await EventServer.start();
    const store = new MemoryStore();
    const { app, status } = await start(server.url, {}, store);
    await isConnected(server);
    for (let n = 0; n < 3; n++) server.write(`data: ${n}\n\n`);
    await vi.waitFor(() => expect(app.texts).toEqual(["0", "1", "2"]), soon);
    expect(status().reason).toContain("events without ids");
    expect(app.deliveries[0]?.id ?? "").not.toBe("0");
    expect(store.kept.size).toBe(0);
  });

  test("ids of any kind are sent again whole, or not taken", async () => {
    for (const id of [
      "grün",
      "a b",
      `"'<>%`,
      "x".repeat(4096),
      "../..",
      "a\tb",
      "x".repeat(5000),
    ]) {
      const server = await EventServer.start();
      const { runtime } = await start(server.url);
      await isConnected(server);
      server.write(`id: ${id}\ndata: x\n\n`);
      server.end();
      await vi.waitFor(() => expect(server.requests).toHaveLength(2), soon);
      const sent = server.requests[1]?.["last-event-id"];
      const isTaken = id.length <= 4096 && !id.includes("\t");
      expect(sent).toBe(isTaken ? Buffer.from(id).toString("latin1") : undefined);
      await runtime.close();
    }
  });
});

describe("what comes", () => {
  test("types are metadata, and can be chosen", async () => {
    const server = await EventServer.start();
    const store = new MemoryStore();
    const { app, status, runtime } = await start(server.url, { eventTypes: "a, message" }, store);
    await isConnected(server);
    for (const type of ["a", "b", "A"]) server.send(type, { type });
    server.send("none");
    server.send("last", { type: "b" });
    await vi.waitFor(() => expect(status().handled).toBe(2), soon);
    expect(app.deliveries.map(({ metadata }) => metadata["eventType"])).toEqual(["a", "message"]);
    await vi.waitFor(
      () => expect(JSON.stringify([...store.kept.values()])).toContain('\\"5\\"'),
      soon,
    );
    await runtime.close();
  });

  test("nothing more is read while there is no room", async () => {
    const server = await EventServer.start();
    const gate = Promise.withResolvers<void>();
    const input = await openInput(sse, { url: server.url }, { room: () => gate.promise });
    await isConnected(server);
    const large = "x".repeat(512 * 1024);
    for (let n = 0; n < 24; n++) server.send(large);
    await input.next();
    const probe = await startLoopback();
    endAfterTest(async () => probe[Symbol.asyncDispose]());
    for (let n = 0; n < 5; n++) await (await fetch(probe.url)).text();
    expect(input.events.length).toBeLessThan(3);
    gate.resolve();
    await vi.waitFor(() => expect(input.events.length).toBe(24), soon);
  });

  test("a public library's server: ids, types, its reconnection time", async () => {
    const channel = createChannel();
    const seen: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      void createSession(request, response, { retry: 100, keepAlive: 50 }).then((session) => {
        seen.push(session.lastId);
        channel.register(session);
      });
    });
    const port = await listen(server);
    endAfterTest(() => {
      server.closeAllConnections();
      server.close();
    });
    const { app } = await start(`http://127.0.0.1:${port}`);
    await vi.waitFor(() => expect(channel.sessionCount).toBe(1), soon);
    channel.broadcast({ text: "é\n\u2028" }, "created", { eventId: "a1" });
    await vi.waitFor(
      () => expect(app.texts).toEqual([JSON.stringify({ text: "é\n\u2028" })]),
      soon,
    );
    expect(app.deliveries[0]?.metadata).toMatchObject({ eventType: "created", lastEventId: "a1" });
    server.closeAllConnections();
    await vi.waitFor(() => expect(seen).toHaveLength(2), soon);
    expect(seen).toEqual(["", "a1"]);
  });
});

describe("failures", () => {
  test.each<[string, EventServer["intercept"], Record<string, string>, string]>([
    [
      "401",
      (_q, response) => !!response.writeHead(401).end("s3cret"),
      {},
      "received status code 401",
    ],
    ["another type", (_q, response) => !!response.end("s3cret"), {}, "has no content type"],
    [
      "HTML",
      (_q, response) => !!response.writeHead(200, { "content-type": "text/html" }).end("s3cret"),
      {},
      '"text/html", not text/event-stream',
    ],
    ["no answer", () => true, { idleTimeout: "50ms" }, "no answer within 50ms (idleTimeout)"],
    [
      "silence",
      (_q, response) =>
        response.writeHead(200, { "content-type": "text/event-stream" }).write(": x\n"),
      { idleTimeout: "50ms" },
      "nothing has come for 50ms (idleTimeout)",
    ],
    [
      "an end at once",
      (_q, response) => !!response.writeHead(200, { "content-type": "text/event-stream" }).end(),
      {},
      "before it sent anything",
    ],
    [
      "a large event",
      (_q, response) =>
        !!response
          .writeHead(200, { "content-type": "text/event-stream" })
          .end(`data: ${"x".repeat(2000)}\n\n`),
      { maxEventSize: "1Ki" },
      "more than 1Ki (maxEventSize)",
    ],
    [
      "a line without end",
      (_q, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        return !!response.end(Buffer.alloc(5_000_000, "x"));
      },
      {},
      "more than 1Mi (maxEventSize)",
    ],
    ["a cut", (request) => !!request.socket.resetAndDestroy(), {}, "connection reset by peer"],
    [
      "another origin",
      (_q, response) => !!response.writeHead(302, { location: "http://127.0.0.1:1/x" }).end(),
      {},
      "another origin, http://127.0.0.1:1",
    ],
  ])(
    "%s is a state with its reason, until it is over",
    async (_name, intercept, more, reason) => {
      const server = await EventServer.start();
      server.intercept = intercept;
      const { app, status } = await start(server.url, more);
      await vi.waitFor(() => expect(status().state).toBe("stalled"), soon);
      expect(status().reason).toContain(reason);
      expect(status().reason).toContain("it is connected again at");
      expect(JSON.stringify(status())).not.toContain("s3cret");
      server.intercept = () => false;
      server.send("x");
      await vi.waitFor(() => expect(app.texts).toEqual(["x"]), soon);
      await vi.waitFor(
        () => expect(status()).toMatchObject({ state: "running", reason: "" }),
        soon,
      );
    },
    20_000,
  );

  test("an event that is too large is asked for ever more seldom; those before it are delivered", async () => {
    const server = await EventServer.start();
    server.intercept = (request, response) => {
      const events = request.headers["last-event-id"] === "1" ? "" : "id: 1\ndata: small\n\n";
      const large = `id: 2\ndata: ${"x".repeat(2000)}\n\n`;
      response.writeHead(200, { "content-type": "text/event-stream" });
      return !!response.end(`retry: 100\n\n${events}${large}`);
    };
    const { app, status } = await start(server.url, { maxEventSize: "1Ki" });
    await vi.waitFor(() => expect(app.texts).toEqual(["small"]), soon);
    await vi.waitFor(
      () => {
        const pause = /after (?:(\d+)ms|([\d.]+)s)$/.exec(status().reason);
        expect(Number(pause?.[1] ?? 0) + 1000 * Number(pause?.[2] ?? 0)).toBeGreaterThan(500);
      },
      { timeout: 10_000 },
    );
    expect(status().state).toBe("stalled");
    expect(app.texts).toEqual(["small"]);
  });

  test("204 ends the asking", async () => {
    const server = await EventServer.start();
    server.intercept = (_request, response) => !!response.writeHead(204).end();
    const { status } = await start(server.url);
    await vi.waitFor(() => expect(status().reason).toContain("no more events come (204)"), soon);
    expect(status().state).toBe("stalled");
    expect(server.requests).toHaveLength(1);
  });

  test("Retry-After is heeded", async () => {
    const server = await EventServer.start();
    server.intercept = (_request, response) =>
      !!response.writeHead(503, { "retry-after": "3600" }).end();
    const { status } = await start(server.url);
    await vi.waitFor(
      () => expect(status().reason).toMatch(/it is connected again at \d.+Z, after 1h$/),
      soon,
    );
  });

  test("a connection that is only half there is made anew", async () => {
    const server = await EventServer.start();
    const { hostname, port } = new URL(server.url);
    const proxy = await startProxy({ host: hostname, port: Number(port) });
    endAfterTest(async () => proxy[Symbol.asyncDispose]());
    const url = server.url.replace(port, String(proxy.port));
    const { app } = await start(url, { idleTimeout: "200ms" });
    await isConnected(server);
    proxy.halfOpen();
    await vi.waitFor(() => expect(server.connections).toBe(0), soon);
    server.send("1");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
  }, 20_000);
});

describe("credentials", () => {
  test("they stay with the first origin", async () => {
    const other = await EventServer.start();
    const server = await EventServer.start();
    server.intercept = (_request, response) =>
      !!response.writeHead(307, { location: other.url }).end();
    const { app } = await start(server.url.replace("//", "//me:secret@"), {
      ...{ "header:X-Token": "t0ken", allowOrigins: new URL(other.url).origin },
    });
    await isConnected(other);
    other.send("x");
    await vi.waitFor(() => expect(app.texts).toEqual(["x"]), soon);
    expect(server.requests[0]).toMatchObject({
      ...{ "x-token": "t0ken", authorization: `Basic ${btoa("me:secret")}` },
    });
    const { "x-token": token, authorization, referer } = other.requests[0] ?? {};
    expect([token, authorization, referer]).toEqual([undefined, undefined, undefined]);
    expect(app.deliveries[0]?.metadata["url"]).toBe(server.url);
  });

  test.each<[Record<string, string>, string]>([
    [{ url: "ftp://a.example" }, "unsupported protocol"],
    [{ "header:X-A": "a\r\nb" }, "invalid header field value"],
    [{ "header:a b": "x" }, "invalid header field name"],
    [{ allowOrigins: "https://a.example/x" }, "an origin is"],
    [{ lastEventId: "a\r\nX-Evil: 1" }, "lastEventId"],
    [{ clientCert: "-----BEGIN CERTIFICATE-----" }, "clientCert without clientKey"],
    [{ caCert: "nothing" }, "not in PEM"],
  ])("%j is refused", async (more, reason) => {
    const properties = { url: "http://127.0.0.1:1", ...more };
    await expect(openInput(sse, properties)).rejects.toThrow(reason);
  });
});
