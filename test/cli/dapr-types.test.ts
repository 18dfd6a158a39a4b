import { expect, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";

/** The types of Dapr's bindings, as its components repository has them, with their other names. */
const types = [
  ...["alicloud.dingtalk.webhook", "dingtalk.webhook", "alicloud.oss", "alicloud.sls"],
  ...["alicloud.tablestore", "apns", "aws.dynamodb", "aws.kinesis", "aws.s3", "aws.ses"],
  ...["aws.sns", "aws.sqs", "azure.blobstorage", "azure.cosmosdb", "azure.cosmosdb.gremlinapi"],
  ...["azure.eventgrid", "azure.eventhubs", "azure.openai", "azure.servicebus.queues"],
  ...["azure.servicebusqueues", "azure.signalr", "azure.storagequeues", "cloudflare.queues"],
  ...["commercetools", "cron", "dubbo", "alicloud.dubbo", "gcp.bucket", "gcp.pubsub", "graphql"],
  ...["http", "huawei.obs", "influx", "kafka", "kitex", "kubemq", "kubernetes", "localstorage"],
  ...["mqtt3", "mqtt", "mysql", "postgres", "postgresql", "postmark", "rabbitmq", "redis"],
  ...["rethinkdb.statechange", "rocketmq", "sftp", "smtp", "twilio.sendgrid", "twilio.sms"],
  ...["wasm", "zeebe.command", "zeebe.jobworker"],
];

test("no type of Dapr's catalogue is unknown to the runtime", () => {
  const known = new Set(bindings.flatMap(({ name, aliases = [] }) => [name, ...aliases]));
  expect(types.filter((type) => !known.has(type))).toEqual([]);
});
