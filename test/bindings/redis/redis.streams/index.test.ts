import { expect, onTestFinished, test, vi } from "vitest";
import streams from "../../../../src/bindings/redis/redis.streams/index.ts";
import type { Outcome } from "../../../../src/runtime/app.ts";
import { FakeApp, handled, refused } from "../../../runtime/fake-app.ts";
import { component, startRuntime } from "../../../runtime/fake-binding.ts";
import { describeWith, uniqueName } from "../../../servers/describe-with.ts";
import { read } from "../../contract.ts";
import { openInput } from "../../opened-input.ts";
import { openOutput } from "../../opened-output.ts";
import { redisClient, type StreamServer } from "./contract-source.ts";

const soon = { timeout: 20_000, interval: 5 };

function place(server: StreamServer) {
  const client = redisClient(server);
  const stream = uniqueName("orders");
  const own = { redisHost: `${server.host}:${server.port}`, redisPassword: "", stream };
  const properties = { ...own, consumerGroup: "shop", consumer: "one", startFrom: "oldest" };
  const add = async (...texts: string[]): Promise<string[]> => {
    const ids: string[] = [];
    for (const text of texts)
      ids.push(String(await client.xadd(stream, "*", "key", text.charAt(0), "data", text)));
    return ids;
  };
  const pending = async () => Number((await client.xpending(stream, "shop"))[0]);
  const begin = (
    answer: (text: string) => Outcome | Promise<Outcome> = () => handled,
    values: Record<string, string> = {},
  ) => read({ binding: streams }, { properties }, answer, values);
  return { client, stream, properties, add, pending, begin };
}

describeWith("redis", (server) => {
  async function opened(more: Record<string, string>) {
    const output = await openOutput(streams, { consumerGroup: "none", ...more });
    onTestFinished(() => output[Symbol.asyncDispose]());
    return output;
  }

  test("create adds an entry with the data and further fields, and tells its id", async () => {
    const { client, stream, properties } = place(server);
    const output = await opened(properties);
    const data = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const answer = await output.invoke("create", { "field:customer": "grün" }, { data });
    await output.invoke("create");
    const entries = await client.xrangeBuffer(stream, "-", "+");
    expect(answer).toEqual({ metadata: { stream, id: String(entries[0]?.[0]) } });
    expect(entries.map(([, fields]) => fields)).toEqual([
      [Buffer.from("data"), Buffer.from(data), Buffer.from("customer"), Buffer.from("grün")],
      [Buffer.from("data"), Buffer.alloc(0)],
    ]);
  });

  test("without dataField a JSON object is all fields, both ways", async () => {
    const { client, stream, properties } = place(server);
    const values = { ...properties, dataField: "" };
    const output = await opened(values);
    await output.invoke("create", {}, { data: '{"a":"x","n":1,"o":{"b":[true]}}' });
    expect((await client.xrange(stream, "-", "+")).map(([, fields]) => fields)).toEqual([
      ["a", "x", "n", "1", "o", '{"b":[true]}'],
    ]);
    const input = await openInput(streams, values);
    const { data } = await input.next();
    expect(JSON.parse(String(data))).toEqual({ a: "x", n: "1", o: '{"b":[true]}' });
    for (const wrong of ["", "[]", "1", "{", "{}"])
      await expect(output.invoke("create", {}, { data: wrong })).rejects.toMatchObject({
        ...{ reason: "invalid_argument", effect: "rejected" },
      });
  });

  test.each([
    [{ maxLength: "3", approximate: "false" }, {}, 3],
    [{ maxLength: "0", approximate: "false" }, {}, 0],
    [{ maxLength: "3" }, {}, 10],
    [{ maxAge: "1h", approximate: "false" }, {}, 1],
    [{ maxAge: "1h", approximate: "false" }, { minId: "5" }, 6],
    [{}, { minId: "5-0" }, 10],
  ])("%j %j trims to %s", async (values, metadata: Record<string, string>, left) => {
    const { client, stream, properties } = place(server);
    const adding = client.pipeline();
    for (let n = 1; n < 10; n++) adding.xadd(stream, `${n}-0`, "data", "x");
    await adding.exec();
    const output = await opened({ ...properties, ...values });
    await output.invoke("create", metadata);
    expect(await client.xlen(stream)).toBe(left);
  });

  test.each([
    [{ minId: "soon" }, "no id"],
    [{ minId: "1\r\n" }, "no id"],
    [{ minId: "1".repeat(65_536) }, "no id"],
    [{ "field:": "x" }, "needs a name"],
  ])("create of %j is refused", async (metadata: Record<string, string>, message) => {
    const { client, stream, properties } = place(server);
    const output = await opened(properties);
    const refusal = (async () => output.invoke("create", metadata))();
    await expect(refusal).rejects.toThrow(message);
    expect(await client.exists(stream)).toBe(0);
  });

  test("what is no stream is said so; two ways to trim are refused", async () => {
    const { client, stream, properties } = place(server);
    await client.set(stream, "x");
    const output = await opened(properties);
    await expect(output.invoke("create")).rejects.toMatchObject({
      ...{ reason: "failed_precondition", effect: "rejected", systemCode: "WRONGTYPE" },
    });
    const both = opened({ ...properties, maxLength: "1", maxAge: "1h" });
    await expect(both).rejects.toThrow("exclude each other");
  });

  test("opening makes nothing; reading makes the group and the stream", async () => {
    const { client, stream, properties } = place(server);
    await opened(properties);
    expect(await client.exists(stream)).toBe(0);
    const app = new FakeApp();
    app.wantsInput = async () => false;
    const { runtime } = startRuntime({ bindings: [streams], app });
    const resolve = async () => ({ values: properties, secrets: [] });
    await runtime.apply([component("redis.streams", {}, { resolve })]);
    await vi.waitFor(() => expect(app.asked).toHaveLength(1), soon);
    expect(await client.exists(stream)).toBe(0);
    await openInput(streams, properties);
    expect(await client.xinfo("GROUPS", stream)).toHaveLength(1);
  });

  test("handled is acknowledged with flush; what this consumer had comes first, and is not counted", async () => {
    const { properties, add, pending } = place(server);
    await add("a1", "a2", "a3");
    const first = await openInput(streams, properties);
    const [one] = [await first.next(), await first.next(), await first.next()];
    one?.settle({ outcome: "handled" });
    await first.reader.stop();
    await first.reader.flush();
    expect(await pending()).toBe(2);
    await first.close();
    await add("a4");
    const second = await openInput(streams, properties);
    const again = [await second.next(), await second.next(), await second.next()];
    expect(again.map(({ data }) => String(data))).toEqual(["a2", "a3", "a4"]);
    expect(again.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
  });

  test("one whose attempts are used up is delivered again, and its deliveries are not counted", async () => {
    const { add, pending, client, stream, begin } = place(server);
    await add("a1", "b1");
    let failures = 0;
    const { status } = await begin(
      (text) => (text === "a1" && ++failures <= 2 ? refused() : handled),
      { onExhausted: "return", maxAttempts: "1" },
    );
    const counts = new Set<unknown>();
    await vi.waitFor(async () => {
      const [row] = (await client.xpending(stream, "shop", "-", "+", 1)) as unknown[][];
      if (row !== undefined) counts.add(row[3]);
      expect(status().handled).toBe(2);
    }, soon);
    await vi.waitFor(async () => expect(await pending()).toBe(0), soon);
    expect([...counts]).toEqual(counts.size === 0 ? [] : [1]);
  });

  test("what a dead member has is claimed after a while, and counted", async () => {
    const { client, stream, properties, add, pending, begin } = place(server);
    await client.xgroup("CREATE", stream, "shop", "0", "MKSTREAM");
    await add("a1", "a2");
    await client.xreadgroup("GROUP", "shop", "dead", "COUNT", 10, "STREAMS", stream, ">");
    const { app, status } = await begin(() => handled, { ...properties, claimAfter: "300ms" });
    await add("a3");
    await vi.waitFor(() => expect(status().handled).toBe(3), soon);
    expect(app.texts.toSorted()).toEqual(["a1", "a2", "a3"]);
    expect(
      app.deliveries.find(({ data }) => String(Buffer.from(data ?? [])) === "a1")?.metadata,
    ).toMatchObject({ deliveries: "2" });
    await vi.waitFor(async () => expect(await pending()).toBe(0), soon);
  });

  test("what the app has for long nobody claims", async () => {
    const { properties, add, begin } = place(server);
    await add("a1");
    const open = Promise.withResolvers<Outcome>();
    const values = { claimAfter: "300ms" };
    const first = await begin(() => open.promise, values);
    await vi.waitFor(() => expect(first.app.texts).toEqual(["a1"]), soon);
    const other = { ...properties, consumer: "two" };
    const second = await read({ binding: streams }, { properties: other }, () => handled, values);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    open.resolve(handled);
    await vi.waitFor(() => expect(first.status().handled).toBe(1), soon);
    expect(second.app.texts).toEqual([]);
  });

  test("an entry that another has claimed is not extended", async () => {
    const { client, stream, properties, add } = place(server);
    const [id = ""] = await add("a1");
    const input = await openInput(streams, properties);
    const event = await input.next();
    await event.lease?.extend?.();
    await client.xclaim(stream, "shop", "two", 0, id);
    await expect(event.lease?.extend?.()).rejects.toMatchObject({
      ...{ effect: "rejected", message: `entry ${id} is claimed by consumer two` },
    });
  });

  test.each(["one", "dead"])(
    "entries that were trimmed while %s had them are missed, and that is told",
    async (consumer) => {
      const { client, stream, add, pending, begin } = place(server);
      await client.xgroup("CREATE", stream, "shop", "0", "MKSTREAM");
      await add("a1", "a2");
      await client.xreadgroup("GROUP", "shop", consumer, "COUNT", 10, "STREAMS", stream, ">");
      await client.xtrim(stream, "MAXLEN", 0);
      await add("a3");
      const { app, lines } = await begin(() => handled, { claimAfter: "200ms" });
      await vi.waitFor(() => expect(app.texts).toEqual(["a3"]), soon);
      await vi.waitFor(() => expect(JSON.stringify(lines)).toContain("2 entries of stream"), soon);
      await vi.waitFor(async () => expect(await pending()).toBe(0), soon);
    },
  );

  test("an entry that is trimmed while the app has it is handled, and extended no more", async () => {
    const { client, stream, properties, add, pending } = place(server);
    await add("a1");
    const input = await openInput(streams, properties);
    const event = await input.next();
    await client.xtrim(stream, "MAXLEN", 0);
    await event.lease?.extend?.();
    await event.lease?.extend?.();
    event.settle({ outcome: "handled" });
    await input.reader.flush();
    expect(await pending()).toBe(0);
  });

  test("deleteHandled leaves what is not handled", async () => {
    const { client, stream, properties, add } = place(server);
    await add("a1", "a2");
    const input = await openInput(streams, { ...properties, deleteHandled: "true" });
    (await input.next()).settle({ outcome: "handled" });
    await input.next();
    await input.reader.flush();
    expect((await client.xrange(stream, "-", "+")).map(([, [, , , data]]) => data)).toEqual(["a2"]);
  });

  test("what is returned at the end is claimed by others at once", async () => {
    const { properties, add } = place(server);
    await add("a1");
    const values = { ...properties, claimAfter: "1h" };
    const first = await openInput(streams, values);
    const event = await first.next();
    await first.reader.stop();
    event.settle({ outcome: "returned", reason: "", unattempted: true });
    await first.reader.flush();
    const second = await openInput(streams, { ...values, consumer: "two" });
    expect(String((await second.next()).data)).toBe("a1");
  });

  test("what the group has not delivered is told", async () => {
    const { properties, add } = place(server);
    await add("a1", "a2", "a3");
    const input = await openInput(streams, properties);
    await input.next();
    await vi.waitFor(async () => {
      const waiting = await streams.backlog?.(
        input.connection as never,
        AbortSignal.timeout(5_000),
      );
      expect(waiting).toBe(0);
    }, soon);
  });

  test.each([
    ["create", ["+xadd"]],
    [
      "read",
      ["+xgroup|create", "+xreadgroup", "+xpending", "+xclaim", "+xautoclaim", "+xrange", "+xack"],
    ],
  ])("%s needs %j and nothing else", async (operation, rights) => {
    const { client, properties, add, pending } = place(server);
    const user = uniqueName("user");
    await client.call("ACL", "SETUSER", user, "on", ">hidden", "~*", ...rights);
    const login = { ...properties, redisUsername: user, redisPassword: "hidden" };
    if (operation === "create") {
      const output = await opened(login);
      await output.invoke("create");
      await expect(output.ping()).rejects.toMatchObject({ effect: "rejected" });
      return;
    }
    await add("a1");
    const input = await openInput(streams, login);
    const event = await input.next();
    await event.lease?.extend?.();
    event.settle({ outcome: "handled" });
    await input.reader.flush();
    expect(await pending()).toBe(0);
  });
});
