import { Admin, Consumer } from "@platformatic/kafka";
import { onTestFinished } from "vitest";
import type { InboundEvent } from "../../../src/binding.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { openComponent, until } from "./component.ts";
import type { Component } from "./component.ts";

/** Texts that count from `from`. */
export function numbers(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => String(from + i));
}

/** Texts as numbers count. */
export function sorted(texts: Iterable<string>): string[] {
  return [...texts].sort((a, b) => Number(a) - Number(b));
}

export async function write(
  component: Component,
  texts: string[],
  properties: (text: string) => Record<string, string> = () => ({}),
): Promise<void> {
  await Promise.all(texts.map((text) => component.create(text, properties(text))));
}

/** The partition that an event came from. */
export function partitionOf({ metadata }: InboundEvent): number {
  return Number(metadata["__partition"]);
}

/** Does something as the cluster's operator. */
export async function operate<Result>(
  brokers: string,
  act: (admin: Admin) => Promise<Result>,
): Promise<Result> {
  const admin = new Admin({ clientId: "operator", bootstrapBrokers: brokers.split(",") });
  try {
    return await act(admin);
  } finally {
    await admin.close();
  }
}

/** Topics of a cluster, their groups, and components that read and write them. */
export class Topics {
  readonly brokers: string;
  readonly #create: (name: string, partitions: number) => Promise<void>;

  constructor(server: {
    readonly brokers: string;
    createTopic(name: string, partitions?: number): Promise<void>;
  }) {
    this.brokers = server.brokers;
    this.#create = (name, partitions) => server.createTopic(name, partitions);
  }

  async make(partitions = 1, name = uniqueName("orders")): Promise<string> {
    await this.#create(name, partitions);
    return name;
  }

  /** Opens a component that reads the topic in the group of its name, and writes it. */
  open(topic: string, more: Record<string, string> = {}): Promise<Component> {
    return openComponent({
      ...{ brokers: this.brokers, topics: topic, publishTopic: topic, consumerGroup: topic },
      ...{ heartbeatInterval: "200ms", ...more },
    });
  }

  /** As another process would: what this one knows of the group from earlier readers does not count. */
  openElsewhere(topic: string, more: Record<string, string> = {}): Promise<Component> {
    return this.open(topic, { ...more, brokers: `${this.brokers},${this.brokers.split(",")[0]}` });
  }

  /** Has a reader begin in the topic and end again, `read` handled. */
  async readOnce(topic: string, texts: string[], more: Record<string, string> = {}): Promise<void> {
    const component = await this.open(topic, more);
    const read = await component.read();
    await write(component, texts, () => ({ partitionNumber: "0" }));
    await until(() => read.handled.length === texts.length);
    await component[Symbol.asyncDispose]();
  }

  /** A member of a group, with the driver alone, which has all of the topic. */
  async member(topic: string, groupId = topic): Promise<Consumer> {
    const consumer = new Consumer({
      ...{ clientId: "test", groupId, bootstrapBrokers: this.brokers.split(",") },
    });
    onTestFinished(() => consumer.close(true));
    consumer.topics.track(topic);
    await consumer.joinGroup({});
    return consumer;
  }

  async grow(topic: string, count: number): Promise<void> {
    await operate(this.brokers, (admin) =>
      admin.createPartitions({ topics: [{ name: topic, count }] }),
    );
  }

  async delete(topic: string): Promise<void> {
    await operate(this.brokers, (admin) => admin.deleteTopics({ topics: [topic] }));
  }

  /** The topic of the same name, deleted and made anew. */
  async makeAnew(topic: string, partitions: number): Promise<void> {
    await this.delete(topic);
    await until(async () => !(await this.names()).includes(topic));
    await this.make(partitions, topic);
  }

  names(): Promise<string[]> {
    return operate(this.brokers, (admin) => admin.listTopics());
  }

  /** Deletes what the group has committed, as expiry does. */
  async forget(topic: string, partitions: number[], group = topic): Promise<void> {
    await operate(this.brokers, (admin) =>
      admin.deleteConsumerGroupOffsets({
        groupId: group,
        topics: [{ name: topic, partitionIndexes: partitions }],
      }),
    );
  }

  /** Writes one text to each of the partitions as often as `each` says: `2:0` is the first of partition 2. */
  async writeTo(topic: string, partitions: number[], each: number): Promise<string[]> {
    const writer = await openComponent(
      { brokers: this.brokers, publishTopic: topic },
      { directions: { input: false, output: true } },
    );
    const texts: string[] = [];
    for (const partition of partitions) {
      for (const number of numbers(each)) {
        texts.push(`${partition}:${number}`);
        // A broker may need a moment to know a partition that was just made.
        await until(() =>
          writer.create(`${partition}:${number}`, { partitionNumber: String(partition) }).then(
            () => true,
            () => false,
          ),
        );
      }
    }
    await writer[Symbol.asyncDispose]();
    return texts;
  }
}

/** The messages of a component's log that match. */
export function said(component: Component, pattern: RegExp): object[] {
  return component.log.filter(({ message }) => pattern.test(message)).map(({ fields }) => fields);
}
