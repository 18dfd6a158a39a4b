// The rows of queues in the clouds: of the stand-in, so that no server is the limit.
import { setTimeout as pause } from "node:timers/promises";
import { uniqueName } from "../../test/servers/unique-name.ts";
import { accountKey } from "../systems/clouds/keys.ts";
import type { Clouds } from "../systems/clouds.ts";
import type { EventSource } from "./event-source.ts";
import { eventContender, type EventWork } from "./events.ts";
import type { Bench, Row } from "./row.ts";

const latencyRate = 1000;

type CloudsRow = Pick<Row, "name" | "title"> & {
  readonly system: Extract<EventWork["system"], "sqs" | "storage-queues" | "pubsub">;
  readonly metadata: (clouds: Clouds, queue: string) => Record<string, string>;
  /** How many events daprd gets, where it takes so few a second that more would be waited for too long. */
  readonly fewOfDaprd?: number;
  /** Whether there is a client of the vendor's: the driver that an app would read with. Absent: an app would do what the floor does. */
  readonly hasClient?: true;
};

const types = {
  sqs: "aws.sqs",
  "storage-queues": "azure.storagequeues",
  pubsub: "gcp.pubsub",
} as const;

/** A row whose queue was filled before. */
export function cloudsEventRow(row: CloudsRow): Row {
  const { name, title, system, metadata, fewOfDaprd, hasClient } = row;
  return {
    ...{ name, title, latencyRate },
    contenders: [
      ...(["cufflink-unary", "cufflink-stream", "daprd"] as const),
      ...(hasClient ? (["client"] as const) : []),
      "floor",
    ],
    requirements: [
      {
        ...{ measure: "cpu", contender: "cufflink-stream", atMost: 2 },
        of: hasClient ? "client" : "floor",
      },
      { measure: "rate", contender: "cufflink-unary", of: "daprd", atLeast: 2 },
      { measure: "rate", contender: "cufflink-stream", of: "daprd", atLeast: 2 },
    ],
    open(contender, bench) {
      const fewest = contender === "daprd" ? fewOfDaprd : undefined;
      const few = contender === "cufflink-unary" || contender === "daprd" ? 20_000 : 120_000;
      return eventContender(contender, bench, {
        system,
        keys: 1000,
        ordered: false,
        waiting: bench.count(fewest ?? few),
        latencyRate,
        paced: bench.count(fewest ?? 2000),
        open: () => openQueue(bench, system, metadata),
      });
    },
  };
}

/** A queue of Azure that was filled before. Its messages are deleted one by one. */
export const storageQueuesInRow: Row = cloudsEventRow({
  ...{ name: "storagequeues-in", title: "Azure storage queue → app", system: "storage-queues" },
  metadata: ({ url }, queue) => ({
    ...{ accountName: "account", accountKey, queueName: queue },
    // Cufflink reads either name, daprd the second.
    ...{ queueEndpointUrl: url, endpoint: url, pollingInterval: "101ms" },
  }),
});

/** A subscription that was filled before. */
export const pubsubInRow: Row = cloudsEventRow({
  ...{ name: "pubsub-in", title: "Google Pub/Sub → app", system: "pubsub" },
  hasClient: true,
  metadata: (_clouds, queue) => ({ projectID: "shop", topic: queue, subscription: queue }),
});

async function openQueue(
  bench: Bench,
  system: CloudsRow["system"],
  metadata: CloudsRow["metadata"],
): Promise<EventSource> {
  const clouds = await bench.systems.clouds();
  const queue = uniqueName("in")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-");
  let waiting: Buffer[] = [];
  let sent: Promise<void> | undefined;
  return {
    component: {
      ...{ name: "in", type: types[system] },
      metadata: { ...metadata(clouds, queue), direction: "input" },
    },
    environment: system === "pubsub" ? { PUBSUB_EMULATOR_HOST: clouds.pubsub } : {},
    address: system === "pubsub" ? clouds.pubsub : clouds.url,
    source: queue,
    /** What comes in one turn goes as one request. */
    send(_key, payload) {
      waiting.push(payload);
      sent ??= pause(0).then(() => {
        const payloads = Buffer.concat(waiting);
        waiting = [];
        sent = undefined;
        return clouds.fill(queue, payloads);
      });
      return sent;
    },
    unsettled: () => clouds.size(queue),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
