// One test for each cell of the row in docs/positions.md.
import { expect, test, vi } from "vitest";
import streams from "../../../../src/bindings/redis/redis.streams/index.ts";
import type { Outcome } from "../../../../src/runtime/app.ts";
import { handled } from "../../../runtime/fake-app.ts";
import { describeWith, uniqueName } from "../../../servers/describe-with.ts";
import { read } from "../../contract.ts";
import { redisClient } from "./contract-source.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("redis", (server) => {
  function place() {
    const client = redisClient(server);
    const stream = uniqueName("orders");
    const add = async (...texts: string[]): Promise<void> => {
      const adding = client.pipeline();
      for (const text of texts) adding.xadd(stream, "*", "data", text);
      await adding.exec();
    };
    const begin = (
      values: Record<string, string> = {},
      answer: (text: string) => Outcome | Promise<Outcome> = () => handled,
    ) => {
      const redisHost = `${server.host}:${server.port}`;
      const properties = { redisHost, redisPassword: "", stream, consumerGroup: "shop" };
      return read(
        { binding: streams },
        { properties: { ...properties, consumer: "one" } },
        answer,
        values,
      );
    };
    const hasGroup = async () => expect(await client.xinfo("GROUPS", stream)).toHaveLength(1);
    return { client, stream, add, begin, hasGroup };
  }

  test("redis.streams: Without a position", async () => {
    const { add, begin, hasGroup } = place();
    await add("1");
    const { app, runtime } = await begin();
    await vi.waitFor(hasGroup, soon);
    await add("2");
    await vi.waitFor(() => expect(app.texts).toEqual(["2"]), soon);
    await runtime.close();
    const other = place();
    await other.add("1");
    const oldest = await other.begin({ startFrom: "oldest" });
    await vi.waitFor(() => expect(oldest.app.texts).toEqual(["1"]), soon);
  });

  test("redis.streams: After a gap", async () => {
    const { client, stream, add, begin } = place();
    await client.xgroup("CREATE", stream, "shop", "0", "MKSTREAM");
    await add("1", "2", "3", "4");
    await client.xtrim(stream, "MAXLEN", 2);
    const { app } = await begin();
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(["3", "4"]), soon);
  });

  test("redis.streams: Grows", async () => {
    const { add, begin, hasGroup } = place();
    const { app } = await begin();
    await vi.waitFor(hasGroup, soon);
    const texts = Array.from({ length: 200 }, (_, n) => String(n));
    await add(...texts);
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(texts.toSorted()), soon);
  });

  test("redis.streams: Shrinks", async () => {
    const { client, stream, add, begin } = place();
    await add("1", "2", "3");
    const answer = Promise.withResolvers<Outcome>();
    const values = { startFrom: "oldest", maxInFlight: "1" };
    const { app, status } = await begin(values, () => answer.promise);
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await client.xtrim(stream, "MAXLEN", 0);
    await add("4");
    answer.resolve(handled);
    await vi.waitFor(() => expect(app.texts.at(-1)).toBe("4"), soon);
    expect(status().state).toBe("running");
  });

  test("redis.streams: Made anew", async () => {
    const { client, stream, add, begin, hasGroup } = place();
    const { app, lines, status } = await begin();
    await vi.waitFor(hasGroup, soon);
    await add("1");
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    await client.xgroup("DESTROY", stream, "shop");
    await add("2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
    expect(JSON.stringify(lines)).toContain("it is made again, and goes on behind entry");
    await client.del(stream);
    await add("3");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2", "3"]), soon);
  });
});
