import { expect, test, vi } from "vitest";
import kinesis from "../../../../src/bindings/aws/aws.kinesis/index.ts";
import { withClouds } from "../../../clouds.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { startProxy } from "../../../servers/proxy.ts";
import { openInput } from "../../opened-input.ts";
import type { OpenedInput } from "../../opened-input.ts";
import { openOutput } from "../../opened-output.ts";
import { emulatorLogin } from "../emulator-client.ts";
import { makeStream } from "./contract-source.ts";
import type { TestStream } from "./contract-source.ts";
import { handle, leaseOf, textOf, textsOf } from "./reading.ts";

const soon = { timeout: 20_000, interval: 10 };

/** A key of each of the first shards of a stream with so many. */
function keysFor(stream: TestStream, shards: number): Promise<string[]> {
  return (async () => {
    const found = new Map<string, string>();
    for (let n = 0; found.size < shards; n++) {
      const key = `key-${n}`;
      found.set((await stream.put("probe", key)).shard, key);
    }
    return [...found.values()];
  })();
}

describeWith("kinesalite", (server) => {
  test("create puts a record with the key of the call, of the component, or a random one", async () => {
    const { properties, records } = await makeStream(server);
    await using output = await openOutput(kinesis, properties);
    const data = Uint8Array.of(0, 255, 10);
    expect(await output.invoke("create", { partitionKey: "k-1" }, { data })).toBeUndefined();
    await output.invoke("create", {}, { data: "random" });
    await using other = await openOutput(kinesis, { ...properties, partitionKey: "orders" });
    await other.invoke("create", {}, { data: "fixed" });
    const [first, random, fixed] = await records();
    expect(first).toEqual({ key: "k-1", data: Buffer.from(data) });
    expect(random?.key).toMatch(/^[\da-f-]{36}$/);
    expect(fixed).toEqual({ key: "orders", data: Buffer.from("fixed") });
  });

  test("a stream that is not there is told when it is opened", async () => {
    const properties = { ...emulatorLogin(server.url), streamName: "nowhere" };
    await expect(openOutput(kinesis, properties)).rejects.toMatchObject({ reason: "not_found" });
  });

  test("what a drain leaves in the table is what the library would", async () => {
    const stream = await makeStream(server);
    const { shard } = await stream.put("1");
    const { sequence } = await stream.put("2");
    await stream.put("3");
    const input = await openInput(kinesis, stream.properties);
    const [first, second] = [await input.next(), await input.next()];
    await input.next();
    handle(second);
    handle(first);
    expect(await leaseOf(stream, shard)).toMatchObject({
      AssignedTo: expect.stringMatching(/^cufflink-/) as string,
      LeaseTimeout: expect.stringMatching(
        /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z$/,
      ) as string,
    });
    await input.close();
    const { LeaseTimeout, CufflinkStart, ...rest } = await leaseOf(stream, shard);
    expect(rest).toEqual({ ShardID: shard, Checkpoint: sequence });
    expect(CufflinkStart).toBe("TRIM_HORIZON");
    expect(Date.parse(LeaseTimeout ?? "")).toBeGreaterThan(0);
  });

  test("a shard that was split is read to its end before those that it became", async () => {
    const stream = await makeStream(server);
    const { shard } = await stream.put("before");
    await stream.split(shard);
    const keys = await keysFor(stream, 2);
    const input = await openInput(kinesis, stream.properties);
    const first = await input.next();
    expect(textsOf(input)).toEqual(["before"]);
    handle(first);
    const parts = new Set<string | undefined>();
    while (parts.size < 2) {
      const event = await input.next();
      parts.add(event.metadata["shardId"]);
      expect(keys).toContain(event.metadata["partitionKey"]);
      handle(event);
    }
    expect(parts).not.toContain(shard);
    expect(await leaseOf(stream, shard)).toMatchObject({ Checkpoint: "SHARD_END" });
    for (const part of parts)
      expect(await leaseOf(stream, part ?? "")).toMatchObject({ ParentShardId: shard });
  });

  test("while the app has the last event of a closed shard nothing comes of its children", async () => {
    const stream = await makeStream(server);
    const { shard } = await stream.put("before");
    const input = await openInput(kinesis, { ...stream.properties, leaseDuration: "2s" });
    const held = await input.next();
    await stream.split(shard);
    await stream.put("after", "a");
    // The shard is renewed, and its end is not written.
    const { LeaseTimeout } = await leaseOf(stream, shard);
    await vi.waitFor(
      async () => expect((await leaseOf(stream, shard))["LeaseTimeout"]).not.toBe(LeaseTimeout),
      soon,
    );
    expect(textsOf(input)).not.toContain("after");
    handle(held);
    await vi.waitFor(() => {
      // It comes again where a lease has ended meanwhile.
      for (const event of input.events) if (textOf(event) === "before") handle(event);
      expect(textsOf(input)).toContain("after");
    }, soon);
  });

  // It waits until leases have ended.
  if (!withClouds) return;
  test("of two readers each has a part, and who ends without a word loses his", async () => {
    const stream = await makeStream(server, 2);
    const keys = await keysFor(stream, 2);
    const seen: string[] = [];
    const take = (input: OpenedInput): void => {
      void (async () => {
        for (;;) {
          const event = await input.next();
          seen.push(textOf(event));
          handle(event);
        }
      })();
    };
    const proxy = await startProxy(server);
    const endpoint = `http://${proxy.host}:${proxy.port}`;
    const properties = { ...stream.properties, leaseDuration: "1s" };
    const one = await openInput(kinesis, { ...properties, endpoint }, { name: "one" });
    take(one);
    const other = await openInput(kinesis, properties, { name: "other" });
    take(other);
    const owners = async (): Promise<Set<string | undefined>> =>
      new Set([...(await stream.leases()).values()].map((item) => item["AssignedTo"]?.S));
    // The second asks the first for one of its two.
    await vi.waitFor(async () => {
      const now = await owners();
      expect(now.size).toBe(2);
      expect(now).not.toContain(undefined);
    }, soon);
    for (const key of keys) await stream.put(`shared ${key}`, key);
    await vi.waitFor(
      () => expect(seen).toEqual(expect.arrayContaining(keys.map((key) => `shared ${key}`))),
      soon,
    );
    await proxy[Symbol.asyncDispose]();
    for (const key of keys) await stream.put(`left ${key}`, key);
    await vi.waitFor(
      () => expect(seen).toEqual(expect.arrayContaining(keys.map((key) => `left ${key}`))),
      soon,
    );
    expect(new Set(seen.filter((text) => text.startsWith("shared"))).size).toBe(2);
  });
});
