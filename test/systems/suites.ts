/**
 * The tests that prove a binding with a system, by `type system`: paths as `vitest run` takes them. Absent: the binding's own
 * folder, and what the suites of all bindings have for it.
 */
export const suites: Readonly<Record<string, readonly string[]>> = {
  "alicloud.oss Alibaba Cloud OSS": [
    "test/bindings/alicloud/alicloud.oss/",
    "test/bindings/object-service/",
  ],
  "amqp RabbitMQ": ["test/bindings/amqp/rabbitmq.test.ts"],
  "azure.cosmosdb.gremlinapi Apache Gremlin Server": [
    "test/bindings/azure/azure.cosmosdb.gremlinapi/server.test.ts",
  ],
  "azure.cosmosdb.gremlinapi Cosmos DB's Gremlin endpoint": [
    "test/bindings/azure/azure.cosmosdb.gremlinapi/index.test.ts",
  ],
  "aws.kinesis Kinesis' enhanced fan-out": [
    "test/bindings/aws/aws.kinesis/event-stream.test.ts",
    "test/bindings/aws/aws.kinesis/extended.test.ts",
  ],
  "aws.s3 MinIO": [
    "test/bindings/aws/aws.s3/index.test.ts",
    "test/bindings/aws/aws.s3/contract.test.ts",
  ],
  "aws.sqs ElasticMQ": ["test/bindings/aws/aws.sqs/contract.test.ts"],
  "dubbo Apache Dubbo": ["test/bindings/dubbo/real.test.ts"],
  "dubbo Dubbo's providers": ["test/bindings/dubbo/index.test.ts"],
  "gcp.bucket Pub/Sub (pstest)": ["test/bindings/gcp/gcp.bucket/notifications.test.ts"],
  "huawei.obs Huawei Cloud OBS": ["test/bindings/huawei.obs/", "test/bindings/object-service/"],
  "kafka Microsoft Entra ID": ["test/bindings/kafka/authentication.test.ts"],
  "postgres Microsoft Entra ID": ["test/bindings/postgres/token-login.test.ts"],
  "redis Microsoft Entra ID": ["test/bindings/redis/entra-login.test.ts"],
  "redis.streams Microsoft Entra ID": ["test/bindings/redis/entra-login.test.ts"],
  "rocketmq Apache RocketMQ": [
    "test/bindings/rocketmq/contract.test.ts",
    "test/bindings/rocketmq/real.test.ts",
  ],
  "rocketmq RocketMQ's proxy": [
    "test/bindings/rocketmq/index.test.ts",
    "test/bindings/rocketmq/positions.test.ts",
  ],
  "sse better-sse": ["test/bindings/sse/index.test.ts"],
};
