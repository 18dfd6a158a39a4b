import { awsKeyFields } from "../../metadata/aws-key-fields.ts";
import { entraFields } from "../../metadata/entra-fields.ts";
import { bool, duration, integer, list, oneOf, string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";

/** The metadata of a Kafka component, as Dapr names it. */
export const kafkaFields = {
  brokers: list({
    description: "The bootstrap brokers, host:port separated by commas.",
    required: true,
    example: "kafka-1:9092,kafka-2:9092",
  }),
  topics: list({
    description: "The topics to read, separated by commas. Without it nothing is read.",
    direction: "input",
    example: "orders,returns",
  }),
  publishTopic: string({
    description: "The topic that the create operation writes to.",
    direction: "output",
    example: "orders",
  }),
  consumerGroup: string({
    description: "The consumer group to read in. Required to read.",
    direction: "input",
    aliases: ["consumerID"],
    example: "shop",
  }),
  clientId: string({
    description: "The name of this client in the logs of the brokers.",
    default: "sarama",
  }),

  authType: oneOf(
    [
      ...(["none", "password", "mtls", "certificate"] as const),
      ...(["oidc", "oidc_private_key_jwt", "awsiam", "entraid"] as const),
    ],
    {
      description:
        "How to authenticate. Required, unless authRequired is given. Dapr has no `entraid`.",
      example: "none",
    },
  ),
  authRequired: bool({
    description: "Whether to authenticate, by password or, without one, by mTLS.",
    strict: true,
    deprecated: "use authType",
  }),
  saslUsername: string({ description: "The user name for authType password.", example: "shop" }),
  saslPassword: string({ description: "The password for authType password.", sensitive: true }),
  saslMechanism: string({
    description: "PLAIN, SHA-256 or SHA-512; the last two are SCRAM. Any other text means PLAIN.",
    default: "PLAIN",
  }),
  disableTls: bool({
    description: "Connect without TLS. With authType none there is no TLS either.",
    default: "false",
  }),
  skipVerify: bool({
    description: "Accept any certificate of the brokers. For tests only.",
    default: "false",
  }),
  caCert: string({
    description:
      "The PEM certificates of the authorities to trust. Required for authType certificate.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  clientCert: string({
    description: "The client's PEM certificate, for authType mtls.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  clientKey: string({ description: "The client's PEM key, for authType mtls.", sensitive: true }),
  oidcTokenEndpoint: string({
    description: "The URL that issues tokens, for both oidc types.",
    example: "https://id.example.com/oauth2/token",
  }),
  oidcClientID: string({
    description: "The OAuth client's id, for both oidc types.",
    example: "shop",
  }),
  oidcClientSecret: string({
    description: "The OAuth client's secret, for authType oidc.",
    sensitive: true,
  }),
  oidcScopes: list({
    description: "The scopes to request, separated by commas.",
    default: "openid",
  }),
  oidcExtensions: string({
    description: "A JSON object of texts: SASL extensions sent with the token.",
    example: '{"logicalCluster":"lkc-1"}',
  }),
  oidcClientAssertionCert: string({
    description: "The PEM certificate of the assertion's key, for authType oidc_private_key_jwt.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  oidcClientAssertionKey: string({
    description: "The PEM key that signs the assertion, for authType oidc_private_key_jwt.",
    sensitive: true,
  }),
  oidcResource: string({
    description: "The resource for which to request a token.",
    example: "https://kafka.example.com",
  }),
  oidcAudience: string({
    description: "The assertion's audience; the token endpoint unless given.",
    example: "https://id.example.com",
  }),
  oidcKid: string({
    description: "The id of the assertion's key, sent in its header.",
    example: "key-1",
  }),

  region: string({
    description:
      "The AWS region of the cluster, for authType awsiam. Default: the environment's, or the profile's.",
    aliases: ["awsRegion"],
    example: "eu-central-1",
  }),
  ...awsKeyFields,
  assumeRoleArn: string({
    description: "The AWS role to assume before signing.",
    aliases: ["awsIamRoleArn"],
    example: "arn:aws:iam::123456789012:role/kafka",
  }),
  sessionName: string({
    description: "The session's name while a role is assumed.",
    aliases: ["awsStsSessionName"],
    default: "DaprDefaultSession",
  }),

  ...entraFields,
  // `clientId` is Kafka's own, and Dapr has none of these here.
  azureClientId: { ...entraFields.azureClientId, aliases: ["spnClientId"] },
  entraScope: string({
    description:
      "The scope of the token for authType entraid. Default: that of the Event Hubs namespace which the first broker is.",
    example: "https://shop.servicebus.windows.net/.default",
  }),

  initialOffset: oneOf(["newest", "oldest"], {
    description:
      "Where a group without a commit in a topic starts. Partitions that are added later are read from their start.",
    direction: "input",
    default: "newest",
  }),
  nullAs: oneOf(["null", "empty"], {
    description:
      "What an app over HTTP or unary gRPC receives for a record whose value is null: the text `null`, as in Dapr, or no data. Event streams and embedded apps receive null.",
    direction: "input",
    default: "null",
  }),
  maxMessageBytes: integer({
    description:
      "Maximum size of a sent message in bytes, including its key and headers. 0 means 1048576.",
    direction: "output",
    default: "0",
    min: 0,
    within: "request",
  }),
  consumeRetryEnabled: bool({
    description:
      "Retry a refused event without a limit, with the backOff fields. Off: with the runtime's policy.",
    direction: "input",
    default: "false",
  }),
  consumeRetryInterval: duration({
    description:
      "The pause before a group is joined again after an error. A number without a unit is in milliseconds.",
    direction: "input",
    bare: "ms",
    default: "100ms",
  }),
  heartbeatInterval: duration({
    description: "The interval of heartbeats to the group's coordinator.",
    direction: "input",
    default: "3s",
  }),
  sessionTimeout: duration({
    description:
      "The time without a heartbeat after which the coordinator assigns the partitions to other members.",
    direction: "input",
    default: "10s",
  }),
  version: string({
    description:
      "The protocol's version. Accepted; has no effect, because the version is negotiated with each broker.",
    default: "2.0.0",
  }),
  escapeHeaders: bool({
    description:
      "Percent-encode the header values and the key of records that are read, as in a URL's query.",
    direction: "input",
    default: "false",
  }),
  excludeHeaderMetaRegex: string({
    description: "Request metadata and record headers whose names match are omitted.",
    example: "^(traceparent|tracestate)$",
  }),
  compression: oneOf(["none", "gzip", "snappy", "lz4", "zstd"], {
    description: "The compression of sent messages.",
    direction: "output",
    default: "none",
  }),
  consumerGroupRebalanceStrategy: string({
    description:
      "How partitions are assigned in the group: range, sticky or roundrobin. Any other text means range.",
    direction: "input",
    default: "range",
  }),
  channelBufferSize: integer({
    description: "Maximum number of events that are delivered at one time.",
    direction: "input",
    default: "256",
    min: 0,
  }),
  consumerFetchMin: integer({
    description: "Minimum number of bytes for which a broker waits before it answers.",
    direction: "input",
    default: "1",
    min: 0,
  }),
  consumerFetchDefault: integer({
    description: "Number of bytes to fetch and prefetch for each partition.",
    direction: "input",
    default: "1048576",
    min: 0,
  }),
  clientConnectionTopicMetadataRefreshInterval: duration({
    description:
      "The interval at which leaders, new partitions and recreated topics are discovered.",
    default: "1m",
  }),
  clientConnectionKeepAliveInterval: duration({
    description:
      "The interval of TCP keep-alive. Accepted; has no effect, because heartbeats and polls keep connections in use.",
    default: "0s",
  }),
  dialTimeout: duration({
    description: "Maximum duration of a connection attempt.",
    default: "30s",
  }),
  readTimeout: duration({
    description: "Maximum duration of an answer of a broker.",
    default: "30s",
  }),
  writeTimeout: duration({
    description: "Maximum time for a broker to store a message.",
    default: "30s",
  }),
  metadataTimeout: duration({
    description: "Accepted; has no effect. Metadata requests use dialTimeout and readTimeout.",
    default: "0s",
  }),
  producerRequiredAcks: oneOf(["all", "local", "none"], {
    description:
      "Which replicas must store a message before it counts as sent: all in-sync replicas, the leader, none.",
    direction: "output",
    default: "all",
  }),
  producerRetryMax: integer({
    description: "How many times the runtime retries a message that could not be sent.",
    direction: "output",
    default: "5",
    min: 0,
  }),
  schemaRegistryURL: string({
    description: "The schema registry, for messages with valueSchemaType avro.",
    direction: "output",
    example: "http://registry:8081",
  }),
  schemaRegistryAPIKey: string({
    description: "The user name for the schema registry.",
    direction: "output",
    example: "registry-user",
  }),
  schemaRegistryAPISecret: string({
    description: "The password for the schema registry.",
    direction: "output",
    sensitive: true,
  }),
  schemaCachingEnabled: bool({
    description: "Cache the latest schema of a subject.",
    direction: "output",
    default: "true",
  }),
  schemaLatestVersionCacheTTL: duration({
    description: "How long the latest schema of a subject is cached.",
    direction: "output",
    default: "5m",
  }),
  useAvroJSON: bool({
    description:
      "Read data as Avro JSON, in which the value of a union is wrapped in its type's name.",
    direction: "output",
    default: "false",
  }),
};

/** A component's metadata as its binding reads it. */
export type KafkaMetadata = Values<typeof kafkaFields>;
