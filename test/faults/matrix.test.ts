// A few telling cells of the fault matrix; `npm run test:faults` runs all.
import { afterAll, describe, test } from "vitest";
import { describeWith } from "../servers/describe-with.ts";
import { runCell, type Cell } from "./cell.ts";
import * as faults from "./faults.ts";
import type { Phase } from "./phases.ts";
import type { Source } from "./opened-source.ts";
import { Servers } from "./servers.ts";
import { amqp } from "./sources/amqp.ts";
import { cron } from "./sources/cron.ts";
import { file } from "./sources/file.ts";
import { kafka } from "./sources/kafka.ts";
import { mqtt3 } from "./sources/mqtt3.ts";
import { mqtt5Qos2 } from "./sources/mqtt5.ts";
import { postgres } from "./sources/postgres.ts";
import { rabbitmq, rabbitmqOrdered, rabbitmqQuorum } from "./sources/rabbitmq.ts";
import { redis } from "./sources/redis.ts";
import { sftp } from "./sources/sftp.ts";
import { webhook } from "./sources/webhook.ts";

const slots = 2;
const servers = new Servers(slots);
afterAll(() => servers[Symbol.asyncDispose](), 60_000);

function cellsOf(...cells: readonly (readonly [Source, faults.Fault, Phase])[]): void {
  for (const [index, [source, fault, phase]] of cells.entries()) {
    const cell: Cell = { source, fault, phase };
    test.concurrent(
      `${source.name}: ${fault.name}, ${phase}`,
      { timeout: 240_000 },
      async ({ expect }) => {
        const { failures, skipped, folder } = await runCell(cell, {
          servers,
          slot: index % slots,
        });
        expect({ failures, skipped, folder }).toEqual({ failures: [] });
      },
    );
  }
}

describe.concurrent("cells", () => {
  describeWith("kafka", () => {
    cellsOf(
      [kafka, faults.killedAt("app answered", 60), "receiving"],
      [kafka, faults.appKilled, "in the handler"],
    );
  });

  describeWith("rabbitmq", () => {
    cellsOf(
      [rabbitmq, faults.killedAt("dead letter stored", 2), "receiving"],
      [rabbitmqOrdered, faults.reset, "in the handler"],
      [rabbitmqQuorum, faults.reset, "settling"],
    );
  });

  describeWith("mosquitto", () => {
    cellsOf([mqtt3, faults.reset, "settling"], [mqtt3, faults.runtimeKilled, "draining"]);
    cellsOf([mqtt5Qos2, faults.reset, "settling"]);
  });

  describeWith("postgres", () => {
    cellsOf(
      [postgres, faults.killedAt("settled", 60), "receiving"],
      [postgres, faults.reset, "in the handler"],
    );
  });

  describeWith("artemis", () => {
    cellsOf([amqp, faults.reset, "settling"]);
  });

  describeWith("redis", () => {
    cellsOf([redis, faults.reset, "in the handler"], [redis, faults.serverKilled, "receiving"]);
  });

  describeWith("openssh", () => {
    cellsOf([sftp, faults.reset, "settling"]);
  });

  describe("without a server", () => {
    cellsOf(
      [file, faults.killedAt("attempt noted", 4), "receiving"],
      [webhook, faults.appKilled, "in the handler"],
    );
    cellsOf([cron, faults.runtimeKilled, "receiving"]);
  });
});
