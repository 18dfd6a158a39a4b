// The cells of docs/positions.md for the inputs of Alibaba Cloud.
import { describe, expect, onTestFinished, test, vi } from "vitest";
import dingtalk from "../../src/bindings/alicloud/alicloud.dingtalk.webhook/index.ts";
import sls from "../../src/bindings/alicloud/alicloud.sls/index.ts";
import type { Outcome } from "../../src/runtime/app.ts";
import { handled } from "../runtime/fake-app.ts";
import { writeGroup } from "../servers/sls/log-group.ts";
import { reservePort } from "../servers/ports.ts";
import { outgoingHeaders } from "./alicloud/alicloud.dingtalk.webhook/stand-in.ts";
import { startLogService } from "./alicloud/alicloud.sls/start.ts";
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

describe("alicloud.sls", () => {
  async function place(startFrom: string) {
    const { server, input } = await startLogService(2);
    const put = (shard: number, ...texts: string[]): void => {
      const logs = texts.map((text) => ({
        ...{ time: 1, contents: [["content", Buffer.from(text)] as const] },
      }));
      server.put("orders", writeGroup({ logs, topic: "t", source: "s", tags: [] }), shard);
    };
    const begin = (consumerName: string) => {
      const properties = { ...input, startFrom, consumerName, heartbeatInterval: "100ms" };
      return read({ binding: sls }, { properties });
    };
    const group = () => server.logstores.get("orders")?.groups.get("members");
    return { server, put, begin, group };
  }

  test("alicloud.sls: Without a position", async () => {
    const newest = await place("newest");
    newest.put(0, "before");
    const late = await newest.begin("one");
    await vi.waitFor(() => expect(newest.group()?.checkpoints.size).toBe(2), soon);
    newest.put(0, "after");
    await vi.waitFor(() => expect(late.app.texts).toEqual(["after"]), soon);
    const oldest = await place("oldest");
    oldest.put(0, "before");
    const { app } = await oldest.begin("one");
    await vi.waitFor(() => expect(app.texts).toEqual(["before"]), soon);
  });

  test("alicloud.sls: After a gap", async () => {
    const { server, put, begin } = await place("oldest");
    put(0, "a");
    const first = await begin("one");
    await vi.waitFor(() => expect(first.status().handled).toBe(1), soon);
    await first.runtime.close();
    for (const text of ["b", "c", "d"]) put(0, text);
    server.expire("orders", 0, 3);
    const second = await begin("one");
    await vi.waitFor(() => expect(second.app.texts).toEqual(["d"]), soon);
  });

  test("alicloud.sls: Grows", async () => {
    const { put, begin, group } = await place("oldest");
    const first = await begin("one");
    const second = await begin("two");
    await vi.waitFor(() => expect(group()?.members.get("two")?.held.size).toBe(1), soon);
    put(0, "0");
    put(1, "1");
    await vi.waitFor(
      () => expect([...first.app.texts, ...second.app.texts].toSorted()).toEqual(["0", "1"]),
      soon,
    );
    expect(first.app.texts).toHaveLength(1);
  });

  test("alicloud.sls: Shrinks", async () => {
    const { put, begin, group } = await place("oldest");
    const first = await begin("one");
    const second = await begin("two");
    await vi.waitFor(() => expect(group()?.members.get("two")?.held.size).toBe(1), soon);
    await first.runtime.close();
    // Its time is over.
    group()?.members.delete("one");
    put(0, "0");
    put(1, "1");
    await vi.waitFor(() => expect(second.app.texts.toSorted()).toEqual(["0", "1"]), soon);
  });

  test("alicloud.sls: Made anew", async () => {
    const { put, begin } = await place("oldest");
    put(0, "a");
    const first = await begin("one");
    await vi.waitFor(() => expect(first.status().handled).toBe(1), soon);
    await first.runtime.close();
    put(0, "b");
    const second = await begin("one");
    await vi.waitFor(() => expect(second.app.texts).toEqual(["b"]), soon);
  });
});
