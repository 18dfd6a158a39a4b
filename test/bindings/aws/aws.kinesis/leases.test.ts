import { createHash } from "node:crypto";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { expect, test, vi } from "vitest";
import kinesis from "../../../../src/bindings/aws/aws.kinesis/index.ts";
import { withClouds } from "../../../clouds.ts";
import { handled } from "../../../runtime/fake-app.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { startProxy } from "../../../servers/proxy.ts";
import { read } from "../../contract.ts";
import { openInput } from "../../opened-input.ts";
import { makeStream } from "./contract-source.ts";
import { libraryLease } from "./lease-item.ts";
import { handle, leaseOf, textOf, textsOf } from "./reading.ts";

const soon = { timeout: 20_000, interval: 10 };
const short = { leaseDuration: "1s" };

/** What Amazon's producer library makes of several records. */
function aggregate(records: readonly { key: string; data: string }[]): Buffer {
  const message = new BinaryWriter();
  for (const { key } of records) message.tag(1, WireType.LengthDelimited).string(key);
  for (const [at, { data }] of records.entries()) {
    const record = new BinaryWriter();
    record.tag(1, WireType.Varint).uint64(at);
    record.tag(3, WireType.LengthDelimited).bytes(Buffer.from(data));
    message.tag(3, WireType.LengthDelimited).bytes(record.finish());
  }
  const bytes = message.finish();
  const digest = createHash("md5").update(bytes).digest();
  return Buffer.concat([Buffer.from("f3899ac2", "hex"), bytes, digest]);
}

describeWith("kinesalite", (server) => {
  test("what Dapr has left behind is read on, from its checkpoint", async () => {
    const stream = await makeStream(server);
    const { shard } = await stream.put("handled by Dapr");
    const { sequence } = await stream.put("handled by Dapr too");
    await stream.put("next");
    await stream.makeTable();
    await stream.write(libraryLease(stream, shard, { Checkpoint: sequence }));
    const input = await openInput(kinesis, { ...stream.properties, ...short });
    expect(textOf(await input.next())).toBe("next");
  });

  test("an empty checkpoint, as a claim of the library writes it, is none", async () => {
    const stream = await makeStream(server);
    const { shard } = await stream.put("first");
    await stream.makeTable();
    const lease = libraryLease(stream, shard, { CufflinkStart: "TRIM_HORIZON", Checkpoint: "" });
    await stream.write(lease);
    const input = await openInput(kinesis, { ...stream.properties, ...short });
    expect(textOf(await input.next())).toBe("first");
  });

  test("a shard that another asks for is given up, once the app has finished what it has", async () => {
    const stream = await makeStream(server);
    const { shard, sequence } = await stream.put("1");
    const input = await openInput(kinesis, { ...stream.properties, leaseDuration: "3s" });
    const event = await input.next();
    const { AssignedTo = "", ...rest } = await leaseOf(stream, shard);
    await stream.write({ ...rest, AssignedTo, ClaimRequest: "another worker" });
    await vi.waitFor(() => expect(event.revoked?.aborted).toBe(true), soon);
    expect(await leaseOf(stream, shard)).toMatchObject({ AssignedTo });
    handle(event);
    await vi.waitFor(
      async () => expect((await leaseOf(stream, shard))["AssignedTo"]).toBeUndefined(),
      soon,
    );
    expect(await leaseOf(stream, shard)).toMatchObject({
      Checkpoint: sequence,
      ClaimRequest: "another worker",
    });
  });

  test("a lease that another has taken is lost: its events are revoked, its checkpoint is not written", async () => {
    const stream = await makeStream(server);
    const { shard } = await stream.put("1");
    const input = await openInput(kinesis, { ...stream.properties, leaseDuration: "3s" });
    const event = await input.next();
    const taken = libraryLease(stream, shard, { endsIn: 60_000 });
    await stream.write(taken);
    await vi.waitFor(() => expect(event.revoked?.aborted).toBe(true), soon);
    handle(event);
    await input.close();
    expect(await leaseOf(stream, shard)).toEqual(taken);
    expect(input.logger.warn).toHaveBeenCalledWith(
      { shard, why: "taken by another" },
      "a shard is read no more",
    );
  });

  test("what the producer library has put into one record are events, and one checkpoint", async () => {
    const stream = await makeStream(server);
    const records = ["a", "b", "c"].map((key) => ({ key, data: `${key}!` }));
    const { shard, sequence } = await stream.put(aggregate(records), "any");
    const input = await openInput(kinesis, stream.properties);
    const events = [await input.next(), await input.next(), await input.next()];
    expect(events.map((event) => [event.key, textOf(event), event.id])).toEqual(
      records.map(({ key, data }, at) => [key, data, `${shard}:${sequence}.${at}`]),
    );
    expect(events[1]?.metadata).toMatchObject({ partitionKey: "b", subSequenceNumber: "1" });
    for (const event of events.slice(0, 2)) handle(event);
    await input.reader.flush();
    expect((await leaseOf(stream, shard))["Checkpoint"]).toBeUndefined();
    await input.close();
    // The same process knows what it has handled.
    const again = await openInput(kinesis, stream.properties);
    const left = await again.next();
    expect(textOf(left)).toBe("c!");
    handle(left);
    await again.close();
    expect(await leaseOf(stream, shard)).toMatchObject({ Checkpoint: sequence });
  });

  test("two shards that were merged are both read to their ends before what they became", async () => {
    const stream = await makeStream(server, 2);
    const [one, two] = await stream.shards();
    const parents = new Map<string, string>();
    for (let n = 0; parents.size < 2; n++)
      parents.set((await stream.put("p", `${n}`)).shard, `${n}`);
    await stream.merge(one?.ShardId ?? "", two?.ShardId ?? "");
    await stream.put("merged");
    const input = await openInput(kinesis, stream.properties);
    for (;;) {
      const event = await input.next();
      if (textOf(event) === "merged") break;
      const of = event.metadata["shardId"] ?? "";
      expect([...parents.keys()]).toContain(of);
      handle(event);
    }
    const ends = [...parents.keys()].map(
      async (shard) => (await leaseOf(stream, shard))["Checkpoint"],
    );
    expect(await Promise.all(ends)).toEqual(["SHARD_END", "SHARD_END"]);
  });

  // They wait until leases have ended.
  if (!withClouds) return;
  test("what a worker of Dapr has is its own while it renews", async () => {
    const stream = await makeStream(server);
    const { shard, sequence } = await stream.put("handled by Dapr");
    await stream.put("next");
    await stream.makeTable();
    const renew = (endsIn: number): Promise<void> =>
      stream.write(libraryLease(stream, shard, { Checkpoint: sequence, endsIn }));
    await renew(5_000);
    const input = await openInput(kinesis, { ...stream.properties, ...short });
    // For longer than a lease lasts.
    for (let n = 0; n < 8; n++) {
      expect(await leaseOf(stream, shard)).toMatchObject({ AssignedTo: stream.consumerName });
      // Nobody asks Dapr's workers: they give nothing away.
      expect((await leaseOf(stream, shard))["ClaimRequest"]).toBeUndefined();
      await renew(5_000);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    expect(input.events).toEqual([]);
    await renew(200);
    expect(textOf(await input.next())).toBe("next");
  });

  test("what was handled while nothing could be written is not handled again", async () => {
    const stream = await makeStream(server);
    const texts = ["1", "2", "3", "4"];
    for (const text of texts) await stream.put(text, text);
    const proxy = await startProxy(server);
    const endpoint = `http://${proxy.host}:${proxy.port}`;
    const finish = Promise.withResolvers<void>();
    const { app, status } = await read(
      { binding: kinesis },
      { properties: { ...stream.properties, ...short, endpoint } },
      async () => {
        await finish.promise;
        return handled;
      },
    );
    await vi.waitFor(() => expect(app.texts).toHaveLength(4), soon);
    proxy.stall();
    finish.resolve();
    await vi.waitFor(() => expect(status().handled).toBe(4), soon);
    // Nobody has it: its time is over.
    const shard = (await stream.shards())[0]?.ShardId ?? "";
    await vi.waitFor(async () => {
      const { LeaseTimeout = "" } = await leaseOf(stream, shard);
      expect(Date.parse(LeaseTimeout)).toBeLessThan(Date.now() - 300);
    }, soon);
    proxy.heal();
    await stream.put("5", "5");
    await vi.waitFor(() => expect(status().handled).toBe(5), soon);
    expect(app.texts.toSorted()).toEqual([...texts, "5"]);
  });

  test("what came before the first checkpoint is not lost with its reader", async () => {
    const stream = await makeStream(server);
    await stream.put("before");
    const newest = { ...stream.properties, ...short, initialPosition: "newest" };
    const proxy = await startProxy(server);
    const endpoint = `http://${proxy.host}:${proxy.port}`;
    const one = await openInput(kinesis, { ...newest, endpoint }, { name: "one" });
    await proxy[Symbol.asyncDispose]();
    await stream.put("after");
    const other = await openInput(kinesis, newest, { name: "other" });
    expect(textOf(await other.next())).toBe("after");
    expect(textsOf(one)).toEqual([]);
  });
});
