import { expect, test } from "vitest";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { numbers, operate, partitionOf, said, sorted, Topics, write } from "./topics.ts";
import { until } from "./component.ts";

// Each row of the table in docs/bindings/kafka.md about where reading begins.
describeWith("kafka", (kafka) => {
  const topics = new Topics(kafka);

  test("a group that is new begins at the newest record, and tells how many it passes", async () => {
    const topic = await topics.make(2);
    await topics.writeTo(topic, [0, 1], 5);
    const component = await topics.open(topic);
    const read = await component.read();
    await write(component, ["new"]);
    await until(() => read.events.length > 0);
    expect(read.texts).toEqual(["new"]);
    expect(said(component, /begins at the newest record/)).toEqual([
      { topic, partitions: [0, 1], passed: 10 },
    ]);
    expect(read.missed).toEqual([["no commit", 10]]);
    expect(read.condition).toEqual({
      text: expect.stringContaining(`10 older records of ${topic} are not read`),
      stalled: false,
    });
  });

  test("members of a new group that come at the same time read no old record, and skip no new one", async () => {
    const topic = await topics.make(6);
    await topics.writeTo(topic, [0, 1, 2, 3, 4, 5], 2);
    const members = await Promise.all(numbers(3).map(() => topics.open(topic)));
    const reads = await Promise.all(members.map((member) => member.read()));
    const written = await topics.writeTo(topic, [0, 1, 2, 3, 4, 5], 4);
    await until(() => reads.flatMap(({ handled }) => handled).length >= written.length);
    expect(reads.flatMap(({ texts }) => texts).sort()).toEqual(written.sort());
  });

  test("partitions that came while nobody read are read from their start", async () => {
    const topic = await topics.make(1);
    await topics.readOnce(topic, numbers(5));
    await topics.grow(topic, 3);
    const written = await topics.writeTo(topic, [1, 2], 5);
    const component = await topics.openElsewhere(topic);
    const read = await component.read(() => false);
    await until(() => read.events.length === 10);
    expect(read.texts.sort()).toEqual(written);
    expect(said(component, /without a commit .* read from their start/)).toEqual([
      { topic, partitions: [1, 2], records: 10 },
    ]);
    // What is read from its start waits for this reader, too.
    expect(await component.backlog()).toBe(10);
  });

  test("partitions that come while it is read are read from their start", async () => {
    const topic = await topics.make(1);
    const component = await topics.open(topic, {
      clientConnectionTopicMetadataRefreshInterval: "500ms",
    });
    const read = await component.read();
    await topics.grow(topic, 3);
    const written = await topics.writeTo(topic, [0, 1, 2], 5);
    await until(() => read.handled.length >= 15);
    expect(read.texts.sort()).toEqual(written);
    expect(said(component, /more partitions now/)).toEqual([
      { topic, partitions: 3, partitionsBefore: 1 },
    ]);
  });

  test("members look at topics anew when they meet, however old what one of them knows is", async () => {
    const topic = await topics.make(1);
    const clientConnectionTopicMetadataRefreshInterval = "1h";
    const first = await topics.open(topic, { clientConnectionTopicMetadataRefreshInterval });
    const old = await first.read();
    await topics.grow(topic, 4);
    const written = await topics.writeTo(topic, [0, 1, 2, 3], 5);
    const second = await topics.open(topic, {
      clientConnectionTopicMetadataRefreshInterval: "500ms",
    });
    const fresh = await second.read();
    await until(() => old.handled.length + fresh.handled.length >= 20);
    expect([...old.texts, ...fresh.texts].sort()).toEqual(written);
    await topics.grow(topic, 6);
    written.push(...(await topics.writeTo(topic, [4, 5], 5)));
    // Only one of them looks, which is not the group's leader; whoever has the new ones reads them.
    await until(() => old.handled.length + fresh.handled.length >= 30);
    expect([...old.texts, ...fresh.texts].sort()).toEqual(written);
    expect(new Set([...old.events, ...fresh.events].map(partitionOf)).size).toBe(6);
  });

  test("a topic that only one of two members reads is read, whoever leads the group", async () => {
    const [shared, more] = [await topics.make(2), await topics.make(2)];
    const first = await topics.open(shared);
    const one = await first.read();
    const second = await topics.open(`${shared},${more}`, {
      ...{ consumerGroup: shared, publishTopic: more },
    });
    const other = await second.read();
    await topics.writeTo(more, [0, 1], 2);
    await until(() => other.handled.length === 4);
    expect(one.events).toEqual([]);
  });

  test("a leader shares what another member has found out about a topic that the leader does not read", async () => {
    const [shared, more] = [await topics.make(1), await topics.make(1)];
    const leader = await topics.open(shared, {
      clientConnectionTopicMetadataRefreshInterval: "1h",
    });
    await leader.read();
    const second = await topics.open(`${shared},${more}`, {
      ...{ consumerGroup: shared, publishTopic: more },
      clientConnectionTopicMetadataRefreshInterval: "500ms",
    });
    const read = await second.read();
    await topics.grow(more, 3);
    const written = await topics.writeTo(more, [0, 1, 2], 2);
    await until(() => read.handled.length === written.length);
    expect(read.texts.toSorted()).toEqual(written);
  });

  test("a topic that is added to a group begins at the newest record, the others go on", async () => {
    const [old, added] = [await topics.make(), await topics.make()];
    await topics.readOnce(old, ["0"]);
    await topics.writeTo(added, [0], 3);
    const missed = await topics.writeTo(old, [0], 2);
    const component = await topics.open(`${old},${added}`, {
      ...{ consumerGroup: old, publishTopic: added },
    });
    const read = await component.read();
    await write(component, ["new"]);
    await until(() => read.handled.length === 3);
    expect(read.texts.sort()).toEqual([...missed, "new"].sort());
    expect(said(component, /begins at the newest record/)).toEqual([
      { topic: added, partitions: [0], passed: 3 },
    ]);
  });

  test("all commits expired: the group begins anew, and tells how many records that passes", async () => {
    const topic = await topics.make();
    await topics.readOnce(topic, numbers(3));
    await topics.writeTo(topic, [0], 4);
    await topics.forget(topic, [0]);
    const component = await topics.openElsewhere(topic);
    const read = await component.read();
    expect(read.missed).toEqual([["no commit", 7]]);
    expect(read.condition.text).toMatch(/^7 older records of .* are not read/);
    expect(said(component, /its commits have expired/)).toHaveLength(1);
  });

  test.each([
    ["newest", []],
    ["oldest", ["new:0", "new:1"]],
  ])(
    "a topic that is made anew while nobody reads is as a new group's, by initialOffset %s",
    async (initialOffset, expected) => {
      const topic = await topics.make();
      await topics.readOnce(topic, numbers(3), { initialOffset });
      await topics.makeAnew(topic, 2);
      const component = await topics.openElsewhere(topic, { initialOffset });
      await write(component, ["new:0", "new:1"], (text) => ({
        partitionNumber: text.slice("new:".length),
      }));
      const read = await component.read();
      await write(component, ["later"]);
      await until(() => read.texts.includes("later"));
      await until(() => read.handled.length > expected.length);
      expect(read.texts.toSorted()).toEqual(["later", ...expected]);
      expect(read.missed).toEqual(initialOffset === "newest" ? [["no commit", 2]] : []);
    },
  );

  test("initialOffset oldest reads what has no commit from its start: new partitions, expired commits, a topic made anew", async () => {
    const topic = await topics.make(1);
    const initialOffset = "oldest";
    await topics.readOnce(topic, ["0:0", "0:1"], { initialOffset });
    await topics.grow(topic, 2);
    await topics.writeTo(topic, [1], 2);
    const more = { initialOffset, clientConnectionTopicMetadataRefreshInterval: "500ms" };
    const grown = await topics.openElsewhere(topic, more);
    const first = await grown.read();
    await until(() => first.handled.length === 2);
    expect(first.texts).toEqual(["1:0", "1:1"]);
    await grown[Symbol.asyncDispose]();
    await topics.forget(topic, [0, 1]);
    const again = await topics.openElsewhere(topic, more);
    const second = await again.read();
    await until(() => second.handled.length === 4);
    expect(second.texts.toSorted()).toEqual(["0:0", "0:1", "1:0", "1:1"]);
    await topics.makeAnew(topic, 3);
    const written = await topics.writeTo(topic, [0, 1, 2], 1);
    await until(() => new Set(second.texts.slice(4)).size === 3);
    expect(second.texts.slice(4).toSorted()).toEqual(written);
    expect([...first.missed, ...second.missed]).toEqual([]);
  });

  test("some commits expired: those partitions are read from their start", async () => {
    const topic = await topics.make(2);
    await topics.readOnce(topic, numbers(3));
    await topics.writeTo(topic, [1], 2);
    await topics.forget(topic, [1]);
    const component = await topics.openElsewhere(topic);
    const read = await component.read();
    await until(() => read.handled.length === 2);
    expect(sorted(read.texts)).toEqual(["1:0", "1:1"]);
    expect(read.missed).toEqual([]);
  });

  test("commits expired while this process knows where it was: it goes on there", async () => {
    const topic = await topics.make();
    await topics.readOnce(topic, numbers(3));
    const missed = await topics.writeTo(topic, [0], 4);
    await topics.forget(topic, [0]);
    const component = await topics.open(topic);
    const read = await component.read();
    await until(() => read.handled.length === 4);
    expect(read.texts).toEqual(missed);
    expect(said(component, /the group's commits are gone/)).toEqual([
      { topic, partitions: [0], records: 4 },
    ]);
  });

  test("records that retention took before they were read are counted, and reading goes on behind them", async () => {
    const topic = await topics.make();
    await topics.readOnce(topic, numbers(5));
    await topics.writeTo(topic, [0], 15);
    await operate(kafka.brokers, (admin) =>
      admin.deleteRecords({
        topics: [{ name: topic, partitions: [{ partition: 0, offset: 15n }] }],
      }),
    );
    const component = await topics.open(topic);
    const read = await component.read();
    await until(() => read.handled.length === 5);
    expect(read.texts).toEqual(numbers(5, 10).map((number) => `0:${number}`));
    expect(said(component, /deleted before they were read/)).toEqual([
      { topic, partition: 0, position: 5, start: 15, end: 20, lost: 10 },
    ]);
    expect(read.missed).toEqual([["retention", 10]]);
    expect(read.condition).toEqual({
      text: `10 records were deleted before they were read, last of ${topic}[0]`,
      stalled: false,
    });
  });

  test("a position behind the end of a log that was truncated: reading goes on at its end", async () => {
    const topic = await topics.make();
    await topics.writeTo(topic, [0], 2);
    await operate(kafka.brokers, (admin) =>
      admin.alterConsumerGroupOffsets({
        groupId: topic,
        topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset: 100n }] }],
      }),
    );
    const component = await topics.open(topic);
    const read = await component.read();
    await until(() => read.missed.length > 0);
    await write(component, ["new"]);
    await until(() => read.handled.length > 0);
    expect(read.texts).toEqual(["new"]);
    expect(read.missed).toEqual([["truncated", 98]]);
    expect(read.condition.text).toContain("98 offsets were cut off the log's end");
  });

  test.each([
    ["more", 2, 5],
    ["fewer", 5, 2],
    ["as many", 2, 2],
  ])(
    "a topic that is deleted and made anew with %s partitions is read from its start, all of it",
    async (_, before, now) => {
      const topic = await topics.make(before);
      const component = await topics.open(topic, {
        clientConnectionTopicMetadataRefreshInterval: "500ms",
      });
      const read = await component.read();
      const old = await topics.writeTo(topic, [0, 1], 3);
      await until(() => read.handled.length === old.length);
      await topics.makeAnew(topic, now);
      const partitions = numbers(now).map(Number);
      const written = await topics.writeTo(topic, partitions, 2);
      const fresh = (): string[] => read.texts.slice(old.length).sort();
      await until(
        () => new Set(fresh()).size === written.length,
        () => [fresh(), component.log],
      );
      expect(fresh()).toEqual(written);
      expect(said(component, /more partitions now/)).toEqual([]);
      await until(() => read.condition.text === "");
      // The new positions are the group's.
      await read.reader?.flush();
      expect(await component.backlog()).toBe(0);
    },
  );

  test("a topic that is not there is named, is not made by the reader, and is read from its start once it is", async () => {
    const topic = uniqueName("typo");
    const component = await topics.open(topic);
    const read = await component.read();
    expect(read.condition).toEqual({ text: `there is no topic ${topic}`, stalled: true });
    expect(said(component, /there is no such topic/)).toEqual([{ topic }]);
    expect(await component.backlog()).toBe(0);
    expect(await topics.names()).not.toContain(topic);
    await topics.make(2, topic);
    const written = await topics.writeTo(topic, [0, 1], 2);
    await until(() => read.handled.length === 4);
    expect(read.texts.sort()).toEqual(written);
    expect(read.condition).toEqual({ text: "", stalled: false });
  });

  test("one missing topic of two is named, and the other is read", async () => {
    const [topic, missing] = [await topics.make(), uniqueName("typo")];
    const component = await topics.open(topic, { topics: `${missing},${topic}` });
    const read = await component.read();
    await component.create("x");
    await until(() => read.handled.length === 1);
    expect(read.condition).toEqual({ text: `there is no topic ${missing}`, stalled: false });
    expect(await topics.names()).not.toContain(missing);
    // A second member meets it although neither has the topic.
    const second = await topics.open(topic, { topics: `${missing},${topic}` });
    const other = await second.read();
    await component.create("y");
    await until(() => read.handled.length + other.handled.length === 2);
  });

  test("a topic that is deleted is named, and read from its start when somebody makes it", async () => {
    const [topic, other] = [await topics.make(), await topics.make()];
    const component = await topics.open(topic, {
      topics: `${topic},${other}`,
      clientConnectionTopicMetadataRefreshInterval: "500ms",
    });
    const read = await component.read();
    await component.create("old");
    await until(() => read.handled.length === 1);
    await topics.delete(topic);
    await until(() => read.condition.text !== "");
    expect(read.condition).toEqual({ text: `there is no topic ${topic}`, stalled: false });
    await topics.writeTo(other, [0], 1);
    await until(() => read.handled.length === 2);
    expect(await topics.names()).not.toContain(topic);
    await topics.make(3, topic);
    const written = await topics.writeTo(topic, [0, 1, 2], 2);
    await until(() => read.handled.length === 8);
    expect(read.texts.slice(2).sort()).toEqual(written);
    expect(read.lost).toBeUndefined();
  });
});
