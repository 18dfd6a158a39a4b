// The cells of docs/positions.md for the inputs of Alibaba Cloud.
import { describe, expect, onTestFinished, test, vi } from "vitest";
import dingtalk from "../../src/bindings/alicloud/alicloud.dingtalk.webhook/index.ts";
import type { Outcome } from "../../src/runtime/app.ts";
import { handled } from "../runtime/fake-app.ts";
import { reservePort } from "../servers/ports.ts";
import { outgoingHeaders } from "./alicloud/alicloud.dingtalk.webhook/stand-in.ts";
import { read } from "./contract.ts";

const soon = { timeout: 20_000, interval: 5 };

describe("alicloud.dingtalk.webhook", () => {
  async function place() {
    const address = `127.0.0.1:${await reservePort()}`;
    const post = async (body: string): Promise<number> => {
      const headers = outgoingHeaders("key");
      const response = await fetch(`http://${address}/hook`, { method: "POST", body, headers });
      await response.arrayBuffer();
      return response.status;
    };
    const robot = { id: "a", url: "http://127.0.0.1:1/robot/send", appSecret: "key" };
    const begin = (answer?: (text: string) => Outcome | Promise<Outcome>, more = {}) => {
      const properties = { ...robot, address, path: "/hook", ...more };
      return read({ binding: dingtalk }, { properties }, answer);
    };
    return { post, begin };
  }

  test("alicloud.dingtalk.webhook: Without a position", async () => {
    const { post, begin } = await place();
    await expect(post("before")).rejects.toThrow();
    const { app, runtime } = await begin();
    expect(await post("first")).toBe(204);
    expect(app.texts).toEqual(["first"]);
    await runtime.pause("orders", "");
    expect(await post("paused")).toBe(503);
  });

  test("alicloud.dingtalk.webhook: After a gap", async () => {
    const { post, begin } = await place();
    const { app, runtime } = await begin();
    await runtime.pause("orders", "");
    expect(await post("missed")).toBe(503);
    await runtime.resume("orders");
    await vi.waitFor(async () => expect(await post("sent again")).toBe(204), soon);
    expect(new Set(app.texts)).toEqual(new Set(["sent again"]));
  });

  test("alicloud.dingtalk.webhook: Grows", async () => {
    const { post, begin } = await place();
    const answer = Promise.withResolvers<Outcome>();
    const { app } = await begin(() => answer.promise, { maxInFlight: "2" });
    const posts = Array.from({ length: 20 }, (_, n) => post(String(n)));
    await vi.waitFor(() => expect(app.texts).toHaveLength(2), soon);
    answer.resolve(handled);
    expect(new Set(await Promise.all(posts))).toEqual(new Set([204]));
    expect(app.most).toBe(2);
  });

  test("alicloud.dingtalk.webhook: Shrinks", async () => {
    const { post, begin } = await place();
    const { runtime } = await begin();
    expect(await post("1")).toBe(204);
    await runtime.apply([]);
    await expect(post("2")).rejects.toThrow();
  });

  test("alicloud.dingtalk.webhook: Made anew", async () => {
    const { post, begin } = await place();
    const first = await begin();
    expect(await post("1")).toBe(204);
    await first.runtime.close();
    onTestFinished(() => first.runtime.close());
    await expect(post("2")).rejects.toThrow();
    const second = await begin();
    expect(await post("2")).toBe(204);
    expect(second.app.texts).toEqual(["2"]);
  });
});
