// One test for each row of the table "What the sender is told" in docs/bindings/webhook.md.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import webhook from "../../../src/bindings/webhook/index.ts";
import type { Outcome } from "../../../src/runtime/app.ts";
import { createHttpEndpoints } from "../../../src/server/http-endpoints.ts";
import { FakeApp, handled, refused } from "../../runtime/fake-app.ts";
import { component, FakeSystem, startRuntime } from "../../runtime/fake-binding.ts";
import { reservePort } from "../../servers/ports.ts";
import { MemoryStore } from "../../store/memory-store.ts";

type Post = {
  readonly body?: string;
  readonly headers?: Record<string, string>;
  readonly method?: string;
};

/** A hook whose app answers so, beside an output `archive`. */
async function hook(
  answer: Outcome | (() => Promise<Outcome>),
  properties: Record<string, string> = {},
  app = new FakeApp(() => (typeof answer === "function" ? answer() : answer)),
) {
  const store = new MemoryStore();
  const archive = new FakeSystem();
  const address = `127.0.0.1:${await reservePort()}`;
  const started = startRuntime({
    ...{ app, store, bindings: [webhook, archive.binding("fake", "output")] },
    http: createHttpEndpoints(),
  });
  const values = {
    address,
    path: "/hook",
    backOffDuration: "5ms",
    backOffMaxRetries: "1",
    ...properties,
  };
  await started.runtime.apply([
    component("webhook", {}, { name: "hook", resolve: async () => ({ values, secrets: [] }) }),
    component("fake", {}, { name: "archive" }),
  ]);
  await vi.waitFor(() => expect(started.status("archive").state).toBe("running"));
  if (app.available) await vi.waitFor(() => expect(started.status("hook").state).toBe("running"));
  const post = async (
    { body = "order", headers = {}, method = "POST" }: Post = {},
    path = "/hook",
  ) => {
    const response = await fetch(`http://${address}${path}`, {
      ...{ method, headers },
      ...(method === "POST" ? { body } : {}),
    });
    return {
      status: response.status,
      outcome: response.headers.get("cufflink-outcome"),
      retryAfter: response.headers.get("retry-after"),
      text: await response.text(),
    };
  };
  return { ...started, app, store, archive, post, address };
}

const replying = (text: string): Outcome => ({
  kind: "handled",
  reply: { source: "function", data: Buffer.from(text) },
});
const final: Outcome = { kind: "refused", reason: "no customer", final: true };
const plain = { outcome: null, retryAfter: null };
const again = { outcome: null, retryAfter: expect.stringMatching(/^\d+$/) as string };

test("handled, and the reply has data: 200", async () => {
  const { post } = await hook(replying("thank you"));
  expect(await post()).toEqual({ status: 200, text: "thank you", ...plain });
});

test("handled, and the reply has none: 204", async () => {
  const { post } = await hook(handled);
  expect(await post()).toEqual({ status: 204, text: "", ...plain });
});

test("dropped, by the app or by onExhausted: 204", async () => {
  const byApp = await hook({ kind: "dropped", reason: "nobody needs it" });
  expect(await byApp.post()).toEqual({ status: 204, text: "", ...plain });
  const byField = await hook(refused(), { onExhausted: "drop" });
  expect(await byField.post()).toEqual({ status: 204, text: "", ...plain });
});

test("a duplicate: 204", async () => {
  const { post, app } = await hook(replying("once"), { deduplicate: "id", idHeader: "webhook-id" });
  const headers = { "webhook-id": "7" };
  expect(await post({ headers })).toMatchObject({ status: 200 });
  expect(await post({ headers })).toEqual({ status: 204, text: "", ...plain });
  expect(app.texts).toHaveLength(1);
});

test.each([
  ["its attempts are used up", refused(), 2],
  ["the app says that none will help", final, 1],
])("in the dead letters, since %s: 202 with the outcome", async (_, answer, attempts) => {
  const { post, app, store } = await hook(answer);
  expect(await post()).toEqual({ status: 202, text: "", outcome: "dead_letter", retryAfter: null });
  expect(app.texts).toHaveLength(attempts);
  expect(store.stored.size).toBe(1);
});

test("at output:NAME: 202 with the outcome", async () => {
  const { post, archive, store } = await hook(final, { onExhausted: "output:archive" });
  expect(await post()).toEqual({
    status: 202,
    text: "",
    outcome: "output:archive",
    retryAfter: null,
  });
  expect(archive.calls).toHaveLength(1);
  expect(store.stored.size).toBe(0);
});

test("refused before it was an event: 403, 404, 405, 413", async () => {
  const secret = { verification: "hmac", secret: "s", maxBodySize: "4" };
  const { post, app } = await hook(handled, secret);
  const signed = { "x-signature": createHmac("sha256", "s").update("yes").digest("hex") };
  const statuses = await Promise.all([
    post({ body: "no" }),
    post({}, "/nowhere"),
    post({ method: "GET" }),
    post({ body: "large" }),
    post({ body: "yes", headers: signed }),
  ]);
  expect(statuses.map(({ status }) => status)).toEqual([403, 404, 405, 413, 204]);
  for (const answer of statuses) expect(answer).toMatchObject(plain);
  expect(app.texts).toEqual(["yes"]);
});

test("onExhausted is return or halt: 503 with Retry-After", async () => {
  const returned = await hook(final, { onExhausted: "return" });
  expect(await returned.post()).toMatchObject({ status: 503, ...again });
  const halted = await hook(final, { onExhausted: "halt" });
  expect(await halted.post()).toMatchObject({ status: 503, ...again });
  await vi.waitFor(() => expect(halted.status("hook").state).toBe("paused"));
  expect(await halted.post()).toMatchObject({ status: 503, ...again });
});

test("it cannot be put into the dead letters: 503 with Retry-After, and it is not lost to the sender", async () => {
  const { post, store } = await hook(final, { responseTimeout: "200ms" });
  store.trouble = "the disk is full";
  expect(await post()).toMatchObject({ status: 503, ...again });
});

test("no answer within responseTimeout: 503 with Retry-After", async () => {
  const late = Promise.withResolvers<Outcome>();
  const { post } = await hook(() => late.promise, { responseTimeout: "50ms" });
  expect(await post()).toMatchObject({ status: 503, ...again });
  late.resolve(handled);
});

test("a sender that takes longer for its body than responseTimeout: the app's answer counts", async () => {
  const { address } = await hook(replying("thank you"), { responseTimeout: "100ms" });
  const [host = "", port = ""] = address.split(":");
  const socket = connect(Number(port), host);
  onTestFinished(() => void socket.destroy());
  const text = await new Promise<string>((resolve) => {
    socket.once("data", (chunk) => resolve(String(chunk)));
    socket.write("POST /hook HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nor");
    setTimeout(() => socket.write("der"), 400);
  });
  expect(text).toMatch(/^HTTP\/1\.1 200 /);
});

test("nobody is there to take it: 503 with Retry-After", async () => {
  const app = new FakeApp();
  app.available = false;
  const { post } = await hook(handled, { responseTimeout: "50ms" }, app);
  expect(await post()).toMatchObject({ status: 503, ...again });
  app.wantsInput = async () => false;
  app.available = true;
  await vi.waitFor(() => expect(app.asked).toEqual(["hook"]));
  expect(await post()).toMatchObject({ status: 503, ...again });
});

test(
  "more requests than there is room for: 503 with Retry-After",
  { timeout: 20_000 },
  async () => {
    const { post, address } = await hook(handled);
    const [host = "", port = ""] = address.split(":");
    const sockets = Array.from({ length: 1000 }, () => connect(Number(port), host));
    onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
    for (const socket of sockets) {
      socket.on("error", () => {});
      socket.write("POST /hook HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n");
    }
    await vi.waitFor(
      async () => expect(await post()).toMatchObject({ status: 503, ...again }),
      15_000,
    );
  },
);

test("the runtime stops: 503 with Retry-After", async () => {
  const answered = Promise.withResolvers<Outcome>();
  const { post, runtime, app } = await hook(() => answered.promise, { maxInFlight: "1" });
  const first = post({ body: "first" });
  await vi.waitFor(() => expect(app.texts).toEqual(["first"]));
  const second = post({ body: "second" });
  const drained = runtime.drain(10_000);
  expect(await second).toMatchObject({ status: 503, ...again });
  answered.resolve(handled);
  expect(await first).toMatchObject({ status: 204 });
  await drained;
});

test("the page has a row for each answer", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/bindings/webhook.md"), "utf8");
  const table = page.split("## What the sender is told")[1]?.split("\n## ")[0] ?? "";
  const answers = [...table.matchAll(/^\|.*\| *(\d{3}[^|]*?) *\|$/gm)].map(([, cell]) => cell);
  expect(answers).toEqual([
    ...["200", "204", "204", "204", "202 with `cufflink-outcome: dead_letter`"],
    ...["202 with `cufflink-outcome: output:NAME`", "403", "404", "405", "413"],
    ...Array.from({ length: 6 }, () => "503 with `Retry-After`"),
  ]);
});
