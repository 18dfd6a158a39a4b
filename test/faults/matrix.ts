import type { AppMode } from "./app-process.ts";
import type { Cell } from "./cell.ts";
import * as faults from "./faults.ts";
import { phases, type Phase } from "./phases.ts";
import type { Source } from "./opened-source.ts";
import { amqp } from "./sources/amqp.ts";
import { sls } from "./sources/alicloud.sls.ts";
import { azureBlobStorage } from "./sources/azure.blobstorage.ts";
import { blobStorageNotified } from "./sources/azure.blobstorage-notified.ts";
import { azureEventGrid } from "./sources/azure.eventgrid.ts";
import { eventhubs } from "./sources/azure.eventhubs.ts";
import { servicebusQueues, servicebusSessions } from "./sources/azure.servicebus.queues.ts";
import { azureStorageQueues } from "./sources/azure.ts";
import { cron } from "./sources/cron.ts";
import { file } from "./sources/file.ts";
import { imap } from "./sources/imap.ts";
import { http, sse, websocket } from "./sources/feeds.ts";
import { kafka } from "./sources/kafka.ts";
import { mqtt3 } from "./sources/mqtt3.ts";
import { kinesis } from "./sources/aws.kinesis.ts";
import { s3 } from "./sources/aws.s3.ts";
import { s3Notified } from "./sources/aws.s3-notified.ts";
import { sqs } from "./sources/aws.sqs.ts";
import { gcpBucket } from "./sources/gcp.bucket.ts";
import { gcpBucketNotified } from "./sources/gcp.bucket-notified.ts";
import { gcpPubsub } from "./sources/gcp.pubsub.ts";
import { kubemq } from "./sources/kubemq.ts";
import { rocketmq, rocketmqNormal } from "./sources/rocketmq.ts";
import { kubernetes } from "./sources/kubernetes.ts";
import { nats } from "./sources/nats.ts";
import { rabbitmq, rabbitmqOrdered, rabbitmqQuorum } from "./sources/rabbitmq.ts";
import { rethinkdb } from "./sources/rethinkdb.ts";
import { redis } from "./sources/redis.ts";
import { redisStreams } from "./sources/redis.streams.ts";
import { mqtt5, mqtt5Qos2 } from "./sources/mqtt5.ts";
import { postgres } from "./sources/postgres.ts";
import { sftp } from "./sources/sftp.ts";
import { dingtalk, webhook } from "./sources/webhook.ts";
import { zeebeJobworker } from "./sources/zeebe.jobworker.ts";

/** All that the matrix has a row of. A name begins with that of a binding; what it is more follows a dash. */
export const sources: readonly Source[] = [
  ...[
    kafka,
    rabbitmq,
    rabbitmqOrdered,
    rabbitmqQuorum,
    mqtt3,
    mqtt5,
    mqtt5Qos2,
    amqp,
    servicebusQueues,
    servicebusSessions,
    eventhubs,
    webhook,
    dingtalk,
    file,
    sftp,
    cron,
    redis,
    imap,
    redisStreams,
    nats,
    gcpPubsub,
    rocketmq,
    gcpBucket,
    gcpBucketNotified,
    http,
    sse,
    websocket,
    rethinkdb,
    postgres,
    sqs,
    s3,
    s3Notified,
    kinesis,
    azureStorageQueues,
    sls,
    azureBlobStorage,
    blobStorageNotified,
    azureEventGrid,
    zeebeJobworker,
    kubemq,
    kubernetes,
  ],
];

const pairs: readonly (readonly [faults.Fault, readonly Phase[]])[] = [
  [faults.appKilled, phases],
  [faults.runtimeKilled, phases],
  [faults.appFrozen, ["receiving", "settling"]],
  [faults.runtimeFrozen(3), ["receiving"]],
  [faults.runtimeFrozen(15), ["in the handler"]],
  [faults.serverKilled, ["idle", "receiving", "in the handler", "settling"]],
  [faults.serverRestarted, ["receiving", "in the handler", "draining"]],
  [faults.serverFrozen, ["receiving", "in the handler"]],
  [faults.outageAtStart, ["connecting"]],
  [faults.reset, ["connecting", "idle", "receiving", "in the handler", "settling", "draining"]],
  [faults.swallowed(5), ["connecting", "receiving", "in the handler", "draining"]],
  [faults.swallowed(30), ["receiving", "in the handler"]],
  [faults.swallowed(60), ["idle", "receiving"]],
  [faults.halfOpen, ["idle", "receiving", "in the handler"]],
  [faults.latency, ["connecting", "receiving"]],
  [faults.refused, ["receiving", "reloading"]],
  [faults.credentialsRevoked, ["connecting", "receiving", "in the handler"]],
  [faults.diskFull, ["receiving"]],
  [faults.clockJump(1), ["receiving"]],
  [faults.clockJump(-1), ["receiving"]],
];

/** What is done again with an app that is reached by HTTP, and one that dials the runtime. */
const inOtherModes: readonly (readonly [faults.Fault, Phase])[] = [
  [faults.appKilled, "receiving"],
  [faults.appKilled, "in the handler"],
  [faults.appKilled, "settling"],
  [faults.appFrozen, "receiving"],
  [faults.runtimeKilled, "in the handler"],
  [faults.runtimeKilled, "draining"],
  [faults.killedAt("app answered", 60), "receiving"],
];
const otherModes: readonly AppMode[] = ["http", "stream"];

/** Kill points between the steps of an event's life, each with how often it is passed before. */
const killPoints: readonly faults.Fault[] = [
  faults.killedAt("event received", 60),
  faults.killedAt("attempt begins", 60),
  faults.killedAt("app answered", 60),
  faults.killedAt("before settle", 60),
  faults.killedAt("settled", 60),
  faults.killedAt("before flush", 1),
  faults.killedAt("flushed", 1),
  faults.killedAt("attempt noted", 6),
  faults.killedAt("dead letter stored", 3),
  faults.killedAt("claimed", 60, { deduplicate: "id" }),
  faults.killedAt("claim completed", 60, { deduplicate: "id" }),
];

/** Every cell of the matrix, those that last longest first. */
export function allCells(): Cell[] {
  const cells = pairs.flatMap(([fault, where]) =>
    sources.flatMap((source) => where.map((phase): Cell => ({ source, fault, phase }))),
  );
  for (const fault of killPoints)
    for (const source of sources) cells.push({ source, fault, phase: "receiving" });
  cells.push({ source: file, fault: faults.processedFull, phase: "receiving" });
  cells.push({ source: rocketmqNormal, fault: faults.diskFull, phase: "receiving" });
  for (const mode of otherModes)
    for (const [fault, phase] of inOtherModes)
      for (const source of [kafka, rabbitmq, mqtt3, file, postgres])
        cells.push({ source, fault, phase, mode });
  const seconds = ({ fault }: Cell): number => Number(/ (\d+) s/.exec(fault.name)?.[1] ?? 0);
  return cells.sort((one, other) => seconds(other) - seconds(one));
}
