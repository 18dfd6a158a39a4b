// The scenarios of Dapr's certification of the Kafka binding, under their names, with sidecars, apps and three brokers.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ComponentYaml, Daemon } from "../e2e/daemon.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { startKafkaCluster, type KafkaCluster } from "../servers/kafka-cluster.ts";
import { until } from "../until.ts";
import { startApp, type App } from "./app.ts";
import { expectInvoked, invoke, durationOf, pause, startSidecar, untilState } from "./sidecar.ts";

const limit = { timeout: 300_000 };
const partitions = 6;

type Sent = { readonly key: string; readonly sequence: number; readonly uuid: string };

function reader(brokers: string, topic: string, group: string): ComponentYaml {
  return {
    name: "orders",
    type: "bindings.kafka",
    metadata: {
      ...{ brokers, topics: topic, consumerGroup: group, authType: "none" },
      ...{ initialOffset: "oldest", direction: "input" },
    },
  };
}

function writer(brokers: string, topic: string): ComponentYaml {
  const metadata = { brokers, publishTopic: topic, authType: "none", direction: "output" };
  return { name: "out", type: "bindings.kafka", metadata };
}

/** Sends events over ten keys through a sidecar's output, each until the output answers that the brokers have it. */
class Sender {
  readonly sent: Sent[] = [];
  readonly #daemon: Daemon;
  #next = 0;

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
  }

  async send(): Promise<void> {
    const number = this.#next++;
    const event = {
      key: `key-${number % 10}`,
      sequence: Math.floor(number / 10),
      uuid: randomUUID(),
    };
    const data = JSON.stringify(event);
    await until(
      async () =>
        (await invoke(this.#daemon, "out", "create", { data, partitionKey: event.key })).ok,
      {
        what: () => `an event to be taken:\n${this.#daemon.output().slice(-4000)}`,
        within: 120_000,
      },
    );
    this.sent.push(event);
  }

  async sendMany(count: number): Promise<void> {
    for (let number = 0; number < count; number++) await this.send();
  }

  /** Sends one after another until `over` says so. */
  async sendWhile(going: () => boolean): Promise<void> {
    while (going()) {
      await this.send();
      await pause(5);
    }
  }
}

function eventsOf(apps: readonly App[]): Sent[] {
  return apps
    .flatMap((app) => app.texts())
    .map((text) => JSON.parse(JSON.parse(text) as string) as Sent);
}

/** Waits until the apps together have handled all that was sent. */
async function untilHandled(sender: Sender, apps: readonly App[], daemon: Daemon): Promise<void> {
  const open = (): number => {
    const handled = new Set(eventsOf(apps).map(({ uuid }) => uuid));
    return sender.sent.filter(({ uuid }) => !handled.has(uuid)).length;
  };
  await until(() => open() === 0, {
    what: () => `${open()} of ${sender.sent.length} events:\n${daemon.output().slice(-4000)}`,
    within: 120_000,
  });
}

/** Each key's events came in the order in which they were sent; what came again is left out. */
function expectOrdered(app: App): void {
  const seen = new Set<string>();
  const first = eventsOf([app]).filter(({ uuid }) => !seen.has(uuid) && seen.add(uuid));
  for (const [key, events = []] of Object.entries(Object.groupBy(first, ({ key }) => key))) {
    const sequences = events.map(({ sequence }) => sequence);
    expect(sequences, key).toEqual(sequences.toSorted((a, b) => a - b));
  }
}

describeWith("kafka", { own: true, started: false }, () => {
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await startKafkaCluster();
  }, 180_000);
  afterAll(() => cluster?.[Symbol.asyncDispose](), 60_000);

  async function topicAndSender(): Promise<{ topic: string; sender: Sender; out: Daemon }> {
    const topic = uniqueName("certified");
    await cluster.createTopic(topic, partitions);
    const out = await startSidecar([writer(cluster.brokers, topic)]);
    await untilState(out, "out");
    return { topic, sender: new Sender(out), out };
  }

  test(
    "three brokers, keyed, in order, with an error of the app every 100th; a second group; a third consumer, unordered",
    limit,
    async () => {
      const { topic, sender } = await topicAndSender();
      const start = async (group: string, app: App): Promise<Daemon> => {
        const component = reader(cluster.brokers, topic, `${topic}-${group}`);
        const daemon = await startSidecar([component], { appPort: app.port });
        await untilState(daemon, "orders");
        return daemon;
      };
      const options = { errorEvery: 100 };
      const one = await startApp(["orders"], options);
      const first = await start("group-1", one);
      await sender.sendMany(300);
      await untilHandled(sender, [one], first);
      const two = await startApp(["orders"], options);
      const second = await start("group-2", two);
      await untilHandled(sender, [two], second);
      for (const app of [one, two]) {
        expect(app.refusals).toBeGreaterThanOrEqual(3);
        expectOrdered(app);
      }

      const three = await startApp(["orders"], options);
      await start("group-2", three);
      await sender.sendWhile(() => three.handled.length === 0);
      await sender.sendMany(100);
      await untilHandled(sender, [one], first);
      await untilHandled(sender, [two, three], second);
      expectOrdered(one);
    },
  );

  test("a sidecar, then its app, stopped under load: the group rebalances", limit, async () => {
    const { topic, sender } = await topicAndSender();
    const component = reader(cluster.brokers, topic, topic);
    const apps = [await startApp(["orders"]), await startApp(["orders"])];
    const [leaving, staying] = apps as [App, App];
    const first = await startSidecar([component], { appPort: leaving.port });
    const second = await startSidecar([component], { appPort: staying.port });
    await untilState(first, "orders");
    await untilState(second, "orders");
    let going = true;
    const sending = sender.sendWhile(() => going);
    await until(() => apps.every((app) => app.handled.length > 20), {
      what: () => `both to share the load:\n${first.output()}\n${second.output()}`,
      within: 60_000,
    });
    expect(await first.end()).toBe(0);
    await leaving.stop();
    await pause(durationOf(10));
    going = false;
    await sending;
    await untilHandled(sender, apps, second);
    // What was with an app while the group was shared anew may come again, and no more.
    expect(eventsOf(apps).length - sender.sent.length).toBeLessThanOrEqual(64);
  });

  test("the network to all three brokers is cut for 30 s", limit, async () => {
    const { topic, sender } = await topicAndSender();
    const app = await startApp(["orders"], { errorEvery: 100 });
    const component = reader(cluster.brokers, topic, topic);
    const daemon = await startSidecar([component], { appPort: app.port });
    await untilState(daemon, "orders");
    let going = true;
    const sending = sender.sendWhile(() => going);
    await until(() => app.handled.length > 20, { what: "first events", within: 60_000 });
    for (const proxy of cluster.proxies) proxy.stall();
    await pause(durationOf(30));
    for (const proxy of cluster.proxies) proxy.heal();
    const before = sender.sent.length;
    await until(() => sender.sent.length > before + 20, {
      what: () => `events to be sent after the cut:\n${daemon.output().slice(-4000)}`,
      within: 120_000,
    });
    going = false;
    await sending;
    await untilHandled(sender, [app], daemon);
    expectOrdered(app);
  });

  test("SASL: by password, and not with a wrong one", limit, async () => {
    const topic = uniqueName("sasl");
    await cluster.createTopic(topic, 1);
    const sasl = (name: string, saslPassword: string): ComponentYaml => ({
      name,
      type: "bindings.kafka",
      metadata: {
        ...{ brokers: cluster.saslBrokers, topics: topic, publishTopic: topic },
        ...{ consumerGroup: `${topic}-${name}`, initialOffset: "oldest" },
        ...{ authType: "password", saslUsername: "shop", saslPassword, disableTls: "true" },
      },
    });
    const app = await startApp(["right", "wrong"]);
    const daemon = await startSidecar([sasl("right", "secret"), sasl("wrong", "guessed")], {
      appPort: app.port,
    });
    await untilState(daemon, "right");
    await expectInvoked(daemon, "right", "create", { data: "by password" });
    await until(() => app.handled.length === 1, { what: () => daemon.output(), within: 30_000 });
    expect(app.handled[0]).toMatchObject({ binding: "right", text: '"by password"' });
    expect(await daemon.state("wrong")).not.toBe("running");
    expect((await invoke(daemon, "wrong", "create", { data: "x" })).ok).toBe(false);
  });

  test(
    "the brokers are stopped one by one to a total outage, after 5, 10 and 30 s, and all restarted",
    limit,
    async () => {
      const { topic, sender } = await topicAndSender();
      const app = await startApp(["orders"], { errorEvery: 100 });
      const component = reader(cluster.brokers, topic, topic);
      const daemon = await startSidecar([component], { appPort: app.port });
      await untilState(daemon, "orders");
      let going = true;
      const sending = sender.sendWhile(() => going);
      const [controller, ...others] = cluster.nodes;
      for (const [index, node] of [...others, controller].entries()) {
        await node?.stop();
        await pause(durationOf([5, 10, 30][index] ?? 0));
      }
      expect(daemon.process.exitCode).toBeNull();
      await Promise.all(cluster.nodes.map((node) => node.start()));
      const before = sender.sent.length;
      await until(() => sender.sent.length > before + 20, {
        what: () => `events to be sent after the outage:\n${daemon.output().slice(-4000)}`,
        within: 120_000,
      });
      going = false;
      await sending;
      await untilHandled(sender, [app], daemon);
      expectOrdered(app);
    },
  );
});
