import * as driver from "@platformatic/kafka";
import { expect, test } from "vitest";
import { commitOffsets, committedOffsets } from "../../../src/bindings/kafka/commits.ts";
import { firstPositions } from "../../../src/bindings/kafka/beginnings.ts";
import type { Beginning, BeginningOptions } from "../../../src/bindings/kafka/beginnings.ts";
import { SeenTopics } from "../../../src/bindings/kafka/seen-topics.ts";
import { TopicWatch } from "../../../src/bindings/kafka/topic-watch.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { Topics } from "./topics.ts";

describeWith("kafka", (kafka) => {
  const topics = new Topics(kafka);

  function optionsOf(
    more: Partial<BeginningOptions> = {},
  ): BeginningOptions & { told: Beginning[] } {
    const told: Beginning[] = [];
    return {
      ...{ initial: "newest", partitionsOf: () => 3, isYounger: () => false, alone: false },
      waiting: new Map(),
      ...{ known: () => undefined, rests: () => false, begun: (one) => void told.push(one), told },
      ...more,
    };
  }

  test("the member with the first partition begins a topic as a whole; others wait for it", async () => {
    const topic = await topics.make(3);
    await topics.writeTo(topic, [0, 1, 2], 2);
    const consumer = await topics.member(topic);
    const place = (partition: number) => ({ topic, partition });
    const options = optionsOf();
    expect(await firstPositions(driver, consumer, [place(1)], options)).toEqual([]);
    expect(options.told).toEqual([]);
    const [first] = await firstPositions(driver, consumer, [place(0)], options);
    expect(first).toMatchObject({ partition: 0, offset: 2 });
    expect(options.told).toEqual([
      { topic, kind: "newest", partitions: [0, 1, 2], passed: 6, ahead: 0 },
    ]);
    // What comes from now on belongs to the group, whoever reads it and whenever.
    await topics.writeTo(topic, [1, 2], 3);
    const [second] = await firstPositions(driver, consumer, [place(1)], options);
    expect(second).toMatchObject({ partition: 1, offset: 2 });
    const all = await committedOffsets(driver, consumer, [0, 1, 2].map(place));
    expect(all.map(({ offset }) => offset)).toEqual([2, 2, 2]);
  });

  test("where nobody begins a topic, the partitions begin alone", async () => {
    const topic = await topics.make(3);
    await topics.writeTo(topic, [0, 1, 2], 2);
    const consumer = await topics.member(topic);
    const place = { topic, partition: 2 };
    const options = optionsOf();
    expect(await firstPositions(driver, consumer, [place], options)).toEqual([]);
    // What comes while they wait for another member is not passed over.
    await topics.writeTo(topic, [2], 3);
    const alone = { ...options, alone: true };
    const found = await firstPositions(driver, consumer, [place], alone);
    expect(found).toMatchObject([{ partition: 2, offset: 2 }]);
    expect(options.told).toMatchObject([{ kind: "newest", partitions: [2], ahead: 3 }]);
  });

  test("a group that was new when a member came is new for it, though others have committed since", async () => {
    const topic = await topics.make(3);
    await topics.writeTo(topic, [0, 1, 2], 2);
    const consumer = await topics.member(topic);
    const place = { topic, partition: 1 };
    const options = optionsOf();
    await firstPositions(driver, consumer, [place], options);
    // A client that commits its own partition alone, and only once it has handled something.
    await commitOffsets(driver, consumer, [
      { topic, partition: 0, offset: 2, text: "", epoch: -1 },
    ]);
    const found = await firstPositions(driver, consumer, [place], options);
    expect(found).toMatchObject([{ partition: 1, offset: 2 }]);
  });

  test("a partition that is younger than the reading begins at 0 in a topic that is begun, too", async () => {
    const topic = await topics.make(3);
    await topics.writeTo(topic, [0, 1, 2], 2);
    const consumer = await topics.member(topic);
    const options = optionsOf({ isYounger: ({ partition }) => partition === 2 });
    await firstPositions(driver, consumer, [{ topic, partition: 0 }], options);
    const all = await committedOffsets(
      driver,
      consumer,
      [0, 1, 2].map((partition) => ({ topic, partition })),
    );
    expect(all.map(({ offset }) => offset)).toEqual([2, 2, 0]);
  });

  test("initialOffset oldest begins at the start and commits nothing", async () => {
    const topic = await topics.make(3);
    await topics.writeTo(topic, [1], 2);
    const consumer = await topics.member(topic);
    const place = { topic, partition: 1 };
    const options = optionsOf({ initial: "oldest" });
    expect(await firstPositions(driver, consumer, [place], options)).toEqual([
      { ...place, offset: 0, text: null, epoch: -1 },
    ]);
    expect(await committedOffsets(driver, consumer, [place])).toMatchObject([{ offset: -1 }]);
  });
});

function cluster(topic: string, id: string, partitionsCount: number): driver.ClusterMetadata {
  const found = { id, partitionsCount, partitions: [], lastUpdate: 0 };
  return {
    id: "",
    brokers: new Map(),
    topics: new Map([[topic, found]]),
    lastUpdate: 0,
    controllerId: 0,
  };
}

test("a partition is younger than the reading if it was seen to be missing, or its topic to be another", () => {
  const seen = SeenTopics.of(["a:1", "b:1"], uniqueName("g"));
  const young = (): number[] =>
    [0, 1, 2].filter((partition) => seen.isYounger({ topic: "t", partition }));
  expect(young()).toEqual([]);
  seen.see("t", { id: "1", partitionsCount: 2 });
  expect(young()).toEqual([2]);
  seen.see("t", { id: "1", partitionsCount: 3 });
  expect(young()).toEqual([2]);
  seen.see("t", { id: "2", partitionsCount: 2 });
  expect(young()).toEqual([0, 1, 2]);
});

test("what a process has seen of a group outlives the reader, whatever order the brokers are named in", () => {
  const group = uniqueName("g");
  SeenTopics.of(["a:1", "b:1"], group).see("t", { id: "", partitionsCount: 0 });
  expect(SeenTopics.of(["b:1", "a:1"], group).isYounger({ topic: "t", partition: 0 })).toBe(true);
  expect(SeenTopics.of(["a:1"], group).isYounger({ topic: "t", partition: 0 })).toBe(false);
});

test("a watch tells growth, absence and another topic of the name, each once", () => {
  const watch = new TopicWatch(["t"], SeenTopics.of(["a:1"], uniqueName("g")));
  const look = (id: string, count: number): object[] => watch.look(cluster("t", id, count));
  expect(look("1", 2)).toEqual([]);
  expect(look("1", 2)).toEqual([]);
  expect(look("1", 3)).toEqual([{ topic: "t", isAnother: false, before: 2, now: 3 }]);
  expect(look("", 0)).toEqual([{ topic: "t", isAnother: false, before: 3, now: 0 }]);
  expect(watch.missing).toEqual(["t"]);
  expect(look("", 0)).toEqual([]);
  expect(look("2", 3)).toEqual([{ topic: "t", isAnother: true, before: 0, now: 3 }]);
  expect(watch.missing).toEqual([]);
  expect(look("3", 3)).toEqual([{ topic: "t", isAnother: true, before: 3, now: 3 }]);
  expect([watch.idOf("t"), watch.partitionsOf("t")]).toEqual(["3", 3]);
});
