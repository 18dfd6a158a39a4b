// One test for each cell of the row in docs/positions.md.
import { expect, test, vi } from "vitest";
import kinesis from "../../../../src/bindings/aws/aws.kinesis/index.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { read } from "../../contract.ts";
import { openInput } from "../../opened-input.ts";
import { makeStream } from "./contract-source.ts";
import { libraryLease } from "./lease-item.ts";
import { textOf } from "./reading.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("kinesalite", (server) => {
  test("aws.kinesis: Without a position", async () => {
    const stream = await makeStream(server);
    await stream.put("before");
    const newest = { properties: { ...stream.properties, initialPosition: "newest" } };
    const { app, status } = await read({ binding: kinesis }, newest);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    await stream.put("after");
    await vi.waitFor(() => expect(app.texts).toEqual(["after"]), soon);
    const oldest = { ...stream.properties, consumerName: `${stream.consumerName}-2` };
    const other = await openInput(kinesis, oldest);
    expect(textOf(await other.next())).toBe("before");
  });

  test("aws.kinesis: After a gap", async () => {
    const stream = await makeStream(server);
    const { shard, sequence } = await stream.put("kept");
    await stream.makeTable();
    // A record that the stream has dropped since.
    const Checkpoint = String(BigInt(sequence) - 2n ** 64n);
    await stream.write(libraryLease(stream, shard, { Checkpoint }));
    const short = { leaseDuration: "1s" };
    const { app } = await read({ binding: kinesis }, stream, undefined, short);
    await vi.waitFor(() => expect(app.texts).toEqual(["kept"]), soon);
  });

  test("aws.kinesis: Grows", async () => {
    const stream = await makeStream(server);
    const { shard } = await stream.put("1");
    const { app } = await read({ binding: kinesis }, stream);
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await stream.split(shard);
    await stream.put("2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });

  test("aws.kinesis: Shrinks", async () => {
    const stream = await makeStream(server, 2);
    const { app, status } = await read({ binding: kinesis }, stream);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    const [one, two] = await stream.shards();
    await stream.merge(one?.ShardId ?? "", two?.ShardId ?? "");
    await stream.put("after");
    await vi.waitFor(() => expect(app.texts).toEqual(["after"]), soon);
  });

  test("aws.kinesis: Made anew", { timeout: 60_000 }, async () => {
    const stream = await makeStream(server);
    await stream.put("old");
    const { app, status } = await read({ binding: kinesis }, stream);
    await vi.waitFor(() => expect(app.texts).toEqual(["old"]), soon);
    await stream.call("DeleteStream", { StreamName: stream.name });
    await vi.waitFor(() => expect(status().state).toBe("reconnecting"), soon);
    await stream.create();
    await stream.put("new");
    await vi.waitFor(() => expect(app.texts).toEqual(["old", "new"]), soon);
  });
});
