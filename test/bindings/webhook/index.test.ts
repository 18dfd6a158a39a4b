import { createHmac } from "node:crypto";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { describe, expect, test, vi } from "vitest";
import type { HttpEndpoints } from "../../../src/binding.ts";
import webhook from "../../../src/bindings/webhook/index.ts";
import { parseFields } from "../../../src/metadata/parse.ts";
import { createHttpEndpoints } from "../../../src/server/http-endpoints.ts";
import { openInput, type InputOptions, type OpenedInput } from "../opened-input.ts";
import { allBytes } from "../opened-output.ts";

type Opened = OpenedInput & { url: string; port: number };

async function open(
  properties: Record<string, string> = {},
  options: InputOptions = {},
): Promise<Opened> {
  const http: HttpEndpoints = options.http ?? createHttpEndpoints();
  const all = { address: "127.0.0.1:0", path: "/hook", ...properties };
  const input = await openInput(webhook, all, { ...options, http });
  const { port, path } = input.connection as AsyncDisposable & { port: number; path: string };
  return { ...input, port, url: `http://127.0.0.1:${port}${path}` };
}

function post(url: string, body: Uint8Array | string, headers: Record<string, string> = {}) {
  return fetch(url, { method: "POST", body: Buffer.from(body), headers });
}

test("a request is an event and the app's reply is its answer", async () => {
  const input = await open();
  const asking = post(`${input.url}?tenant=1&tenant=2`, allBytes, { "content-type": "image/png" });
  const event = await input.next();
  expect(event.data).toEqual(Buffer.from(allBytes));
  expect(event.key).toBeUndefined();
  expect(event.id).toMatch(/^[0-9a-f-]{36}$/);
  expect(event.metadata).toMatchObject({
    method: "POST",
    path: "/hook",
    query: "tenant=1&tenant=2",
    remoteAddress: "127.0.0.1",
    contentType: "image/png",
  });
  event.settle({ outcome: "handled", reply: { data: allBytes, contentType: "image/gif" } });

  const response = await asking;
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("image/gif");
  expect(new Uint8Array(await response.arrayBuffer())).toEqual(allBytes);
});

test("headers come whole: repeats, bytes, lower-case names", async () => {
  const input = await open();
  const socket = connect(input.port, "127.0.0.1");
  socket.write(
    Buffer.concat([
      Buffer.from("POST /hook HTTP/1.1\r\nHost: localhost\r\nX-Tag: one\r\nx-tag: two\r\nX-Raw: "),
      Buffer.from([0xc3, 0xa9, 0xff]),
      Buffer.from("\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    ]),
  );
  const event = await input.next();
  const values = (name: string) =>
    event.headers.filter((one) => one.name === name).map((one) => Buffer.from(one.value));
  expect(values("x-tag").map(String)).toEqual(["one", "two"]);
  expect(values("x-raw")).toEqual([Buffer.from([0xc3, 0xa9, 0xff])]);
  expect(event.data).toHaveLength(0);
  event.settle({ outcome: "handled" });
  const answer = await text(socket);
  expect(answer).toMatch(/^HTTP\/1\.1 204 /);
});

test.each([
  [{}, { data: Buffer.from("x") }, "application/octet-stream"],
  [
    { responseContentType: "text/plain" },
    { data: Buffer.from("x"), contentType: "a/b" },
    "text/plain",
  ],
  [{}, { data: Buffer.from("x"), contentType: "evil\r\nx: y" }, "application/octet-stream"],
])("content type of the answer: %j %j", async (properties, reply, expected) => {
  const input = await open(properties);
  const asking = post(input.url, "x");
  (await input.next()).settle({ outcome: "handled", reply });
  expect((await asking).headers.get("content-type")).toBe(expected);
});

test("a reply without data is 204", async () => {
  const input = await open();
  for (const reply of [undefined, {}, { data: new Uint8Array() }]) {
    const asking = post(input.url, "x");
    (await input.next()).settle({ outcome: "handled", ...(reply ? { reply } : {}) });
    expect((await asking).status).toBe(204);
  }
});

test("a returned event is 503 with Retry-After", async () => {
  const input = await open();
  const asking = post(input.url, "x");
  (await input.next()).settle({ outcome: "returned", reason: "no", after: 6500 });
  const response = await asking;
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("7");
  expect(await response.text()).not.toContain("no\n");
});

test("an app that is too slow: 503 with Retry-After, and its late answer is ignored", async () => {
  const input = await open({ responseTimeout: "50ms" });
  const response = await post(input.url, "x");
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("5");
  const event = await input.next();
  event.settle({ outcome: "handled", reply: { data: Buffer.from("late") } });

  const again = post(input.url, "y");
  (await input.next()).settle({ outcome: "handled", reply: { data: Buffer.from("in time") } });
  expect(await (await again).text()).toBe("in time");
});

test("other methods are 405 with Allow; those that are named are taken", async () => {
  const input = await open({ methods: "get, POST" });
  const refused = await fetch(input.url, { method: "PUT", body: "x" });
  expect(refused.status).toBe(405);
  expect(refused.headers.get("allow")).toBe("GET, POST");
  expect(input.events).toHaveLength(0);

  const asking = fetch(`${input.url}?challenge=abc`);
  const event = await input.next();
  expect(event.metadata).toMatchObject({ method: "GET", query: "challenge=abc" });
  event.settle({ outcome: "handled", reply: { data: Buffer.from("abc") } });
  expect(await (await asking).text()).toBe("abc");
});

describe("a body that is too large is 413", () => {
  test("by its announced length", async () => {
    const input = await open({ maxBodySize: "10" });
    expect((await post(input.url, "x".repeat(11))).status).toBe(413);
    const asking = post(input.url, "x".repeat(10));
    (await input.next()).settle({ outcome: "handled" });
    expect((await asking).status).toBe(204);
    expect(input.events).toHaveLength(1);
  });

  test("by what arrives, and the sender sees the answer while it still sends", async () => {
    const input = await open({ maxBodySize: "1Ki" });
    const sender = httpRequest(input.url, { method: "POST" });
    sender.on("error", () => undefined);
    const answered = new Promise<IncomingMessage>((resolve) => sender.once("response", resolve));
    sender.write(Buffer.alloc(64 * 1024));
    expect((await answered).statusCode).toBe(413);
    sender.destroy();
    expect(input.events).toHaveLength(0);
  });

  test("1 MiB passes with the default limit", async () => {
    const input = await open();
    const body = Buffer.alloc(1024 * 1024, allBytes);
    const asking = post(input.url, body);
    const event = await input.next();
    expect(Buffer.compare(event.data!, body)).toBe(0);
    event.settle({ outcome: "handled", reply: { data: body } });
    expect(Buffer.compare(Buffer.from(await (await asking).arrayBuffer()), body)).toBe(0);
  });
});

test("a wrong signature is 403, said once, and is no event", async () => {
  const input = await open({ verification: "github", secret: "s3cret" });
  for (let number = 0; number < 3; number++) {
    const forged = { "x-hub-signature-256": `sha256=${"0".repeat(64)}` };
    expect((await post(input.url, "x", forged)).status).toBe(403);
  }
  expect(input.logger.warn).toHaveBeenCalledOnce();
  expect(JSON.stringify(input.logger.warn.mock.calls)).not.toContain("s3cret");
  await input.reader.stop();
  expect(input.logger.warn).toHaveBeenLastCalledWith({ requests: 2 }, expect.anything());
  expect(input.events).toHaveLength(0);
});

test("a text message from Twilio is answered with TwiML", async () => {
  const publicUrl = "https://example.org/sms";
  const input = await open({ verification: "twilio", secret: "token", publicUrl });
  const send = (extra: Record<string, string>, headers: Record<string, string> = {}) => {
    const form = { MessageSid: "SM1", Body: "hello there", From: "+1555", ...extra };
    const signed = Object.entries(form)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flat()
      .join("");
    const signature = createHmac("sha1", "token")
      .update(publicUrl + signed)
      .digest("base64");
    return post(input.url, new URLSearchParams(form).toString(), {
      "content-type": "application/x-www-form-urlencoded",
      "x-twilio-signature": signature,
      ...headers,
    });
  };
  const asking = send({});
  const event = await input.next();
  expect(event.id).toBe("SM1");
  const twiml = "<Response><Message>hi</Message></Response>";
  event.settle({ outcome: "handled", reply: { data: Buffer.from(twiml) } });
  const response = await asking;
  expect(response.headers.get("content-type")).toBe("text/xml");
  expect(await response.text()).toBe(twiml);

  const ids: (string | undefined)[] = [];
  for (const [extra, headers] of [
    [{ MessageStatus: "sent" }, {}],
    [{}, { "I-Twilio-Idempotency-Token": "t-1" }],
  ] as const) {
    const next = send(extra, headers);
    const event = await input.next();
    ids.push(event.id);
    event.settle({ outcome: "handled" });
    await next;
  }
  expect(ids).toEqual(["SM1:sent", "t-1"]);
});

test("an event has the sender's name for it", async () => {
  const http = createHttpEndpoints();
  const github = await open({ verification: "github", secret: "k" }, { http });
  const stripe = await open({ verification: "stripe", secret: "k" }, { http });
  const named = await open({ idHeader: "Webhook-Id" }, { http });
  const sign = (text: string) => createHmac("sha256", "k").update(text).digest("hex");
  const time = Math.floor(Date.now() / 1000);
  const sent = [
    post(github.url, "x", {
      "x-hub-signature-256": `sha256=${sign("x")}`,
      "x-github-delivery": "d-1",
    }),
    post(stripe.url, '{"id":"evt_1"}', {
      "stripe-signature": `t=${time},v1=${sign(`${time}.{"id":"evt_1"}`)}`,
    }),
    post(named.url, "x", { "webhook-id": "w-1" }),
  ];
  const events = await Promise.all([github.next(), stripe.next(), named.next()]);
  expect(events.map(({ id }) => id)).toEqual(["d-1", "evt_1", "w-1"]);
  for (const event of events) event.settle({ outcome: "handled" });
  await Promise.all(sent);
});

test("while the app has no room, requests wait; one that waited too long is never an event", async () => {
  let room = Promise.withResolvers<void>();
  const input = await open({ responseTimeout: "500ms" }, { room: () => room.promise });
  const first = post(input.url, "first");
  await input.next();
  const second = await post(input.url, "second");
  expect(second.status).toBe(503);
  expect((await first).status).toBe(503);

  const waiting = post(input.url, "third");
  room.resolve();
  room = Promise.withResolvers<void>();
  room.resolve();
  const third = await input.next();
  expect(Buffer.from(third.data!).toString()).toBe("third");
  third.settle({ outcome: "handled" });
  expect((await waiting).status).toBe(204);
  expect(input.events).toHaveLength(2);
});

test("a sender that hangs up changes nothing for the app", async () => {
  const input = await open();
  const giveUp = new AbortController();
  const asking = fetch(input.url, { method: "POST", body: "x", signal: giveUp.signal });
  const event = await input.next();
  giveUp.abort();
  await expect(asking).rejects.toThrow();
  expect(() => event.settle({ outcome: "handled", reply: { data: allBytes } })).not.toThrow();

  // Half a request is none.
  const socket = connect(input.port, "127.0.0.1");
  socket.write("POST /hook HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf");
  socket.end();
  await text(socket);
  const again = post(input.url, "y");
  const next = await input.next();
  expect(Buffer.from(next.data!).toString()).toBe("y");
  next.settle({ outcome: "handled" });
  expect((await again).status).toBe(204);
});

test("stopping: new requests are 503, what the app has is still answered, the rest at the close", async () => {
  const input = await open();
  const kept = post(input.url, "kept");
  const event = await input.next();
  const lost = post(input.url, "lost");
  await input.next();

  await input.reader.stop();
  expect((await post(input.url, "new")).status).toBe(503);
  event.settle({ outcome: "handled", reply: { data: Buffer.from("done") } });
  await input.reader.flush();
  expect(await (await kept).text()).toBe("done");
  await input.close();
  expect((await lost).status).toBe(503);
  expect(input.events).toHaveLength(2);
  await expect(post(input.url, "closed")).rejects.toThrow();
});

test("the path is the component's name unless it is given; two components of one path collide", async () => {
  const http = createHttpEndpoints();
  const first = await openInput(webhook, { address: "127.0.0.1:0" }, { http, name: "orders" });
  const { port, path } = first.connection as AsyncDisposable & { port: number; path: string };
  expect(path).toBe("/orders");
  const same = { address: `127.0.0.1:${port}`, path };
  await expect(openInput(webhook, same, { http })).rejects.toMatchObject({
    reason: "already_exists",
  });
});

test.each([
  ["8080", { host: "127.0.0.1", port: 8080 }],
  [":8080", { host: "::", port: 8080 }],
  ["0.0.0.0:80", { host: "0.0.0.0", port: 80 }],
  ["[::1]:80", { host: "::1", port: 80 }],
  ["localhost:1", { host: "localhost", port: 1 }],
])("address %s", (address, expected) => {
  expect(parseFields(webhook.metadata, { address }).values.address).toEqual(expected);
});

test.each(["", "host", "host:", "host:70000", "http://host:80", "::1:80"])(
  "%j is no address",
  (address) => {
    expect(parseFields(webhook.metadata, { address }).problems).toHaveLength(1);
  },
);

test("a wrong path is found before it runs", () => {
  const problems = (path: string) => parseFields(webhook.metadata, { address: "1", path }).problems;
  expect(problems("hook")).toHaveLength(1);
  expect(problems("/hook?x")).toHaveLength(1);
  expect(problems("/héllo")).toHaveLength(0);
});

test("many at a time, each gets its own answer", async () => {
  const input = await open();
  const numbers = Array.from({ length: 200 }, (_, number) => String(number));
  const answers = Promise.all(numbers.map(async (one) => (await post(input.url, one)).text()));
  await vi.waitFor(() => expect(input.events).toHaveLength(200), { timeout: 10_000 });
  for (const event of input.events.toReversed()) {
    event.settle({ outcome: "handled", reply: { data: event.data } });
  }
  expect(await answers).toEqual(numbers);
});

function text(socket: ReturnType<typeof connect>): Promise<string> {
  return new Promise((resolve) => {
    let received = "";
    socket.on("data", (chunk) => (received += chunk.toString("latin1")));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(received));
  });
}
