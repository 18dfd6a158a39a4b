// The reader beside vmware-go-kcl, which is in Dapr: a program of Go, with a worker of that library, is built for it.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { beforeAll, describe, expect, test, vi } from "vitest";
import kinesis from "../../../../src/bindings/aws/aws.kinesis/index.ts";
import { withClouds } from "../../../clouds.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { buildGoProgram, goProgram } from "../../../servers/go-program.ts";
import { endAfterTest } from "../../contract.ts";
import { openInput } from "../../opened-input.ts";
import type { OpenedInput } from "../../opened-input.ts";
import { makeStream } from "./contract-source.ts";
import type { TestStream } from "./contract-source.ts";
import { handle, leaseOf, textOf } from "./reading.ts";

const program = "kinesis-kcl";
const soon = { timeout: 40_000, interval: 20 };

/** A worker of the library; Dapr's are called as the consumer. */
function startWorker(server: { url: string }, stream: TestStream, more: readonly string[] = []) {
  const place = ["-endpoint", server.url, "-stream", stream.name, "-consumer", stream.consumerName];
  const worker = spawn(goProgram(program), [...place, ...more], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const lines: string[] = [];
  createInterface({ input: worker.stdout }).on("line", (line) => lines.push(line));
  const ended = new Promise<void>((resolve) => worker.on("exit", () => resolve()));
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    worker.kill(signal);
    await ended;
  };
  endAfterTest(() => end("SIGKILL"));
  return {
    end,
    lines,
    records: () =>
      lines.filter((line) => line.startsWith("record ")).map((line) => line.split(" ")[2]),
    shards: () =>
      lines.filter((line) => line.startsWith("read ")).map((line) => line.split(" ")[1]),
  };
}

/** Handles all that comes, and notes it. */
function handled(input: OpenedInput): string[] {
  const texts: string[] = [];
  void (async () => {
    for (;;) {
      const event = await input.next();
      texts.push(textOf(event));
      handle(event);
    }
  })();
  return texts;
}

async function keysOf(stream: TestStream): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (let n = 0; found.size < 2; n++) found.set((await stream.put("probe", `${n}`)).shard, `${n}`);
  return found;
}

describe.skipIf(!withClouds)("with vmware-go-kcl", () => {
  beforeAll(() => buildGoProgram(program), 600_000);

  describeWith("kinesalite", (server) => {
    test(
      "a worker of Dapr keeps its shard, and what it leaves is read on; and back",
      { timeout: 90_000 },
      async () => {
        const stream = await makeStream(server);
        const { shard } = await stream.put("1");
        const dapr = startWorker(server, stream, ["-worker", stream.consumerName, "-oldest"]);
        await vi.waitFor(() => expect(dapr.records()).toEqual(["1"]), soon);
        const input = await openInput(kinesis, stream.properties);
        const texts = handled(input);
        await stream.put("2");
        await vi.waitFor(() => expect(dapr.records()).toEqual(["1", "2"]), soon);
        // For longer than a lease lasts.
        const { LeaseTimeout = "" } = await leaseOf(stream, shard);
        await vi.waitFor(
          () => expect(Date.now()).toBeGreaterThan(Date.parse(LeaseTimeout) + 500),
          soon,
        );
        expect(texts).toEqual([]);
        await dapr.end("SIGTERM");
        await stream.put("3");
        await vi.waitFor(() => expect(texts).toEqual(["3"]), soon);
        await stream.put("4");
        await vi.waitFor(() => expect(texts).toEqual(["3", "4"]), soon);
        await input.close();
        await stream.put("5");
        const again = startWorker(server, stream, ["-worker", stream.consumerName, "-oldest"]);
        await vi.waitFor(() => expect(again.records()).toEqual(["5"]), soon);
      },
    );

    test(
      "what a worker that was killed has left is taken when its lease has ended",
      { timeout: 90_000 },
      async () => {
        const stream = await makeStream(server);
        await stream.put("1");
        const dapr = startWorker(server, stream, ["-worker", stream.consumerName, "-oldest"]);
        await vi.waitFor(() => expect(dapr.records()).toEqual(["1"]), soon);
        await dapr.end("SIGKILL");
        await stream.put("2");
        const texts = handled(await openInput(kinesis, stream.properties));
        // Its last checkpoint may not have been written.
        await vi.waitFor(() => expect(texts.at(-1)).toBe("2"), soon);
      },
    );

    test(
      "a worker that steals gets one of two shards, and both when the reader ends",
      { timeout: 90_000 },
      async () => {
        const stream = await makeStream(server, 2);
        const keys = await keysOf(stream);
        const input = await openInput(kinesis, stream.properties);
        const texts = handled(input);
        await vi.waitFor(
          () =>
            expect(new Set(input.events.map(({ metadata }) => metadata["shardId"])).size).toBe(2),
          soon,
        );
        // The library steals only shards that have a checkpoint.
        await input.reader.flush();
        const worker = startWorker(server, stream, ["-worker", "w", "-steal", "-oldest"]);
        await vi.waitFor(() => expect(worker.shards()).not.toEqual([]), soon);
        const all = (): (string | undefined)[] => [...texts, ...worker.records()];
        for (const [shard, key] of keys) await stream.put(`shared:${shard}`, key);
        const shared = [...keys.keys()].map((shard) => `shared:${shard}`);
        await vi.waitFor(() => expect(all()).toEqual(expect.arrayContaining(shared)), soon);
        await input.close();
        for (const [shard, key] of keys) await stream.put(`left:${shard}`, key);
        const left = [...keys.keys()].map((shard) => `left:${shard}`);
        await vi.waitFor(
          () => expect(worker.records()).toEqual(expect.arrayContaining(left)),
          soon,
        );
      },
    );

    test(
      "of two shards that a stealing worker has, the reader asks for one",
      { timeout: 90_000 },
      async () => {
        const stream = await makeStream(server, 2);
        const keys = await keysOf(stream);
        const worker = startWorker(server, stream, ["-worker", "w", "-steal", "-oldest"]);
        await vi.waitFor(() => expect(worker.shards()).toHaveLength(2), soon);
        await vi.waitFor(() => expect(worker.records().length).toBeGreaterThanOrEqual(2), soon);
        const texts = handled(await openInput(kinesis, stream.properties));
        await vi.waitFor(async () => {
          const owners = [...(await stream.leases()).values()].map(
            (item) => item["AssignedTo"]?.S ?? "",
          );
          expect(owners.filter((owner) => owner.startsWith("cufflink-"))).toHaveLength(1);
          expect(owners).toContain("w");
        }, soon);
        for (const [shard, key] of keys) await stream.put(`shared:${shard}`, key);
        const shared = [...keys.keys()].map((shard) => `shared:${shard}`);
        const all = (): (string | undefined)[] => [...texts, ...worker.records()];
        await vi.waitFor(() => expect(all()).toEqual(expect.arrayContaining(shared)), soon);
      },
    );
  });
});
