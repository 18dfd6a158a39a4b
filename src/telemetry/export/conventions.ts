import type { Attributes } from "@opentelemetry/api";
import type { TracedComponent } from "../../runtime/tracer.ts";

/** The semantic conventions that spans and metrics keep: <https://opentelemetry.io/docs/specs/semconv/>. */
export const schemaUrl = "https://opentelemetry.io/schemas/1.45.0";

/** The conventions' names that are used. */
export const attribute = {
  errorType: "error.type",
  serverAddress: "server.address",
  serverPort: "server.port",
  httpMethod: "http.request.method",
  httpRoute: "http.route",
  httpStatus: "http.response.status_code",
  httpResends: "http.request.resend_count",
  urlPath: "url.path",
  urlScheme: "url.scheme",
  rpcSystem: "rpc.system.name",
  rpcMethod: "rpc.method",
  rpcStatus: "rpc.status_code",
  dbSystem: "db.system.name",
  dbNamespace: "db.namespace",
  dbCollection: "db.collection.name",
  dbOperation: "db.operation.name",
  messagingSystem: "messaging.system.name",
  messagingDestination: "messaging.destination.name",
  messagingSubscription: "messaging.destination.subscription.name",
  messagingPartition: "messaging.destination.partition.id",
  messagingGroup: "messaging.consumer.group.name",
  messagingOperation: "messaging.operation.name",
  messagingOperationType: "messaging.operation.type",
  messagingId: "messaging.message.id",
  messagingSize: "messaging.message.body.size",
  kafkaOffset: "messaging.kafka.offset",
  kafkaKey: "messaging.kafka.message.key",
  rabbitmqRoutingKey: "messaging.rabbitmq.destination.routing_key",
  s3Bucket: "aws.s3.bucket",
  serviceName: "service.name",
  serviceVersion: "service.version",
  sdkName: "telemetry.sdk.name",
  sdkLanguage: "telemetry.sdk.language",
  sdkVersion: "telemetry.sdk.version",
} as const;

/** What the conventions have no word for. */
export const own = {
  component: "cufflink.component.name",
  type: "cufflink.component.type",
  operation: "cufflink.operation",
  attempt: "cufflink.attempt",
  attempts: "cufflink.attempts",
  wait: "cufflink.attempt.wait",
  redrive: "cufflink.redrive",
  deadLetter: "cufflink.dead_letter.id",
  destination: "cufflink.disposal.to",
} as const;

export function aboutComponent({ name, type }: TracedComponent): Attributes {
  return { [own.component]: name, [own.type]: type };
}
