import type { Suite } from "../suite.ts";
import { alicloudOss } from "./alicloud-oss.ts";
import { alicloudTablestore } from "./alicloud-tablestore.ts";
import { api } from "./api.ts";
import { apns } from "./apns.ts";
import { awsDynamodb, awsKinesis, awsS3, awsSes, awsSns, awsSqs } from "./aws.ts";
import { azureBlobStorage } from "./azure.blobstorage.ts";
import { azureEventhubs } from "./azure.eventhubs.ts";
import { azureStorageQueues } from "./azure.storagequeues.ts";
import { commercetools } from "./commercetools.ts";
import { cosmosdb } from "./cosmosdb.ts";
import { cron } from "./cron.ts";
import { dubbo } from "./dubbo.ts";
import { gcpBucket } from "./gcp-bucket.ts";
import { gcpPubsub } from "./gcp-pubsub.ts";
import { graphql } from "./graphql.ts";
import { http } from "./http.ts";
import { influx } from "./influx.ts";
import { kafka } from "./kafka.ts";
import { kubernetes } from "./kubernetes.ts";
import { localstorage } from "./localstorage.ts";
import { mqtt3 } from "./mqtt3.ts";
import { mysql } from "./mysql.ts";
import { postgres } from "./postgres.ts";
import { postmark } from "./postmark.ts";
import { rabbitmq } from "./rabbitmq.ts";
import { redis } from "./redis.ts";
import { sftp } from "./sftp.ts";
import { smtp } from "./smtp.ts";
import { twilioSendgrid } from "./twilio-sendgrid.ts";
import { twilioSms } from "./twilio-sms.ts";
import { wasm } from "./wasm.ts";
import { zeebeCommand, zeebeJobworker } from "./zeebe.ts";

/** One for each binding that Dapr has too, and one for what belongs to none. */
export const suites: readonly Suite[] = [
  ...[
    alicloudOss,
    alicloudTablestore,
    api,
    apns,
    awsDynamodb,
    awsKinesis,
    awsS3,
    awsSes,
    awsSns,
    awsSqs,
    azureBlobStorage,
    azureEventhubs,
    azureStorageQueues,
    commercetools,
    cosmosdb,
    cron,
    dubbo,
    gcpBucket,
    gcpPubsub,
    graphql,
    http,
    influx,
    kafka,
    kubernetes,
    localstorage,
    mqtt3,
    mysql,
    postgres,
    postmark,
    rabbitmq,
    redis,
  ],
  sftp,
  smtp,
  twilioSendgrid,
  twilioSms,
  wasm,
  zeebeCommand,
  zeebeJobworker,
];
