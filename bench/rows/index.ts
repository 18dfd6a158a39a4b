import {
  s3CreateRow,
  s3GetRow,
  s3LargeCreateRow,
  s3LargeGetRow,
  sqsInRow,
  sqsOutRow,
} from "./aws.ts";
import { pubsubInRow, storageQueuesInRow } from "./clouds-in.ts";
import { callsMemoryRow } from "./calls-memory.ts";
import { failoverRow, handOverRow, leaderFailoverRow } from "./failover.ts";
import { httpGetRow } from "./http-get.ts";
import { httpMemoryRow } from "./http-memory.ts";
import { historyRow, kafkaInRow, kafkaMemoryRow } from "./kafka-in.ts";
import { kafkaOutRow } from "./kafka-out.ts";
import { largePayloadRow } from "./large-payload.ts";
import { lazyComponentsRow } from "./lazy-components.ts";
import { mqttInRow } from "./mqtt-in.ts";
import { noOpIdenticalRow, noOpRow } from "./no-op.ts";
import { natsInRow, natsOutRow } from "./nats.ts";
import { postgresExecRow, postgresQueryRow } from "./postgres.ts";
import { rabbitmqInRow } from "./rabbitmq-in.ts";
import { redisBulkRow } from "./redis-bulk.ts";
import { redisStreamsInRow } from "./redis-streams-in.ts";
import { redisGrpcRow, redisHttpRow, redisLatencyRow } from "./redis.ts";
import { relayReplicasRow, relayRow } from "./relay.ts";
import type { Row } from "./row.ts";
import { sftpCreateRow } from "./sftp-create.ts";
import { leaseRenewalsRow, storeEnginesRow } from "./stores.ts";
import { manyComponentsRow, startMemoryRow } from "./start-memory.ts";
import { workersRow } from "./workers.ts";

/** All rows, in the order in which they are measured and shown. */
export const rows: readonly Row[] = [
  noOpRow,
  noOpIdenticalRow,
  workersRow,
  redisGrpcRow,
  redisHttpRow,
  httpGetRow,
  kafkaOutRow,
  natsOutRow,
  postgresExecRow,
  postgresQueryRow,
  sqsOutRow,
  s3CreateRow,
  s3GetRow,
  redisBulkRow,
  kafkaInRow,
  historyRow,
  rabbitmqInRow,
  mqttInRow,
  natsInRow,
  redisStreamsInRow,
  sqsInRow,
  storageQueuesInRow,
  pubsubInRow,
  redisLatencyRow,
  largePayloadRow,
  sftpCreateRow,
  s3LargeCreateRow,
  s3LargeGetRow,
  httpMemoryRow,
  kafkaMemoryRow,
  callsMemoryRow,
  startMemoryRow,
  manyComponentsRow,
  lazyComponentsRow,
  storeEnginesRow,
  leaseRenewalsRow,
  relayRow,
  relayReplicasRow,
  failoverRow,
  leaderFailoverRow,
  handOverRow,
];
