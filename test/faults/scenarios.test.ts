// The scenarios at a small scale; `npm run test:faults` and `npm run test:reloads` play them in full.
import { afterAll, describe, test } from "vitest";
import { describeWith } from "../servers/describe-with.ts";
import { poison } from "./poison.ts";
import { reloads } from "./reloads.ts";
import type { Result } from "./scenario.ts";
import * as scenarios from "./scenarios.ts";
import { Servers } from "./servers.ts";
import { poisonedCron } from "./sources/cron.ts";
import { file } from "./sources/file.ts";
import { kafka } from "./sources/kafka.ts";
import { mqtt3 } from "./sources/mqtt3.ts";
import { rabbitmq } from "./sources/rabbitmq.ts";
import { webhook, webhookRepeated } from "./sources/webhook.ts";
import type { FixtureOptions } from "./fixture.ts";

const servers = new Servers(3);
afterAll(() => servers[Symbol.asyncDispose](), 60_000);

function scenario(
  source: string,
  name: string,
  slot: number,
  play: (options: FixtureOptions) => Promise<Result>,
): void {
  test.concurrent(`${source}: ${name}`, { timeout: 240_000 }, async ({ expect }) => {
    const { failures, folder } = await play({ servers, slot });
    expect({ failures, folder }).toEqual({ failures: [] });
  });
}

const small = { events: 600, every: 200, perSecond: 100, slack: 500 };

// They wait for most of their time, so they go side by side, five at a time.
describe.concurrent("scenarios", () => {
  describeWith("kafka", () => {
    scenario("kafka", "ends at random", 0, (fixture) => scenarios.endings(kafka, fixture, 2));
    scenario("kafka", "twelve changes", 1, (fixture) => reloads(kafka, fixture, 12));
    scenario("kafka", "killed while one event waits for its retry", 2, (fixture) =>
      scenarios.killedWhileOneWaits(kafka, fixture, { events: 100, backOff: 8 }),
    );
  });

  describeWith("rabbitmq", () => {
    scenario("rabbitmq", "ends at random", 0, (fixture) => scenarios.endings(rabbitmq, fixture, 2));
    scenario("rabbitmq", "poison", 1, (fixture) => poison(rabbitmq, fixture, small));
  });

  describeWith("mosquitto", () => {
    scenario("mqtt3", "ends at random", 0, (fixture) => scenarios.endings(mqtt3, fixture, 2));
    scenario("mqtt3", "the app is away", 1, (fixture) => scenarios.appAway(mqtt3, fixture, 5));
  });

  describe("without a server", () => {
    scenario("file", "an event that ends the app", 0, (fixture) =>
      scenarios.appKiller(file, fixture),
    );
    scenario("webhook", "ends at random", 1, (fixture) => scenarios.endings(webhook, fixture, 2));
    scenario("webhook", "poison", 2, (fixture) => poison(webhookRepeated, fixture, small));
    scenario("cron", "poison", 2, (fixture) =>
      poison(poisonedCron(10, 8), fixture, { ...small, events: 160, every: 80, perSecond: 10 }),
    );
  });
});
