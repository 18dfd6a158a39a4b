import type { Source } from "./opened-source.ts";
import { poison } from "./poison.ts";
import { reloads } from "./reloads.ts";
import type { Result } from "./scenario.ts";
import * as scenarios from "./scenarios.ts";
import { amqp } from "./sources/amqp.ts";
import { poisonedCron } from "./sources/cron.ts";
import { file } from "./sources/file.ts";
import { kafka } from "./sources/kafka.ts";
import { mqtt3 } from "./sources/mqtt3.ts";
import { postgres } from "./sources/postgres.ts";
import { rabbitmq } from "./sources/rabbitmq.ts";
import { webhook, webhookRepeated } from "./sources/webhook.ts";
import type { FixtureOptions } from "./fixture.ts";

/** A scenario in full, as `npm run test:faults` plays it beside the matrix. */
export type FullScenario = {
  readonly name: string;
  readonly source: Source;
  readonly play: (options: FixtureOptions) => Promise<Result>;
};

const poisoned = { events: 20_000, every: 10_000, perSecond: 200, slack: 100 };
/** Ticks come each second, so that there are as many only after a longer time. */
const poisonedTicks = { ...poisoned, perSecond: 50 };

/** Every scenario, those that last longest first. */
export const fullScenarios: readonly FullScenario[] = [
  ...each("reloads", [kafka, rabbitmq, postgres], (source, fixture) =>
    reloads(source, fixture, 1_000),
  ),
  ...each("app away", [kafka, rabbitmq, mqtt3, file, postgres], (source, fixture) =>
    scenarios.appAway(source, fixture, 300),
  ),
  ...each("endings", [kafka, rabbitmq, mqtt3, amqp, file, webhook, postgres], (source, fixture) =>
    scenarios.endings(source, fixture, 50),
  ),
  ...each("poison", [poisonedCron(50, 10_000 / 50)], (source, fixture) =>
    poison(source, fixture, poisonedTicks),
  ),
  ...each(
    "poison",
    [kafka, rabbitmq, mqtt3, amqp, file, webhookRepeated, postgres],
    (source, fixture) => poison(source, fixture, poisoned),
  ),
  ...each(
    "app ended by an event",
    [kafka, rabbitmq, mqtt3, amqp, file, postgres],
    scenarios.appKiller,
  ),
  ...each("killed while one waits", [kafka, postgres], (source, fixture) =>
    scenarios.killedWhileOneWaits(source, fixture, { events: 300, backOff: 20 }),
  ),
];

function each(
  name: string,
  sources: readonly Source[],
  play: (source: Source, options: FixtureOptions) => Promise<Result>,
): FullScenario[] {
  return sources.map((source) => ({ name, source, play: (options) => play(source, options) }));
}
