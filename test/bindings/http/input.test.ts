import { gzipSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import http from "../../../src/bindings/http/index.ts";
import { FakeApp, handled, refused } from "../../runtime/fake-app.ts";
import { component, startRuntime } from "../../runtime/fake-binding.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { endAfterTest, read } from "../contract.ts";
import { openInput } from "../opened-input.ts";
import { startLoopback, type LoopbackServer, type Responder } from "./loopback-server.ts";

const soon = { timeout: 15_000, interval: 5 };

async function serve(respond: Responder): Promise<LoopbackServer> {
  const server = await startLoopback(respond);
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return server;
}

/** A server with one JSON body, which a test replaces. */
async function serveJson(first: unknown) {
  let body = first;
  const server = await serve((_received, response) => {
    response.setHeader("content-type", "application/json");
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });
  return { server, set: (next: unknown) => void (body = next) };
}

const polled = (url: string, more: Record<string, string> = {}) => ({
  properties: { url, interval: "20ms", ...more },
});

const start = (url: string, more: Record<string, string> = {}, store?: MemoryStore) =>
  read({ binding: http }, { ...polled(url, more), ...(store ? { store } : {}) });

/** Two more polls have begun: what there was to see before was seen. */
async function afterPolls({ received }: LoopbackServer): Promise<void> {
  const before = received.length;
  await vi.waitFor(() => expect(received.length).toBeGreaterThanOrEqual(before + 3), soon);
}

describe("what is new", () => {
  test("a body is an event when it has changed, and the server is asked on condition", async () => {
    let tag = '"1"';
    const server = await serve(({ headers }, response) => {
      const isSame = headers["if-none-match"] === tag;
      response.writeHead(isSame ? 304 : 200, {
        etag: tag,
        "last-modified": "Mon, 30 Nov 2026 00:00:00 GMT",
      });
      response.end(isSame ? undefined : `body ${tag}`);
    });
    const { app, status } = await start(server.url);
    await vi.waitFor(() => expect(app.texts).toEqual(['body "1"']), soon);
    await afterPolls(server);
    tag = '"2"';
    await vi.waitFor(() => expect(app.texts).toEqual(['body "1"', 'body "2"']), soon);
    await afterPolls(server);
    tag = '"1"';
    await vi.waitFor(() => expect(app.texts).toEqual(['body "1"', 'body "2"', 'body "1"']), soon);
    const asked = server.received.map(({ headers }) => headers["if-none-match"]);
    expect(asked[0]).toBeUndefined();
    expect(asked).toContain('"1"');
    expect(server.received.at(-1)?.headers["if-modified-since"]).toContain("30 Nov 2026");
    expect(status().state).toBe("running");
  });

  test("without a validator the content tells", async () => {
    const { server, set } = await serveJson("one");
    const { app } = await start(server.url);
    await afterPolls(server);
    set("two");
    await vi.waitFor(() => expect(app.texts).toEqual(["one", "two"]), soon);
    await afterPolls(server);
    expect(app.texts).toEqual(["one", "two"]);
  });

  test("an item is new by identity and version, and numbers keep their digits", async () => {
    const { server, set } = await serveJson(
      '{"data":{"list":[{"id":9007199254740993,"at":1,"price":1.50},{"id":"b","at":1}]}}',
    );
    const { app } = await start(server.url, {
      itemsPath: "/data/list",
      ...{ idPath: "id", versionPath: "$.at", keyPath: "id" },
    });
    await vi.waitFor(() => expect(app.texts).toHaveLength(2), soon);
    expect(app.texts).toEqual(['{"id":9007199254740993,"at":1,"price":1.50}', '{"id":"b","at":1}']);
    expect(app.deliveries.map(({ id }) => id)).toEqual(["9007199254740993:1", "b:1"]);
    expect(app.deliveries[0]?.metadata).toMatchObject({ contentType: "application/json" });
    set('{"data":{"list":[{"id":"b","at":2},{"id":9007199254740993,"at":1,"note":"no other"}]}}');
    await vi.waitFor(() => expect(app.texts.slice(2)).toEqual(['{"id":"b","at":2}']), soon);
    // What left the list and comes back is new.
    set({ data: { list: null } });
    await afterPolls(server);
    set({ data: { list: [{ id: "b", at: 2 }] } });
    await vi.waitFor(() => expect(app.texts.slice(3)).toEqual(['{"id":"b","at":2}']), soon);
  });

  test("items without identity are known by content, and equal ones are counted", async () => {
    const { server, set } = await serveJson([{ a: 1 }, { a: 1 }]);
    const { app } = await start(server.url, { itemsPath: "$" });
    await vi.waitFor(() => expect(app.texts).toEqual(['{"a":1}', '{"a":1}']), soon);
    set([{ a: 1 }, { a: 2 }, { a: 1 }, { a: 1 }]);
    await vi.waitFor(() => expect(app.texts.slice(2)).toEqual(['{"a":2}', '{"a":1}']), soon);
    await afterPolls(server);
    expect(app.texts).toHaveLength(4);
  });

  test("startFrom newest delivers what comes after the first poll, whatever restarts", async () => {
    const { server, set } = await serveJson([1, 2]);
    const store = new MemoryStore();
    const more = { itemsPath: "$", startFrom: "newest" };
    const first = await start(server.url, more, store);
    await afterPolls(server);
    expect(first.app.texts).toEqual([]);
    set([1, 2, 3]);
    await vi.waitFor(() => expect(first.app.texts).toEqual(["3"]), soon);
    await first.runtime.close();
    set([1, 2, 3, 4]);
    const second = await start(server.url, more, store);
    await vi.waitFor(() => expect(second.app.texts).toEqual(["4"]), soon);
  });

  test("another source under the same name begins anew", async () => {
    const { server } = await serveJson({ a: [1], b: [1] });
    const store = new MemoryStore();
    const first = await start(server.url, { itemsPath: "/a" }, store);
    await vi.waitFor(() => expect(first.status().handled).toBe(1), soon);
    await first.runtime.close();
    const second = await start(server.url, { itemsPath: "/b" }, store);
    await vi.waitFor(() => expect(second.app.texts).toEqual(["1"]), soon);
    expect(JSON.stringify(second.lines)).toContain("checkpoint of another source");
  });

  test("a returned event comes again with the next poll, alone", async () => {
    const { server } = await serveJson([1, 2, 3]);
    const input = await openInput(http, polled(server.url, { itemsPath: "$" }).properties);
    const events = [await input.next(), await input.next(), await input.next()];
    events[0]?.settle({ outcome: "handled" });
    events[1]?.settle({ outcome: "returned", reason: "no" });
    const again = await input.next();
    expect(Buffer.from(again.data ?? []).toString()).toBe("2");
    again.settle({ outcome: "handled" });
    await afterPolls(server);
    expect(input.events).toHaveLength(4);
  });
});

/** Pages of two items, each with the cursor of the next in the way that is asked for. */
async function servePages(count: () => number, lead: "body" | "header" | "link" | "url") {
  const server = await serve(({ url = "" }, response) => {
    const parameters = new URL(url, "http://x").searchParams;
    const from = Number(parameters.get("after") ?? "0");
    const items = [];
    for (let n = from; n < Math.min(from + 2, count()); n++) items.push({ n });
    const next = from + items.length;
    const target = `/feed?keep=1&after=${next}`;
    const isFull = items.length === 2;
    if (lead === "header") response.setHeader("x-cursor", String(next));
    if (lead === "link" && isFull)
      response.setHeader(
        "link",
        `</first>; rel="first", <${target}>; title="a, \\"b\\""; rel="last next"`,
      );
    const body =
      lead === "body" ? { cursor: next } : lead === "url" && isFull ? { cursor: target } : {};
    response.end(JSON.stringify({ items, ...body }));
  });
  const ways: Record<typeof lead, Record<string, string>> = {
    body: { cursorPath: "/cursor", cursorParameter: "after" },
    header: { cursorHeader: "X-Cursor", cursorParameter: "after" },
    link: { followLinks: "true" },
    url: { cursorPath: "cursor" },
  };
  return { server, way: { itemsPath: "/items", ...ways[lead] } };
}

const numbered = (texts: readonly string[]) =>
  texts.map((text) => (JSON.parse(text) as { n: number }).n);

describe("pages", () => {
  test.each(["body", "header", "link", "url"] as const)(
    "a cursor in the %s leads on, and a restart repeats only what was not handled",
    async (lead) => {
      let count = 7;
      const { server, way } = await servePages(() => count, lead);
      const url = `${server.url}/feed?keep=1&after=0`;
      const store = new MemoryStore();
      const place = { ...polled(url, way), store };
      const first = await read({ binding: http }, place, (text) =>
        text.includes("3") || text.includes("5") ? refused() : handled,
      );
      await vi.waitFor(() => expect(first.status().handled).toBe(5), soon);
      await first.runtime.close();
      expect([...new Set(numbered(first.app.texts))]).toEqual([0, 1, 2, 3, 4, 5, 6]);
      count = 9;
      const second = await read({ binding: http }, place);
      await vi.waitFor(() => expect(numbered(second.app.texts)).toEqual([3, 5, 7, 8]), soon);
      count = 10;
      await vi.waitFor(() => expect(second.status().handled).toBe(5), soon);
      await second.runtime.close();
      const asked = server.received.length;
      const third = await read({ binding: http }, place);
      await afterPolls(server);
      expect(third.app.texts).toEqual([]);
      // It begins where the last one was: not at the first page.
      expect(server.received[asked]?.url).toMatch(/^\/feed\?keep=1&after=(8|10)$/);
    },
  );

  test("with resume: start a list is read whole each time, and what is new in it counts", async () => {
    let first = 0;
    const server = await serve(({ url = "" }, response) => {
      const page = Number(new URL(url, "http://x").searchParams.get("page") ?? "0");
      const items = [first - page * 2, first - page * 2 - 1].map((id) => ({ id }));
      response.end(JSON.stringify({ items, next: page < 2 ? page + 1 : null }));
    });
    const { app } = await start(server.url, {
      ...{ itemsPath: "items", idPath: "id", cursorPath: "next", cursorParameter: "page" },
      resume: "start",
    });
    await vi.waitFor(() => expect(app.texts).toHaveLength(6), soon);
    await afterPolls(server);
    first = 1;
    await vi.waitFor(() => expect(app.texts.slice(6)).toEqual(['{"id":1}']), soon);
  });

  test("no page is asked for while there is no room", async () => {
    const { server, way } = await servePages(() => 1000, "body");
    const gate = Promise.withResolvers<void>();
    const input = await openInput(http, polled(server.url, way).properties, {
      room: () => gate.promise,
    });
    await input.next();
    for (let probe = 0; probe < 5; probe++) await (await fetch(`${server.url}/probe`)).text();
    expect(server.received.filter(({ url }) => url !== "/probe")).toHaveLength(1);
    gate.resolve();
    await vi.waitFor(() => expect(input.events.length).toBeGreaterThanOrEqual(200), soon);
  });

  test("a poll ends after maxPages, and the next one goes on", async () => {
    const { server, way } = await servePages(() => 20, "body");
    const { app } = await start(server.url, { ...way, maxPages: "2" });
    await vi.waitFor(() => expect(numbered(app.texts).at(-1)).toBe(19), soon);
    expect(numbered(app.texts)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  test("what was returned comes again, also where all room is behind it", async () => {
    const [pages, perPage] = [13, 1_000];
    const server = await serve(({ url }, response) => {
      const page = Number(new URL(url ?? "", "http://x").searchParams.get("p") ?? 0);
      const items = Array.from({ length: perPage }, (_, n) => page * perPage + n);
      response.end(JSON.stringify({ items, next: page + 1 < pages ? String(page + 1) : null }));
    });
    const { properties } = polled(server.url, {
      ...{ itemsPath: "items", cursorPath: "next", cursorParameter: "p" },
    });
    const input = await openInput(http, properties);
    await vi.waitFor(() => expect(input.events).toHaveLength(10_000), soon);
    const [first, ...others] = input.events;
    for (const { settle } of others) settle({ outcome: "handled" });
    first?.settle({ outcome: "returned", reason: "no" });
    await vi.waitFor(() => expect(input.events.length).toBeGreaterThan(10_000), soon);
    expect(String(Buffer.from(input.events[10_000]?.data ?? []))).toBe("0");
    input.events[10_000]?.settle({ outcome: "handled" });
    await vi.waitFor(() => expect(input.events).toHaveLength(pages * perPage + 1), soon);
  });

  test("order by key holds under parallelism", async () => {
    const all = Array.from({ length: 60 }, (_, n) => ({ key: `k${n % 6}`, n }));
    const { server } = await serveJson(all);
    const seen = new Map<string, number[]>();
    let turn = 0;
    const { status, app } = await read(
      { binding: http },
      polled(server.url, { itemsPath: "$", keyPath: "key" }),
      async (text) => {
        for (let wait = ++turn % 5; wait > 0; wait--) await new Promise(setImmediate);
        if (turn % 10 === 0) return refused();
        const { key, n } = JSON.parse(text) as { key: string; n: number };
        seen.set(key, [...(seen.get(key) ?? []), n]);
        return handled;
      },
    );
    await vi.waitFor(() => expect(status().handled).toBe(60), soon);
    for (const numbers of seen.values()) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(app.most).toBe(6);
  });
});

describe("origins", () => {
  const secrets = { securityToken: "t0ken", securityTokenHeader: "X-Token", "header:X-Own": "0wn" };
  const shows = ({ received }: LoopbackServer) =>
    received.map(({ headers }) => [headers["x-token"], headers["x-own"], headers["authorization"]]);

  test.each(["redirect", "cursor", "link"])("a %s to another origin is refused", async (lead) => {
    const other = await serve((_received, response) => response.end("[1]"));
    const target = `${other.url}/page`;
    const server = await serve((_received, response) => {
      if (lead === "redirect") response.writeHead(302, { location: target });
      else response.setHeader("link", `<${target}>; rel=next`);
      response.end(JSON.stringify({ items: [], next: target }));
    });
    const ways: Record<string, Record<string, string>> = {
      redirect: {},
      cursor: { itemsPath: "items", cursorPath: "next" },
      link: { itemsPath: "items", followLinks: "true" },
    };
    const place = polled(server.url, { ...secrets, ...ways[lead] });
    const { status } = await read({ binding: http }, place);
    await vi.waitFor(() => expect(status().state).toBe("stalled"), soon);
    expect(status().reason).toContain(`another origin, ${other.url}`);
    expect(status().reason).toContain("allowOrigins");
    expect(other.received).toHaveLength(0);
  });

  test.each(["redirect", "cursor"])(
    "a %s to one that is allowed has no credentials",
    async (lead) => {
      const other = await serve((_received, response) => response.end('{"items":[1]}'));
      const target = other.url.replace("//", "//user:pass@");
      const server = await serve((_received, response) => {
        if (lead === "redirect") response.writeHead(307, { location: `${target}/page` });
        response.end(JSON.stringify({ items: [], next: `${target}/page` }));
      });
      const { app } = await start(server.url.replace("//", "//me:secret@"), {
        ...secrets,
        ...{ itemsPath: "items", cursorPath: "next", allowOrigins: other.url },
      });
      await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
      expect(shows(server)[0]).toEqual(["t0ken", "0wn", `Basic ${btoa("me:secret")}`]);
      expect(new Set(shows(other).flat())).toEqual(new Set([undefined]));
      expect(other.received.every(({ headers }) => headers.referer === undefined)).toBe(true);
    },
  );

  test("a redirect within the origin has them", async () => {
    const server = await serve(({ url }, response) => {
      if (url === "/") response.writeHead(308, { location: "/real" });
      response.end("x");
    });
    const { app } = await start(`${server.url}/`, secrets);
    await vi.waitFor(() => expect(app.texts).toEqual(["x"]), soon);
    expect(shows(server)[1]).toEqual(["t0ken", "0wn", undefined]);
  });
});

describe("failures", () => {
  test.each<[string, Responder, Record<string, string>, string]>([
    [
      "401",
      (_r, response) => response.writeHead(401).end(),
      {},
      "received status code 401 Unauthorized",
    ],
    ["404", (_r, response) => response.writeHead(404).end(), {}, "received status code 404"],
    [
      "no JSON",
      (_r, response) => response.end("<s3cret>"),
      { itemsPath: "$" },
      "the answer is no JSON",
    ],
    [
      "nothing there",
      (_r, response) => response.end("{}"),
      { itemsPath: "/a" },
      "nothing at itemsPath",
    ],
    [
      "no array",
      (_r, response) => response.end('{"a":{}}'),
      { itemsPath: "/a" },
      "no array at itemsPath",
    ],
    [
      "too many items",
      (_r, response) => response.end("[1,2,3]"),
      { itemsPath: "$", maxItems: "2" },
      "maxItems",
    ],
    [
      "too large",
      (_r, response) => response.end("x".repeat(2000)),
      { maxPageSize: "1Ki" },
      "maxPageSize",
    ],
    [
      "a gzip bomb",
      (_r, response) => {
        response.writeHead(200, { "content-encoding": "gzip" });
        response.end(gzipSync(Buffer.alloc(64 * 1024 * 1024)));
      },
      {},
      "maxPageSize",
    ],
    [
      "too many pages",
      ({ url }, response) => response.end(`{"i":[],"n":${Number(url?.split("=")[1] ?? 0) + 1}}`),
      { itemsPath: "i", cursorPath: "n", cursorParameter: "p", resume: "start", maxPages: "3" },
      "maxPages",
    ],
    [
      "a cursor without end",
      (_r, response) => response.end(JSON.stringify({ i: [], n: "x".repeat(65_536) })),
      { itemsPath: "i", cursorPath: "n", cursorParameter: "p" },
      "more than 8192 characters",
    ],
    ["no answer", () => undefined, { pollTimeout: "50ms" }, "no answer within 50 ms (pollTimeout)"],
    ["cut", (_r, response) => void response.socket?.destroy(), {}, "EOF"],
  ])("%s is a state with its reason", async (_name, respond, more, reason) => {
    const server = await serve(respond);
    const { app, status } = await start(server.url, more);
    await vi.waitFor(() => expect(status().state).toBe("stalled"), soon);
    expect(status().reason).toContain(reason);
    expect(status().reason).toContain("the next request is at");
    expect(status().reason).not.toContain("s3cret");
    expect(app.texts).toEqual([]);
  });

  test("Retry-After is heeded, and then it runs again", async () => {
    const times: number[] = [];
    const server = await serve((_received, response) => {
      times.push(performance.now());
      if (times.length === 1) response.writeHead(429, { "retry-after": "1" });
      response.end("x");
    });
    const { app, status } = await start(server.url);
    await vi.waitFor(
      () => expect(status().reason).toMatch(/the next request is at \d.+Z, after 1s$/),
      soon,
    );
    await vi.waitFor(() => expect(app.texts).toEqual(["x"]), soon);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(950);
    await vi.waitFor(() => expect(status()).toMatchObject({ state: "running", reason: "" }), soon);
  });

  test("requests never overlap", async () => {
    let open = 0;
    let most = 0;
    const server = await serve((_received, response) => {
      most = Math.max(most, ++open);
      setTimeout(() => {
        open--;
        response.end("x");
      }, 60);
    });
    await start(server.url, { interval: "10ms" });
    await vi.waitFor(() => expect(server.received.length).toBeGreaterThan(4), soon);
    expect(most).toBe(1);
  });

  test.each([
    "a\r\nX-Evil: 1",
    "a\0b",
    `a"'<>&=#?`,
    "../../etc",
    "x".repeat(8000),
    "\ud800",
    "é ü",
  ])("a cursor %j reaches the server as a parameter or not at all", async (cursor) => {
    const server = await serve(({ url = "" }, response) => {
      const isFirst = !url.includes("p=");
      response.end(JSON.stringify({ i: [isFirst ? 1 : 2], n: isFirst ? cursor : null }));
    });
    const { app } = await start(`${server.url}/feed?p=0`.replace("?p=0", "?q=1"), {
      ...{ itemsPath: "i", cursorPath: "n", cursorParameter: "p" },
    });
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
    const second = new URL(server.received[1]?.url ?? "", server.url);
    expect(second.pathname).toBe("/feed");
    expect([...second.searchParams]).toEqual([
      ["q", "1"],
      ["p", cursor.toWellFormed()],
    ]);
    expect(server.received[1]?.headers["x-evil"]).toBeUndefined();
  });

  test.each([
    "a\r\nb",
    "a\0b",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "http://[::1",
    "http://",
  ])("a cursor %j that is no URL of the server is refused", async (cursor) => {
    const server = await serve((_received, response) =>
      response.end(JSON.stringify({ i: [1], n: cursor })),
    );
    const { app, status } = await start(server.url, { itemsPath: "i", cursorPath: "n" });
    await vi.waitFor(() => expect(status().state).toBe("stalled"), soon);
    expect(app.texts).toEqual(["1"]);
    expect(server.received).toHaveLength(1);
  });
});

describe("the component", () => {
  test("with url alone it neither polls nor asks an app that answers 405 to everything", async () => {
    const server = await serve((_received, response) => response.end("x"));
    const app = new FakeApp();
    app.wantsInput = async () => false;
    const { runtime, status, invoke } = startRuntime({ bindings: [http], app });
    const resolve = async () => ({ values: { url: server.url }, secrets: [] });
    await runtime.apply([component("http", {}, { resolve })]);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    expect(await invoke("orders", "get")).toBe("x");
    expect(server.received).toHaveLength(1);
    expect(app.asked).toEqual([]);
    expect(status().directions).toEqual({ input: false, output: true });
  });

  test("both directions go together", async () => {
    const server = await serve(({ method }, response) => response.end(method));
    const started = await start(server.url, { direction: "input, output" });
    await vi.waitFor(() => expect(started.app.texts).toEqual(["GET"]), soon);
    expect(await started.invoke("post")).toBe("POST");
  });

  test("a schedule says when", async () => {
    const server = await serve((_received, response) => response.end(String(Math.random())));
    const properties = { url: server.url, schedule: "* * * * * *" };
    const { app } = await read({ binding: http }, { properties });
    await vi.waitFor(() => expect(app.texts.length).toBeGreaterThan(0), soon);
    expect(server.received).toHaveLength(app.texts.length);
  });

  test.each<[Record<string, string>, string]>([
    [{ schedule: "@hourly" }, "schedule or interval"],
    [{ cursorPath: "a", followLinks: "true" }, "one of cursorPath"],
    [{ followLinks: "true", cursorParameter: "p" }, "cursorParameter is not used"],
    [{ cursorParameter: "p" }, "cursorParameter needs"],
    [{ allowOrigins: "https://a.example/path" }, "an origin is"],
    [{ allowOrigins: "ftp://a.example" }, "unsupported protocol"],
    [{ "header:X-A": "a\r\nb" }, "invalid header field value"],
    [{ "header:a b": "a" }, "invalid header field name"],
    [{ itemsPath: "a..b" }, "empty name"],
    [{ itemsPath: "/a~2" }, "neither ~0 nor ~1"],
    [{ interval: "0s" }, "longer than zero"],
    [{ maxItems: "10001" }, "from 1 to 10000"],
  ])("%j is refused", async (more, reason) => {
    await expect(openInput(http, polled("http://127.0.0.1:1", more).properties)).rejects.toThrow(
      reason,
    );
  });
});
