import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { avroEncoder } from "../../src/bindings/kafka/avro.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";
import { awsToken } from "../../src/bindings/kafka/aws-token.ts";
import { kafkaFields } from "../../src/bindings/kafka/fields.ts";
import { oidcToken } from "../../src/bindings/kafka/oidc-token.ts";
import { redisFields } from "../../src/bindings/redis/fields.ts";
import { tokenSource } from "../../src/bindings/redis/oidc-token.ts";
import twilio from "../../src/bindings/twilio.sms.ts";
import { parseFields } from "../../src/metadata/parse.ts";
import { makeCertificates } from "./certificates.ts";
import { openOutput } from "./opened-output.ts";

/** A server whose answer is a JSON text without end. */
let status: number;
let sent: number;
const server = createServer((request, response) => {
  request.resume();
  response.writeHead(status, { "content-type": "application/json" });
  const part = Buffer.alloc(64 * 1024, " ");
  const write = async (): Promise<void> => {
    while (!response.destroyed) {
      sent += part.length;
      if (!response.write(part)) await Promise.race([once(response, "drain"), closed]);
    }
  };
  const closed = once(response, "close");
  response.on("error", () => undefined);
  void write();
});
const certificates = makeCertificates();
let url: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  certificates.remove();
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  status = 200;
  sent = 0;
});
afterEach(() => vi.unstubAllEnvs());

function kafka(properties: Record<string, string>) {
  return parseFields(kafkaFields, { brokers: "x:1", ...properties }).values;
}

const oidc = () => ({ oidcTokenEndpoint: url, oidcClientID: "client" });

test.each([
  [
    "the server of a Kafka component's tokens",
    () => oidcToken("oidc", kafka({ ...oidc(), oidcClientSecret: "secret" }))(),
    /no token from .*: the answer is larger than 1048576 bytes/,
  ],
  [
    "the server of a Redis component's tokens",
    () => {
      const { cert, key } = certificates.client;
      const fields = { redisHost: "x:1", oidcClientAssertionCert: cert };
      const all = { ...fields, ...oidc(), useOIDC: "true", oidcClientAssertionKey: key };
      return tokenSource(parseFields(redisFields, all).values)(AbortSignal.timeout(10_000));
    },
    /no token from .*: the answer is larger than 1048576 bytes/,
  ],
  [
    "AWS, asked for a role",
    () => {
      vi.stubEnv("AWS_ENDPOINT_URL_STS", url);
      const keys = { accessKey: "a", secretKey: "b", assumeRoleArn: "arn:aws:iam::1:role/r" };
      const memory = new MemoryBudget().share("test");
      const access = { memory, driver: () => undefined };
      return awsToken(kafka({ region: "eu-west-1", ...keys }), access)();
    },
    /could not be assumed: the answer is larger than 65536 bytes/,
  ],
  [
    "a schema registry",
    () => avroEncoder(kafka({ schemaRegistryURL: url }))("orders", Buffer.from("{}")),
    /no schema .*: the answer is larger than 4194304 bytes/,
  ],
  [
    "Twilio, which refuses",
    async () => {
      status = 400;
      const account = { accountSid: "AC1", authToken: "t", fromNumber: "+1", toNumber: "+2" };
      await using output = await openOutput(twilio, { ...account, apiUrl: url });
      await output.invoke("create", {}, { data: "hello" });
    },
    /error from Twilio \(400\)/,
  ],
])("%s cannot fill memory with its answer", async (_, ask, message) => {
  await expect(ask()).rejects.toThrow(message);
  // What the sockets hold on their way is not much.
  expect(sent).toBeLessThan(16 * 1024 * 1024);
});

test("Twilio's answer that all is well is not read to its end", async () => {
  const account = { accountSid: "AC1", authToken: "t", fromNumber: "+1", toNumber: "+2" };
  await using output = await openOutput(twilio, { ...account, apiUrl: url });
  await output.invoke("create", {}, { data: "hello" });
  expect(sent).toBeLessThan(16 * 1024 * 1024);
});
