import type { AnyBinding } from "../binding.ts";
import alicloudDingtalkWebhook from "./alicloud/alicloud.dingtalk.webhook/index.ts";
import alicloudOss from "./alicloud/alicloud.oss/index.ts";
import alicloudSls from "./alicloud/alicloud.sls/index.ts";
import alicloudTablestore from "./alicloud/alicloud.tablestore/index.ts";
import amqp from "./amqp/index.ts";
import apns from "./apns/index.ts";
import awsDynamodb from "./aws/aws.dynamodb/index.ts";
import awsKinesis from "./aws/aws.kinesis/index.ts";
import awsS3 from "./aws/aws.s3/index.ts";
import awsSes from "./aws/aws.ses/index.ts";
import awsSns from "./aws/aws.sns/index.ts";
import awsSqs from "./aws/aws.sqs/index.ts";
import azureBlobStorage from "./azure/azure.blobstorage/index.ts";
import azureCosmosdb from "./azure/azure.cosmosdb/index.ts";
import azureCosmosdbGremlinapi from "./azure/azure.cosmosdb.gremlinapi/index.ts";
import azureEventgrid from "./azure/azure.eventgrid/index.ts";
import azureEventhubs from "./azure/azure.eventhubs/index.ts";
import azureOpenai from "./azure/azure.openai/index.ts";
import azureServicebusQueues from "./azure/azure.servicebus.queues/index.ts";
import azureSignalr from "./azure/azure.signalr/index.ts";
import azureStorageQueues from "./azure/azure.storagequeues/index.ts";
import cloudflareQueues from "./cloudflare.queues/index.ts";
import commercetools from "./commercetools/index.ts";
import cron from "./cron/index.ts";
import dubbo from "./dubbo/index.ts";
import exec from "./exec/index.ts";
import file from "./file/index.ts";
import gcpBucket from "./gcp/gcp.bucket/index.ts";
import gcpPubsub from "./gcp/gcp.pubsub/index.ts";
import graphql from "./graphql/index.ts";
import grpc from "./grpc/index.ts";
import http from "./http/index.ts";
import huaweiObs from "./huawei.obs/index.ts";
import imap from "./imap/index.ts";
import influx from "./influx/index.ts";
import kafka from "./kafka/index.ts";
import kitex from "./kitex/index.ts";
import kubemq from "./kubemq/index.ts";
import kubernetes from "./kubernetes/index.ts";
import localstorage from "./localstorage/index.ts";
import mqtt3 from "./mqtt/mqtt3/index.ts";
import mqtt5 from "./mqtt/mqtt5/index.ts";
import mysql from "./mysql/index.ts";
import nats from "./nats/index.ts";
import postgres from "./postgres/index.ts";
import postmark from "./postmark/index.ts";
import rabbitmq from "./rabbitmq/index.ts";
import redis from "./redis/redis/index.ts";
import redisStreams from "./redis/redis.streams/index.ts";
import rethinkdbStatechange from "./rethinkdb.statechange/index.ts";
import rocketmq from "./rocketmq/index.ts";
import sftp from "./sftp/index.ts";
import smtp from "./smtp/index.ts";
import sse from "./sse/index.ts";
import twilioSendgrid from "./twilio.sendgrid/index.ts";
import twilioSms from "./twilio.sms.ts";
import wasm from "./wasm/index.ts";
import webhook from "./webhook/index.ts";
import websocket from "./websocket/index.ts";
import zeebeCommand from "./zeebe/zeebe.command/index.ts";
import zeebeJobworker from "./zeebe/zeebe.jobworker/index.ts";

/** Every binding there is, by name. Their drivers are imported only when a component opens. */
export const bindings: readonly AnyBinding[] = [
  alicloudDingtalkWebhook,
  alicloudOss,
  alicloudSls,
  alicloudTablestore,
  amqp,
  apns,
  awsDynamodb,
  awsKinesis,
  awsS3,
  awsSes,
  awsSns,
  awsSqs,
  azureBlobStorage,
  azureCosmosdb,
  azureCosmosdbGremlinapi,
  azureEventgrid,
  azureEventhubs,
  azureOpenai,
  azureServicebusQueues,
  azureSignalr,
  azureStorageQueues,
  cloudflareQueues,
  commercetools,
  cron,
  dubbo,
  exec,
  file,
  gcpBucket,
  gcpPubsub,
  graphql,
  grpc,
  http,
  huaweiObs,
  imap,
  influx,
  kafka,
  kitex,
  kubemq,
  kubernetes,
  localstorage,
  mqtt3,
  mqtt5,
  mysql,
  nats,
  postgres,
  postmark,
  rabbitmq,
  redis,
  redisStreams,
  rethinkdbStatechange,
  rocketmq,
  sftp,
  smtp,
  sse,
  twilioSendgrid,
  twilioSms,
  wasm,
  webhook,
  websocket,
  zeebeCommand,
  zeebeJobworker,
];
