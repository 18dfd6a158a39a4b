// The cells of docs/positions.md for the inputs of Alibaba Cloud.
import { describe, expect, test, vi } from "vitest";
import dingtalk from "../../src/bindings/alicloud/alicloud.dingtalk.webhook/index.ts";
import sls from "../../src/bindings/alicloud/alicloud.sls/index.ts";
import { writeGroup } from "../servers/sls/log-group.ts";
import { outgoingHeaders } from "./alicloud/alicloud.dingtalk.webhook/stand-in.ts";
import { startLogService } from "./alicloud/alicloud.sls/start.ts";
import { read } from "./contract.ts";
import {
  expectAfterGap,
  expectGrows,
  expectMadeAnew,
  expectShrinks,
  expectWithoutPosition,
} from "./http-positions.ts";

const soon = { timeout: 20_000, interval: 5 };

describe("alicloud.dingtalk.webhook", () => {
  const input = {
    binding: dingtalk,
    properties: { id: "a", url: "http://127.0.0.1:1/robot/send", appSecret: "key" },
    headers: () => outgoingHeaders("key"),
  };
  test("alicloud.dingtalk.webhook: Without a position", () => expectWithoutPosition(input));
  test("alicloud.dingtalk.webhook: After a gap", () => expectAfterGap(input));
  test("alicloud.dingtalk.webhook: Grows", () => expectGrows(input));
  test("alicloud.dingtalk.webhook: Shrinks", () => expectShrinks(input));
  test("alicloud.dingtalk.webhook: Made anew", () => expectMadeAnew(input));
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
