import { makeTable } from "../../bindings/aws/aws.dynamodb/table.ts";
import { makeStream } from "../../bindings/aws/aws.kinesis/contract-source.ts";
import { makeBucket } from "../../bindings/aws/aws.s3/moto-bucket.ts";
import { makeTopic } from "../../bindings/aws/aws.sns/topic.ts";
import { makeQueue } from "../../bindings/aws/aws.sqs/contract-source.ts";
import { makeSender } from "../../bindings/aws/aws.ses/sender.ts";
import type { Call, Prepared, Suite } from "../suite.ts";

type Asked = Pick<Prepared, "calls" | "inputs" | "events" | "send" | "environment"> & {
  readonly properties: Readonly<Record<string, string>>;
  readonly names?: Prepared["names"];
};

/** The request ids of each answer differ. */
const requests = [[/(?<=Request ?ID: )[\w-]*/gi, "{request}"] as const];

function suiteOf(type: string, prepare: (url: string) => Promise<Asked>): Suite {
  return {
    name: type,
    servers: ["moto"],
    async prepare({ servers }) {
      const { properties, names = [], ...asked } = await prepare(`http://${servers.moto}`);
      return {
        components: [{ name: "aws", type: `bindings.${type}`, metadata: properties }],
        names: [...names, [servers.moto, "{server}"], ...requests],
        ...asked,
      };
    },
  };
}

const one = (
  name: string,
  operation: string,
  data?: unknown,
  metadata: Record<string, string> = {},
): Call => ({ ...{ name, binding: "aws", operation, metadata, data } });

export const awsSqs = suiteOf("aws.sqs", async (url) => {
  const queue = await makeQueue({ url });
  const { waitTime: _, ...properties } = queue.properties;
  return {
    properties,
    names: [
      [queue.queueName, "{queue}"],
      [/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "{id}"],
      [/(?<=timestamp":")\d+/gi, "{time}"],
      [/(?<=senderid":")\w+/gi, "{sender}"],
    ],
    calls: [
      one("create", "create", "text"),
      one("create of an object", "create", { a: "ü", b: 1 }),
      one("create of nothing", "create", ""),
      one("an operation that is not there", "get", "text"),
    ],
    inputs: ["aws"],
    events: 2,
  };
});

export const awsSns = suiteOf("aws.sns", async (url) => {
  const { properties, topicArn } = await makeTopic({ url });
  return {
    properties,
    names: [[topicArn, "{topic}"]],
    calls: [
      one("create", "create", { message: "text", subject: "News" }),
      one("a message that is an object", "create", { message: { a: 1 }, subject: "News" }),
      one("a number", "create", { message: 1.5, subject: "News" }),
      one("what is no JSON", "create", "text"),
      one("an operation that is not there", "get", { message: "text", subject: "News" }),
    ],
  };
});

export const awsDynamodb = suiteOf("aws.dynamodb", async (url) => {
  const { properties, table } = await makeTable({ url });
  return {
    properties,
    names: [[table, "{table}"]],
    calls: [
      one("create", "create", { id: "1", list: [1, "a", null, true], map: { a: 1.5 } }),
      one("without its key", "create", { a: 1 }),
      one("a key of another type", "create", { id: 1 }),
      one("what is no JSON", "create", "text"),
      one("an operation that is not there", "get", { id: "1" }),
    ],
  };
});

export const awsKinesis = suiteOf("aws.kinesis", async (url) => {
  const { properties, name } = await makeStream({ url });
  const { initialPosition: _1, pollInterval: _2, ...known } = properties;
  return {
    // Dapr looks at the leases after half a minute at the earliest: test/bindings/aws/aws.kinesis has its library.
    properties: { ...known, direction: "output" },
    names: [[name, "{stream}"]],
    calls: [
      one("create", "create", "text"),
      one("create with a key", "create", { a: "ü" }, { partitionKey: "k" }),
      one("an operation that is not there", "get", "text"),
    ],
  };
});

export const awsSes = suiteOf("aws.ses", async (url) => {
  const { properties, emailFrom } = await makeSender({ url });
  // As Dapr wants it, which takes off a literal's quotes.
  const quoted = '"text"';
  const { endpoint: _, ...others } = properties as Record<string, string>;
  return {
    properties: others,
    environment: { AWS_ENDPOINT_URL_SES: url },
    names: [[emailFrom, "{sender}"]],
    calls: [
      one("create", "create", quoted),
      one("a subject of the call", "create", quoted, { subject: "ü" }),
      one("of somebody who is not verified", "create", quoted, { emailFrom: "no@example.org" }),
      one("an operation that is not there", "get", quoted),
    ],
  };
});

export const awsS3 = suiteOf("aws.s3", async (url) => {
  const { properties, bucket } = await makeBucket({ url });
  return {
    properties,
    names: [
      [bucket, "{bucket}"],
      [/\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "{time}"],
      // Go escapes what JSON need not.
      ["\\\\u0026", "&"],
      [/X-Amz-[^"\\]*/g, "{signature}"],
      [/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "{uuid}"],
      [/(?<=Host ?ID: )[^,"]*/gi, "{host}"],
    ],
    calls: [
      one("list of nothing", "list", {}),
      // No UUID that the binding makes for a key begins with x.
      one("create", "create", "text", { key: "x/b c+d" }),
      one("create of an object", "create", { a: 1 }, { key: "object" }),
      one("create without a key", "create", "x"),
      one("create of base64", "create", "AP8K", { key: "decoded", decodeBase64: "true" }),
      one("create of what is no base64", "create", "AP8", { key: "z", decodeBase64: "true" }),
      one("create with tags", "create", "x", { key: "tagged", tags: "a=1,b=2" }),
      one("create with tags that are none", "create", "x", { key: "t", tags: "a" }),
      one("create of a storage class", "create", "x", { key: "cold", storageClass: "GLACIER_IR" }),
      one("create with a signed address", "create", "x", { key: "signed", presignTTL: "15m" }),
      one("get", "get", undefined, { key: "x/b c+d" }),
      one("get in base64", "get", undefined, { key: "object", encodeBase64: "true" }),
      one("get of what is not there", "get", undefined, { key: "none" }),
      one("get without a key", "get"),
      one("list", "list", { prefix: "x/" }),
      one("list with a delimiter", "list", { prefix: "x", delimiter: "/", maxResults: 2 }),
      one("list from a marker", "list", { marker: "object" }),
      one("list of what is no JSON", "list", "text"),
      one("presign", "presign", undefined, { key: "object", presignTTL: "15m" }),
      one("presign without a key", "presign", undefined, { presignTTL: "15m" }),
      one("presign without a time", "presign", undefined, { key: "object" }),
      one("presign for a time that is none", "presign", undefined, { key: "x", presignTTL: "1" }),
      one("bulkGet", "bulkGet", { items: [{ key: "object" }, { key: "none" }], concurrency: 1 }),
      one("bulkGet of nothing", "bulkGet", { items: [] }),
      one("bulkCreate", "bulkCreate", {
        items: [{ key: "b1", data: "1" }, { key: "b2" }],
        concurrency: 1,
      }),
      one("bulkDelete", "bulkDelete", { keys: ["b1", "b2", "none"] }),
      one("delete", "delete", undefined, { key: "object" }),
      one("delete of what is not there", "delete", undefined, { key: "object" }),
      one("delete without a key", "delete"),
      one("an operation that is not there", "increment"),
    ],
  };
});
