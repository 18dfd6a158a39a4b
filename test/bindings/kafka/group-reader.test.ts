import * as driver from "@platformatic/kafka";
import { expect, test } from "vitest";
import type { InboundEvent } from "../../../src/binding.ts";
import { commitOffsets } from "../../../src/bindings/kafka/commits.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { openComponent, textOf, until } from "./component.ts";
import type { Component } from "./component.ts";
import { numbers, operate, said, sorted, Topics, write } from "./topics.ts";

describeWith("kafka", (kafka) => {
  const topics = new Topics(kafka);
  const topicOf = (partitions?: number): Promise<string> => topics.make(partitions);
  const open = (topic: string, more?: Record<string, string>): Promise<Component> =>
    topics.open(topic, more);

  /** As the coordinator does after a session's time-out. */
  async function putOut(groupId: string): Promise<void> {
    await operate(kafka.brokers, (admin) => admin.removeMembersFromConsumerGroup({ groupId }));
  }

  test("handled is handled: a second reader goes on after it", async () => {
    const topic = await topicOf(2);
    const first = await open(topic, { initialOffset: "oldest" });
    await write(first, numbers(300));
    const before = await first.read();
    await until(() => before.handled.length === 300);
    await first[Symbol.asyncDispose]();
    const second = await open(topic, { initialOffset: "oldest" });
    const after = await second.read();
    await write(second, ["new"]);
    await until(() => after.events.length > 0);
    expect(after.texts).toEqual(["new"]);
  });

  test("a restart repeats only what was not handled, whatever the order was", async () => {
    const topic = await topicOf();
    const first = await open(topic);
    const unhandled = new Set(["3", "10", "11", "250", "399"]);
    const before = await first.read((event) => !unhandled.has(textOf(event)));
    await write(first, numbers(400), () => ({ partitionNumber: "0" }));
    await until(() => before.handled.length === 395);
    await first[Symbol.asyncDispose]();

    // Twice, so that ranges which were read are told again.
    const second = await open(topic);
    const between = await second.read((event) => textOf(event) === "10");
    await until(() => between.events.length === 5);
    expect(sorted(between.texts)).toEqual(["3", "10", "11", "250", "399"]);
    await second[Symbol.asyncDispose]();

    const third = await open(topic);
    const after = await third.read();
    await write(third, ["400"]);
    await until(() => after.texts.includes("400"));
    expect(after.texts).toEqual(["3", "11", "250", "399", "400"]);
  });

  test("returned events stay the source's", async () => {
    const topic = await topicOf();
    const first = await open(topic);
    const before = await first.read(() => false);
    await write(first, ["1", "2"]);
    await until(() => before.events.length === 2);
    for (const event of before.events) event.settle({ outcome: "returned", reason: "shutdown" });
    await first[Symbol.asyncDispose]();
    const second = await open(topic);
    const after = await second.read();
    await until(() => after.handled.length === 2);
    expect(after.texts).toEqual(["1", "2"]);
  });

  test("newest begins at the end, and the first reader's position counts at once", async () => {
    const topic = await topicOf(2);
    const first = await open(topic);
    await write(first, numbers(10));
    const before = await first.read(() => false);
    await first[Symbol.asyncDispose]();
    expect(before.events).toEqual([]);
    // Written while nobody reads: without a commit of what "newest" was they would be skipped.
    const second = await open(topic);
    await write(second, ["missed"]);
    const after = await second.read();
    await until(() => after.events.length > 0);
    expect(after.texts).toEqual(["missed"]);
  });

  test("oldest begins at the beginning", async () => {
    const topic = await topicOf(3);
    const component = await open(topic, { initialOffset: "oldest" });
    await write(component, numbers(100));
    const read = await component.read();
    await until(() => read.handled.length === 100);
    expect(sorted(read.texts)).toEqual(numbers(100));
  });

  test("delivers each partition in order, and a slow partition does not hold another", async () => {
    const topic = await topicOf(2);
    const component = await open(topic, { channelBufferSize: "10" });
    const gate = Promise.withResolvers<boolean>();
    const read = await component.read((event) =>
      event.metadata["__partition"] === "0" ? gate.promise : true,
    );
    await write(component, numbers(200), () => ({ partitionNumber: "0" }));
    await write(component, numbers(1000, 200), () => ({ partitionNumber: "1" }));
    await until(() => read.handled.length === 1000);
    expect(read.events.filter(({ metadata }) => metadata["__partition"] === "0")).toHaveLength(10);
    expect(read.handled.map(textOf)).toEqual(numbers(1000, 200));
    gate.resolve(true);
    await until(() => read.handled.length === 1200);
    expect(read.handled.slice(1000).map(textOf)).toEqual(numbers(200));
  });

  test("is a member still after an event that took longer than the session", async () => {
    const topic = await topicOf();
    const component = await open(topic, { sessionTimeout: "1s", heartbeatInterval: "100ms" });
    const gate = Promise.withResolvers<boolean>();
    const read = await component.read(() => gate.promise);
    await write(component, ["slow"]);
    await until(() => read.events.length === 1);
    const joined = component.log.filter(({ message }) => message.startsWith("joined")).length;
    const began = performance.now();
    await until(() => performance.now() - began > 2500);
    gate.resolve(true);
    await until(() => read.handled.length === 1);
    await read.reader?.flush();
    expect(component.log.filter(({ message }) => message.startsWith("joined"))).toHaveLength(
      joined,
    );
    expect(await component.backlog()).toBe(0);
  });

  test.each(["range", "roundrobin", "sticky"])(
    "a second member loses nothing and repeats nothing, by %s",
    async (consumerGroupRebalanceStrategy) => {
      const topic = await topicOf(4);
      const seen: string[] = [];
      const handle = async (event: InboundEvent): Promise<boolean> => {
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(textOf(event));
        return true;
      };
      const first = await open(topic, { consumerGroupRebalanceStrategy });
      const a = await first.read(handle);
      let written = 0;
      const writer = (async () => {
        while (written < 3000) {
          await write(first, numbers(100, written));
          written += 100;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })();
      await until(() => a.events.length > 200);
      const second = await open(topic, { consumerGroupRebalanceStrategy });
      const b = await second.read(handle);
      await until(
        () => b.events.length > 200,
        () => [a.events.length, b.events.length, written],
      );
      await second[Symbol.asyncDispose]();
      await writer;
      await until(
        () => new Set(seen).size === 3000,
        () => [seen.length, new Set(seen).size],
      );
      expect(sorted(seen)).toEqual(numbers(3000));
    },
  );

  test("events under way at a rebalance are settled if their partition stays", async () => {
    const topic = await topicOf(2);
    const first = await open(topic, { sessionTimeout: "1s" });
    const gate = Promise.withResolvers<boolean>();
    const a = await first.read(() => gate.promise);
    await write(first, numbers(2), (text) => ({ partitionNumber: text }));
    await until(() => a.events.length === 2);
    const second = await open(topic);
    const b = await second.read();
    // The newcomer repeats what was not handled in time; what stayed is not delivered twice.
    await until(() => b.events.length === 1);
    // What went to the newcomer is revoked.
    expect(a.events.map((event) => [textOf(event), event.revoked?.aborted])).toEqual(
      expect.arrayContaining(["0", "1"].map((text) => [text, b.texts.includes(text)])),
    );
    gate.resolve(true);
    await until(() => a.handled.length === 2);
    await a.reader?.flush();
    // Each tells of its own partition.
    expect(await first.backlog()).toBe(0);
    await second[Symbol.asyncDispose]();
    await write(first, ["2", "3"], (text) => ({ partitionNumber: String(Number(text) - 2) }));
    await until(() => a.handled.length >= 4);
    expect(sorted(a.texts)).toEqual(numbers(4));
  });

  test("events under way when the group has put the member out are not repeated, nor those behind them", async () => {
    const topic = await topicOf();
    const component = await open(topic, { heartbeatInterval: "100ms" });
    const gate = Promise.withResolvers<boolean>();
    const read = await component.read((event) => (textOf(event) === "3" ? gate.promise : true));
    await write(component, numbers(10), () => ({ partitionNumber: "0" }));
    await until(() => read.events.length === 10);
    const joined = (): number =>
      component.log.filter(({ message }) => message.startsWith("joined")).length;
    const before = joined();
    await putOut(topic);
    await until(() => joined() > before);
    await write(component, numbers(10, 10), () => ({ partitionNumber: "0" }));
    gate.resolve(true);
    await until(() => read.handled.length >= 20);
    await read.reader?.flush();
    expect(read.texts).toEqual(numbers(20));
    expect(await component.backlog()).toBe(0);
    expect(said(component, /put this member out/)).toHaveLength(1);
    expect(read.condition.text).toBe("");
  });

  test("a member that is put out again and again says so, and what may be the cause", async () => {
    const topic = await topicOf();
    const component = await open(topic, { heartbeatInterval: "100ms" });
    const read = await component.read();
    for (const times of [1, 2, 3]) {
      await putOut(topic);
      await until(() => said(component, /put this member out/).length === times);
    }
    expect(read.condition).toEqual({
      text: expect.stringMatching(
        /^the group put this member out 3 times .*: no heartbeat came within sessionTimeout, or/,
      ),
      stalled: false,
    });
  });

  test("a group that shares by another strategy, and a session too short, are told with their remedy", async () => {
    const topic = await topicOf();
    const first = await open(topic, { consumerGroupRebalanceStrategy: "sticky" });
    await first.read();
    const second = await open(topic);
    await expect(second.read()).rejects.toMatchObject({
      systemCode: "INCONSISTENT_GROUP_PROTOCOL",
      message: expect.stringContaining("set consumerGroupRebalanceStrategy to theirs"),
    });
    const hasty = await open(topic, { sessionTimeout: "500ms", consumerGroup: `${topic}-2` });
    await expect(hasty.read()).rejects.toMatchObject({
      reason: "invalid_argument",
      message: expect.stringContaining("group.min.session.timeout.ms"),
    });
  });

  test("the same key of two topics has two keys", async () => {
    const [one, two] = [await topicOf(), await topicOf()];
    const component = await open(`${one},${two}`, {
      publishTopic: one,
      initialOffset: "oldest",
      consumerGroup: one,
    });
    const other = await open(two, { consumerGroup: two });
    const read = await component.read();
    await component.create("1", { partitionKey: "k" });
    await other.create("2", { partitionKey: "k" });
    await until(() => read.events.length === 2);
    expect(new Set(read.events.map(({ key }) => key)).size).toBe(2);
  });
});

const properties = { "auto.create.topics.enable": "false" };
describeWith("kafka", { own: true, properties }, (kafka) => {
  test("brokers that make no topics: a message to one that is not there is refused by its name", async () => {
    const component = await openComponent({ brokers: kafka.brokers, publishTopic: "nowhere" });
    await expect(component.create("x")).rejects.toMatchObject({
      reason: "not_found",
      effect: "unsent",
      message: expect.stringContaining(
        "there is no topic nowhere, and the brokers do not create it",
      ),
    });
  });

  test(
    "records that a new leader has in the place of others that were read are read, too",
    { timeout: 120_000 },
    async () => {
      const topics = new Topics(kafka);
      const topic = await topics.make(1, "replaced");
      await topics.writeTo(topic, [0], 2);
      // As if 100, or 4, had been read of the log of the first leader, which had only two of them in the end.
      for (const offset of [100, 4]) {
        const member = await topics.member(topic, `at-${offset}`);
        const commit = { topic, partition: 0, offset, text: "", epoch: 0 };
        expect((await commitOffsets(driver, member, [commit])).size).toBe(0);
        await member.close(true);
      }
      await kafka.restart();
      await topics.writeTo(topic, [0], 3);
      for (const offset of [100, 4]) {
        const component = await topics.open(topic, { consumerGroup: `at-${offset}` });
        const read = await component.read();
        await until(
          () => new Set(read.handled.map((one) => one.id)).size === 3,
          () => [offset, read.texts, String(read.lost), component.log],
        );
        expect(new Set(read.texts)).toEqual(new Set(["0:0", "0:1", "0:2"]));
        expect(new Set(read.events.map(({ metadata }) => metadata["__offset"]))).toEqual(
          new Set(["2", "3", "4"]),
        );
        expect(said(component, /truncated by a new leader/)).toEqual([
          { topic, partition: 0, position: offset, common: 2 },
        ]);
        expect(read.missed).toEqual([]);
      }
    },
  );

  test(
    "a broker's restart loses nothing and stores nothing twice",
    { timeout: 120_000 },
    async () => {
      await kafka.createTopic("restarted", 2);
      const properties = {
        brokers: kafka.brokers,
        topics: "restarted",
        publishTopic: "restarted",
        consumerGroup: "g",
        initialOffset: "oldest",
      };
      const component = await openComponent(properties);
      const handled = new Set<string>();
      const places = new Map<string, Set<string>>();
      const handle = (event: InboundEvent): boolean => {
        handled.add(textOf(event));
        places.set(textOf(event), (places.get(textOf(event)) ?? new Set()).add(event.id ?? ""));
        return true;
      };
      let read = await component.read(handle);
      const written: string[] = [];
      const writing = new AbortController();
      const effects = new Set<string | undefined>();
      const writer = (async () => {
        for (let i = 0; !writing.signal.aborted; i++) {
          try {
            await component.create(String(i), { partitionKey: String(i) });
            written.push(String(i));
          } catch (error) {
            effects.add((error as { effect?: string }).effect);
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
      })();
      await until(() => written.length > 200 && handled.size > 100);
      await kafka.restart();
      const already = written.length;
      await until(
        () => written.length > already + 200,
        () => written.length,
        60_000,
      );
      writing.abort();
      await writer;
      const all = (): boolean => written.every((text) => handled.has(text));
      await until(
        () => all() || read.lost !== undefined,
        () => [written.filter((text) => !handled.has(text)), String(read.lost), component.log],
        60_000,
      );
      if (read.lost !== undefined) {
        await read.close();
        read = await component.read(handle);
      }
      await until(
        all,
        () => [written.filter((text) => !handled.has(text)), String(read.lost), component.log],
        60_000,
      );
      expect(effects).not.toContain("rejected");
      expect(effects).not.toContain(undefined);
      expect([...places].filter(([, offsets]) => offsets.size > 1)).toEqual([]);
    },
  );

  test(
    "a broker that is gone for good: reading is lost, and sending says that nothing was sent",
    { timeout: 120_000 },
    async () => {
      await kafka.createTopic("gone");
      const component = await openComponent({
        brokers: kafka.brokers,
        topics: "gone",
        publishTopic: "gone",
        consumerGroup: "gone",
        sessionTimeout: "2s",
      });
      const read = await component.read();
      await component.create("1");
      await kafka.kill();
      await expect(component.create("2")).rejects.toMatchObject({
        reason: "unavailable",
        effect: expect.stringMatching(/unsent|ambiguous/),
      });
      await expect(component.create("3")).rejects.toMatchObject({
        reason: "unavailable",
        effect: "unsent",
      });
      await until(() => read.lost !== undefined, undefined, 30_000);
      await expect(component.ping()).rejects.toMatchObject({ reason: "unavailable" });
    },
  );
});
