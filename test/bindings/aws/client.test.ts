import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AwsClient } from "../../../src/bindings/aws/client.ts";
import type { AwsMetadata } from "../../../src/bindings/aws/fields.ts";
import { awsFailure } from "../../../src/bindings/aws/failures.ts";
import { settingsOf } from "../../../src/bindings/aws/settings.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { textAt } from "../../../src/text/xml.ts";

const sqs = { id: "SQS", host: "sqs" } as const;
const target = { prefix: "AmazonSQS", operation: "SendMessage", version: "1.0" } as const;
const { signal } = new AbortController();

const none: AwsMetadata = {
  region: undefined,
  endpoint: undefined,
  accessKey: undefined,
  secretKey: undefined,
  sessionToken: undefined,
  assumeRoleArn: undefined,
  sessionName: undefined,
  trustAnchorArn: undefined,
  trustProfileArn: undefined,
  caCert: undefined,
};
const keys = { accessKey: "AKID", secretKey: "secret" };

beforeEach(() => {
  for (const name of Object.keys(process.env))
    if (name.startsWith("AWS_")) vi.stubEnv(name, undefined);
  vi.stubEnv("AWS_CONFIG_FILE", "/nowhere/config");
});

afterEach(() => {
  vi.unstubAllEnvs();
});

async function serve(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<AsyncDisposable & { url: string }> {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => handle(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function open(metadata: Partial<AwsMetadata>, hide?: (secret: string) => void): Promise<AwsClient> {
  return AwsClient.open(
    {
      metadata: { ...none, ...metadata },
      memory: new MemoryBudget().share("test"),
      driver: () => {
        throw new Error("no library is needed");
      },
      ...(hide ? { hide } : {}),
    },
    sqs,
  );
}

test.each<[string, Partial<AwsMetadata>, Record<string, string>, string]>([
  ["the region", { region: "eu-central-1" }, {}, "https://sqs.eu-central-1.amazonaws.com"],
  ["a region of China", { region: "cn-north-1" }, {}, "https://sqs.cn-north-1.amazonaws.com.cn"],
  ["AWS_REGION", {}, { AWS_REGION: "us-east-2" }, "https://sqs.us-east-2.amazonaws.com"],
  [
    "the metadata before the environment",
    { region: "us-west-1", endpoint: "http://emulator:1/" },
    { AWS_REGION: "us-east-2", AWS_ENDPOINT_URL: "http://other" },
    "http://emulator:1",
  ],
  [
    "the service's own variable before that of all",
    {},
    { AWS_ENDPOINT_URL: "http://all", AWS_ENDPOINT_URL_SQS: "http://sqs:2" },
    "http://sqs:2",
  ],
  [
    "AWS's own where configured endpoints are ignored",
    { region: "us-west-1" },
    { AWS_ENDPOINT_URL: "http://all", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true" },
    "https://sqs.us-west-1.amazonaws.com",
  ],
  [
    "FIPS and both address families",
    { region: "us-west-1" },
    { AWS_USE_FIPS_ENDPOINT: "true", AWS_USE_DUALSTACK_ENDPOINT: "true" },
    "https://sqs-fips.us-west-1.api.aws",
  ],
])("takes the endpoint of %s", (_what, metadata, environment, endpoint) => {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  expect(settingsOf({ ...none, ...metadata }, sqs).endpoint).toBe(endpoint);
});

test.each<[string, Partial<AwsMetadata>, string]>([
  ["no region", {}, "region is not set"],
  ["a region that would be another host", { region: "x/@evil.example#" }, "is no name of one"],
  ["half of the keys", { region: "eu-west-1", accessKey: "AKID" }, "without secretKey"],
  ["Roles Anywhere", { region: "eu-west-1", trustAnchorArn: "arn:x" }, "trustAnchorArn: IAM Roles"],
  ["a user in the endpoint", { endpoint: "http://me:secret@host" }, "no user and no query"],
])("refuses %s", async (_what, metadata, why) => {
  await expect(open(metadata)).rejects.toMatchObject({
    reason: "invalid_argument",
    message: expect.stringContaining(why) as string,
  });
});

test("signs for the service, and reads answers of JSON and XML", async () => {
  const seen: IncomingMessage[] = [];
  await using server = await serve((request, response) => {
    seen.push(request);
    const isQuery = request.headers["x-amz-target"] === undefined;
    response.end(
      isQuery
        ? "<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>"
        : `{"MessageId":"m-2"}`,
    );
  });
  await using client = await open({ endpoint: server.url, ...keys });
  expect(await client.json(target, { MessageBody: "x" }, signal)).toEqual({ MessageId: "m-2" });
  const version = "2010-03-31";
  const result = await client.query({ operation: "Publish", version }, { Message: "x" }, signal);
  expect(textAt(result, "MessageId")).toBe("m-1");
  expect(seen[0]?.headers).toMatchObject({
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": "AmazonSQS.SendMessage",
    authorization: expect.stringMatching(
      /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/us-east-1\/sqs\/aws4_request, /,
    ) as string,
  });
});

test.each([
  ["com.amazonaws.sqs#QueueDoesNotExist", 400, "not_found", "rejected"],
  ["com.amazon.coral.service#ThrottlingException:http://x/", 400, "resource_exhausted", "unsent"],
  ["AccessDeniedException", 400, "permission_denied", "rejected"],
  ["InvalidClientTokenId", 403, "unauthenticated", "rejected"],
  ["InternalFailure", 500, "unavailable", "ambiguous"],
  ["SomethingNew", 400, "invalid_argument", "rejected"],
  ["SomethingNew", 500, "internal", "ambiguous"],
])("%s with %i is %s, %s", async (type, status, reason, effect) => {
  await using server = await serve((_request, response) => {
    response.writeHead(status, { "x-amzn-requestid": "r-1" });
    response.end(JSON.stringify({ __type: type, message: "so it is" }));
  });
  await using client = await open({ endpoint: server.url, ...keys });
  const code = type.replace(/^.*#/, "").replace(/:.*/, "");
  await expect(client.json(target, {}, signal)).rejects.toMatchObject({
    reason,
    effect,
    systemCode: code,
    message: `operation error SQS: SendMessage, https response error StatusCode: ${status}, RequestID: r-1, api error ${code}: so it is`,
  });
});

test("an error in XML, and an answer that is none", async () => {
  const answers = [
    "<ErrorResponse><Error><Code>NotFound</Code><Message>no topic</Message></Error><RequestId>r</RequestId></ErrorResponse>",
    "<html>Bad Gateway",
  ];
  await using server = await serve((_request, response) => {
    response.writeHead(answers.length === 2 ? 404 : 502).end(answers.shift());
  });
  await using client = await open({ endpoint: server.url, ...keys });
  const act = (): Promise<unknown> =>
    client.query({ operation: "Publish", version: "2010-03-31" }, {}, signal);
  await expect(act()).rejects.toMatchObject({ reason: "not_found", systemCode: "NotFound" });
  await expect(act()).rejects.toMatchObject({ reason: "unavailable", effect: "ambiguous" });
});

test("what was refused for expired credentials is sent once more with new ones", async () => {
  let calls = 0;
  await using server = await serve((request, response) => {
    if (request.headers["x-amz-target"] === undefined) {
      response.end(
        `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKID${calls}</AccessKeyId><SecretAccessKey>s</SecretAccessKey></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
      );
      return;
    }
    calls++;
    if (request.headers.authorization?.includes("AKID1/")) return void response.end("{}");
    response.writeHead(400).end(`{"__type":"ExpiredTokenException","message":"over"}`);
  });
  vi.stubEnv("AWS_ENDPOINT_URL", server.url);
  const assumeRoleArn = "arn:aws:iam::123456789012:role/shop";
  await using client = await open({ ...keys, assumeRoleArn });
  expect(await client.json(target, {}, signal)).toEqual({});
  expect(calls).toBe(2);
});

test("fixed keys that have expired are not tried again", async () => {
  let calls = 0;
  await using server = await serve((_request, response) => {
    calls++;
    response.writeHead(400).end(`{"__type":"ExpiredTokenException","message":"over"}`);
  });
  await using client = await open({ endpoint: server.url, ...keys });
  await expect(client.json(target, {}, signal)).rejects.toMatchObject({
    reason: "unauthenticated",
    effect: "rejected",
  });
  expect(calls).toBe(1);
});

test("no redirect is followed, and a signature that is quoted is hidden", async () => {
  const hidden: string[] = [];
  let authorization = "";
  await using server = await serve((request, response) => {
    authorization = request.headers.authorization ?? "";
    response.writeHead(403).end(`{"__type":"InvalidSignatureException","message":"no"}`);
  });
  await using other = await serve((_request, response) => {
    response.writeHead(307, { location: server.url }).end();
  });
  await using client = await open({ endpoint: server.url, ...keys }, (one) => hidden.push(one));
  await expect(client.json(target, {}, signal)).rejects.toThrow("InvalidSignatureException");
  expect(hidden).toContain(/Signature=(\w+)/.exec(authorization)?.[1]);
  authorization = "";
  await using led = await open({ endpoint: other.url, ...keys });
  await expect(led.json(target, {}, signal)).rejects.toThrow("another origin");
  expect(authorization).toBe("");
});

test("a connection that cannot be made is unsent; one that is cut is ambiguous", async () => {
  await using server = await serve((request) => {
    request.socket.destroy();
  });
  await using client = await open({ endpoint: server.url, ...keys });
  await expect(client.json(target, {}, signal)).rejects.toMatchObject({ effect: "ambiguous" });
  await using nowhere = await open({ endpoint: "http://127.0.0.1:1", ...keys });
  await expect(nowhere.json(target, {}, signal)).rejects.toMatchObject({
    reason: "unavailable",
    effect: "unsent",
  });
});

test("an error says when to come again", () => {
  const failure = awsFailure("SQS", "SendMessage", {
    status: 503,
    code: "ServiceUnavailable",
    message: "",
    retryAfter: "2",
  });
  expect(failure).toMatchObject({ effect: "unsent", retryAfter: 2000 });
});
