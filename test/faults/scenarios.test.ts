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

describeWith("kafka", () => {
  scenario("kafka", "ends at random", 0, (stage) => scenarios.endings(kafka, stage, 2));
  scenario("kafka", "twelve changes", 1, (stage) => reloads(kafka, stage, 12));
  scenario("kafka", "killed while one event waits for its retry", 2, (stage) =>
    scenarios.killedWhileOneWaits(kafka, stage, { events: 100, backOff: 8 }),
  );
});

describeWith("rabbitmq", () => {
  scenario("rabbitmq", "ends at random", 0, (stage) => scenarios.endings(rabbitmq, stage, 2));
  scenario("rabbitmq", "poison", 1, (stage) => poison(rabbitmq, stage, small));
});

describeWith("mosquitto", () => {
  scenario("mqtt3", "ends at random", 0, (stage) => scenarios.endings(mqtt3, stage, 2));
  scenario("mqtt3", "the app is away", 1, (stage) => scenarios.appAway(mqtt3, stage, 5));
});

describe("without a server", () => {
  scenario("file", "an event that ends the app", 0, (stage) => scenarios.appKiller(file, stage));
  scenario("webhook", "ends at random", 1, (stage) => scenarios.endings(webhook, stage, 2));
  scenario("webhook", "poison", 2, (stage) => poison(webhookRepeated, stage, small));
  scenario("cron", "poison", 2, (stage) =>
    poison(poisonedCron(10, 8), stage, { ...small, events: 160, every: 80, perSecond: 10 }),
  );
});
