import { expect, onTestFinished, test, vi } from "vitest";
import sls from "../../../../src/bindings/alicloud/alicloud.sls/index.ts";
import type { InboundEvent } from "../../../../src/binding.ts";
import { writeGroup } from "../../../servers/sls/log-group.ts";
import { ComponentCheckpoints } from "../../../../src/runtime/component/component-checkpoints.ts";
import { spiedLogger } from "../../../app/delivery.ts";
import { MemoryStore } from "../../../store/memory-store.ts";
import { openInput } from "../../opened-input.ts";
import { startLogService } from "./start.ts";

type Server = Awaited<ReturnType<typeof startLogService>>["server"];

const soon = { timeout: 10_000, interval: 5 };

/** One group of these logs. */
function put(server: Server, shard: number, ...texts: string[]): void {
  const logs = texts.map((text) => ({
    time: 1_700_000_000,
    contents: [["content", Buffer.from(text)] as const],
  }));
  server.put("orders", writeGroup({ logs, topic: "t", source: "s", tags: [] }), shard);
}

const textOf = ({ data }: InboundEvent): string => Buffer.from(data ?? []).toString();
const textsOf = (events: readonly InboundEvent[]): string[] => events.map(textOf);

function checkpointOf(server: Server, shard: number): number {
  const cursor = server.logstores.get("orders")?.groups.get("members")?.checkpoints.get(shard);
  const text = Buffer.from(cursor?.checkpoint ?? "", "base64").toString();
  return text === "" ? -1 : Number(text) - 1_700_000_000_000;
}

test("the checkpoint goes on behind a group once all before it and all of its logs are handled", async () => {
  const { server, input } = await startLogService(1);
  put(server, 0, "a", "b");
  put(server, 0, "c");
  const opened = await openInput(sls, { ...input, batchSize: "1", inOrder: "false" });
  await vi.waitFor(() => expect(textsOf(opened.events)).toEqual(["a", "b", "c"]), soon);
  const [a, b, c] = opened.events;
  c?.settle({ outcome: "handled" });
  a?.settle({ outcome: "handled" });
  await opened.reader.flush();
  expect(checkpointOf(server, 0)).toBe(0);
  b?.settle({ outcome: "handled" });
  await opened.reader.flush();
  expect(checkpointOf(server, 0)).toBe(2);
});

test("a batch that is read anew is the same one, without what was handled", async () => {
  const { server, input } = await startLogService(1);
  const store = new MemoryStore();
  const open = () => {
    const checkpoints = new ComponentCheckpoints(store.checkpoints, "logs", spiedLogger());
    return openInput(sls, { ...input, consumerName: "one" }, { checkpoints });
  };
  for (const text of ["a", "b", "c"]) put(server, 0, text);
  const first = await open();
  await vi.waitFor(() => expect(first.events).toHaveLength(3), soon);
  put(server, 0, "d");
  await vi.waitFor(() => expect(first.events).toHaveLength(4), soon);
  first.events[0]?.settle({ outcome: "handled" });
  first.events[2]?.settle({ outcome: "handled" });
  await first.close();
  expect(checkpointOf(server, 0)).toBe(0);
  put(server, 0, "e");
  const second = await open();
  await vi.waitFor(() => expect(textsOf(second.events)).toEqual(["b", "c", "d", "e"]), soon);
  const idsOf = (events: readonly InboundEvent[]) => events.map(({ id }) => id);
  expect(idsOf(second.events.slice(0, 3))).toEqual(idsOf(first.events.slice(1)));
  for (const event of second.events) event.settle({ outcome: "handled" });
  await second.close();
  expect(checkpointOf(server, 0)).toBe(5);
  put(server, 0, "f");
  const third = await open();
  expect(textOf(await third.next())).toBe("f");
});

test("without a call of flush the checkpoint is stored soon", async () => {
  const { server, input } = await startLogService(1);
  put(server, 0, "a");
  const opened = await openInput(sls, input);
  (await opened.next()).settle({ outcome: "handled" });
  await vi.waitFor(() => expect(checkpointOf(server, 0)).toBe(1), soon);
});

test("the key of an event is its shard, unless the order does not matter", async () => {
  const { server, input } = await startLogService(2);
  put(server, 1, "a");
  const ordered = await openInput(sls, input);
  expect((await ordered.next()).key).toBe("1");
  const other = await openInput(sls, { ...input, consumerGroup: "others", inOrder: "false" });
  expect((await other.next()).key).toBeUndefined();
});

test("a log without dataKey is a JSON object; so is each without the setting", async () => {
  const { server, input } = await startLogService(1);
  const contents = [
    ["__proto__", Buffer.from("x")],
    ["a", Buffer.from("ü")],
  ] as const;
  const group = writeGroup({ logs: [{ time: 1, contents }], topic: "t", source: "s", tags: [] });
  server.put("orders", group, 0);
  const opened = await openInput(sls, input);
  expect(textOf(await opened.next())).toBe('{"__proto__":"x","a":"ü"}');
  const other = await openInput(sls, { ...input, consumerGroup: "others", dataKey: "" });
  expect(textOf(await other.next())).toBe('{"__proto__":"x","a":"ü"}');
});

test("newest: what was written before is not read, and a restart begins there and not later", async () => {
  const { server, input } = await startLogService(1);
  put(server, 0, "before");
  const properties = { ...input, startFrom: "newest", consumerName: "one" };
  const first = await openInput(sls, properties);
  await vi.waitFor(() => expect(checkpointOf(server, 0)).toBe(1), soon);
  await first.close();
  put(server, 0, "meanwhile");
  const second = await openInput(sls, properties);
  expect(textOf(await second.next())).toBe("meanwhile");
});

test("two members share the shards, and one that is silent loses its own", async () => {
  const { server, input } = await startLogService(4);
  const properties = { ...input, heartbeatInterval: "100ms" };
  const first = await openInput(sls, { ...properties, consumerName: "one" });
  const second = await openInput(sls, { ...properties, consumerName: "two" });
  const held = (name: string): number =>
    server.logstores.get("orders")?.groups.get("members")?.members.get(name)?.held.size ?? 0;
  await vi.waitFor(() => expect([held("one"), held("two")]).toEqual([2, 2]), soon);
  for (let shard = 0; shard < 4; shard++) put(server, shard, String(shard));
  await vi.waitFor(() => expect(first.events.length + second.events.length).toBe(4), soon);
  expect(first.events).toHaveLength(2);
  for (const one of [...first.events, ...second.events]) one.settle({ outcome: "handled" });
  await first.close();
  server.logstores.get("orders")?.groups.get("members")?.members.delete("one");
  await vi.waitFor(() => expect(held("two")).toBe(4), soon);
  for (let shard = 0; shard < 4; shard++) put(server, shard, `again ${shard}`);
  await vi.waitFor(() => expect(second.events).toHaveLength(6), soon);
});

test("a shard is given to another member once all that is under way is handled", async () => {
  const { server, input } = await startLogService(2);
  const properties = { ...input, heartbeatInterval: "100ms" };
  const first = await openInput(sls, { ...properties, consumerName: "one" });
  put(server, 0, "a");
  put(server, 1, "b");
  await vi.waitFor(() => expect(first.events).toHaveLength(2), soon);
  const second = await openInput(sls, { ...properties, consumerName: "two" });
  const beats = (): number => server.asked.filter(({ url }) => url.includes("consumer=two")).length;
  const before = beats();
  await vi.waitFor(() => expect(beats()).toBeGreaterThan(before + 3), soon);
  expect(second.events).toEqual([]);
  for (const one of first.events) one.settle({ outcome: "handled" });
  const members = server.logstores.get("orders")?.groups.get("members")?.members;
  await vi.waitFor(() => expect(members?.get("two")?.held.size).toBe(1), soon);
  put(server, 0, "c");
  put(server, 1, "d");
  await vi.waitFor(() => expect([first.events.length, second.events.length]).toEqual([3, 1]), soon);
});

test("a shard that is another member's is not confirmed any more", async () => {
  const { server, input } = await startLogService(1);
  put(server, 0, "a");
  const opened = await openInput(sls, { ...input, heartbeatInterval: "1m", consumerName: "one" });
  const event = await opened.next();
  server.logstores.get("orders")?.groups.get("members")?.members.clear();
  event.settle({ outcome: "handled" });
  await opened.reader.flush();
  expect(checkpointOf(server, 0)).toBe(0);
  await opened.reader.flush();
  const tried = server.asked.filter(({ url }) => url.includes("type=checkpoint"));
  expect(tried).toHaveLength(2);
});

test("logs that were deleted before they were read are passed over", async () => {
  const { server, input } = await startLogService(1);
  const properties = { ...input, consumerName: "one" };
  put(server, 0, "a");
  const first = await openInput(sls, properties);
  (await first.next()).settle({ outcome: "handled" });
  await first.close();
  for (const text of ["b", "c", "d"]) put(server, 0, text);
  server.expire("orders", 0, 3);
  const second = await openInput(sls, properties);
  expect(textOf(await second.next())).toBe("d");
  expect(JSON.stringify(second.logger.warn.mock.calls)).toContain("deleted before they were read");
});

test("without the permission to create the group, one that exists is read", async () => {
  const { server, input } = await startLogService(1);
  server.failure = ({ method, url }) =>
    method === "POST" && url.endsWith("/consumergroups")
      ? { status: 403, code: "Unauthorized" }
      : undefined;
  await expect(openInput(sls, input)).rejects.toMatchObject({
    ...{ reason: "not_found", systemCode: "ConsumerGroupNotExist" },
  });
  server.failure = undefined;
  const maker = await openInput(sls, { ...input, consumerName: "maker" });
  await maker.close();
  server.failure = ({ method, url }) =>
    method === "POST" && url.endsWith("/consumergroups")
      ? { status: 403, code: "Unauthorized" }
      : undefined;
  put(server, 0, "a");
  const opened = await openInput(sls, { ...input, consumerName: "maker" });
  expect(textOf(await opened.next())).toBe("a");
});

test("a refusal while it reads ends the reading, with the service's words", async () => {
  const { server, input } = await startLogService(1);
  const opened = await openInput(sls, input);
  server.failure = () => ({ status: 401, code: "SignatureNotMatch" });
  expect(await opened.lost).toMatchObject({ reason: "unauthenticated" });
});

test("cuts and a busy service are waited out, and no answer is asked for in a hot loop", async () => {
  const { server, input } = await startLogService(1);
  const opened = await openInput(sls, { ...input, heartbeatInterval: "1m" });
  let failed = 0;
  server.failure = ({ url }) => {
    if (!url.includes("type=logs")) return undefined;
    failed++;
    return failed === 1 ? "cut" : failed === 2 ? { status: 503, code: "ServerBusy" } : undefined;
  };
  put(server, 0, "a");
  const began = performance.now();
  expect(textOf(await opened.next())).toBe("a");
  expect(performance.now() - began).toBeGreaterThan(1000);
  expect(opened.logger.warn.mock.calls).toHaveLength(2);
});

test("heart-beats without an answer for the group's timeout end the reading", async () => {
  const { server, input } = await startLogService(1);
  const opened = await openInput(sls, { ...input, heartbeatInterval: "50ms" });
  server.failure = ({ url }) => (url.includes("heartbeat") ? "cut" : undefined);
  const now = performance.now.bind(performance);
  vi.spyOn(performance, "now").mockImplementation(() => now() + 20_000);
  onTestFinished(() => void vi.restoreAllMocks());
  expect(await opened.lost).toMatchObject({ reason: "unavailable" });
});

test.each([
  ["no header x-log-cursor", {}],
  [
    "no block of LZ4",
    { "x-log-cursor": "c", "x-log-compresstype": "lz4", "x-log-bodyrawsize": "9" },
  ],
  ["a size of 99999999999", { "x-log-cursor": "c", "x-log-bodyrawsize": "99999999999" }],
  [
    "which was not asked for",
    { "x-log-cursor": "c", "x-log-compresstype": "zstd", "x-log-bodyrawsize": "9" },
  ],
] as const)("an answer that cannot be read is told, and tried again: %s", async (text, headers) => {
  const { server, input } = await startLogService(1);
  server.spoil = { headers, body: Buffer.from("\xff\xff\xff") };
  const opened = await openInput(sls, input);
  await vi.waitFor(
    () => expect(JSON.stringify(opened.logger.warn.mock.calls)).toContain(text),
    soon,
  );
  server.spoil = undefined;
  put(server, 0, "a");
  expect(textOf(await opened.next())).toBe("a");
});
