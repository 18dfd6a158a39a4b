import { createHmac } from "node:crypto";
import { expect, test, vi } from "vitest";
import webhook from "../../../src/bindings/webhook/index.ts";
import { createHttpEndpoints } from "../../../src/server/http-endpoints.ts";
import { FakeApp } from "../../runtime/fake-app.ts";
import { component, startRuntime } from "../../runtime/fake-binding.ts";
import { reservePort } from "../../servers/ports.ts";
import { MemoryStore } from "../../store/memory-store.ts";

async function hook(properties: Record<string, string>) {
  const app = new FakeApp(() => ({
    kind: "handled",
    reply: { source: "function", data: Buffer.from("ok") },
  }));
  const address = `127.0.0.1:${await reservePort()}`;
  const started = startRuntime({
    ...{ app, store: new MemoryStore(), bindings: [webhook], http: createHttpEndpoints() },
  });
  const values = { address, path: "/", ...properties };
  await started.runtime.apply([
    component("webhook", {}, { resolve: async () => ({ values, secrets: [] }) }),
  ]);
  await vi.waitFor(() => expect(started.status().state).toBe("running"));
  const post = async (body: string, headers: Record<string, string>): Promise<number> => {
    const response = await fetch(`http://${address}/`, { method: "POST", body, headers });
    await response.arrayBuffer();
    return response.status;
  };
  return { ...started, app, post };
}

const digest = (body: string, secret = "s"): string =>
  createHmac("sha256", secret).update(body).digest("hex");

const github = (body: string, delivery: string) => ({
  "x-hub-signature-256": `sha256=${digest(body)}`,
  "x-github-delivery": delivery,
});

test.each(["id", "signature"])(
  "github, deduplicate: %s: a replayed request does not reach the app",
  async (deduplicate) => {
    const { post, app } = await hook({ verification: "github", secret: "s", deduplicate });
    expect(await post("one", github("one", "d-1"))).toBe(200);
    expect(await post("one", github("one", "d-1"))).toBe(204);
    expect(await post("two", github("two", "d-2"))).toBe(200);
    expect(app.texts).toEqual(["one", "two"]);
  },
);

test("github: its delivery id is not signed, so one that is changed passes by id and not by signature", async () => {
  const byId = await hook({ verification: "github", secret: "s", deduplicate: "id" });
  const bySignature = await hook({ verification: "github", secret: "s", deduplicate: "signature" });
  for (const { post } of [byId, bySignature]) expect(await post("x", github("x", "d-1"))).toBe(200);
  expect(await byId.post("x", github("x", "d-2"))).toBe(200);
  expect(await bySignature.post("x", github("x", "d-2"))).toBe(204);
});

test.each(["id", "signature"])(
  "hmac, deduplicate: %s: what is signed tells a replay, by whichever secret and however written",
  async (deduplicate) => {
    const { post, app } = await hook({
      ...{ verification: "hmac", secret: "s", secondarySecret: "t", deduplicate },
    });
    expect(await post("one", { "x-signature": digest("one") })).toBe(200);
    expect(await post("one", { "x-signature": digest("one") })).toBe(204);
    expect(await post("one", { "x-signature": digest("one").toUpperCase() })).toBe(204);
    expect(await post("one", { "x-signature": digest("one", "t"), "x-new": "1" })).toBe(204);
    expect(await post("two", { "x-signature": digest("two") })).toBe(200);
    expect(app.texts).toEqual(["one", "two"]);
  },
);

test("hmac with an idHeader: equal bodies of two ids are two events by id", async () => {
  const { post, app } = await hook({
    ...{ verification: "hmac", secret: "s", idHeader: "webhook-id", deduplicate: "id" },
  });
  const signed = { "x-signature": digest("up") };
  expect(await post("up", { ...signed, "webhook-id": "1" })).toBe(200);
  expect(await post("up", { ...signed, "webhook-id": "2" })).toBe(200);
  expect(await post("up", { ...signed, "webhook-id": "2" })).toBe(204);
  expect(app.texts).toEqual(["up", "up"]);
});

test.each([
  ["id", "no id of its own"],
  ["signature", "no signature that was verified"],
  ["header:Webhook-Id", "no header webhook-id"],
])(
  "deduplicate: %s without anything to go by says so once, and delivers",
  async (deduplicate, words) => {
    const { post, app, lines } = await hook({ deduplicate });
    expect(await post("x", {})).toBe(200);
    expect(await post("x", {})).toBe(200);
    expect(app.texts).toEqual(["x", "x"]);
    const told = lines.filter((line) => JSON.stringify(line).includes(words));
    expect(told).toHaveLength(1);
  },
);
