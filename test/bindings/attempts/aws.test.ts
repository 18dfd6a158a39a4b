import dynamodb from "../../../src/bindings/aws/aws.dynamodb/index.ts";
import kinesis from "../../../src/bindings/aws/aws.kinesis/index.ts";
import ses from "../../../src/bindings/aws/aws.ses/index.ts";
import sns from "../../../src/bindings/aws/aws.sns/index.ts";
import sqs from "../../../src/bindings/aws/aws.sqs/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { makeTable } from "../aws/aws.dynamodb/table.ts";
import { makeStream } from "../aws/aws.kinesis/contract-source.ts";
import { makeSender } from "../aws/aws.ses/sender.ts";
import { makeTopic } from "../aws/aws.sns/topic.ts";
import { makeQueue } from "../aws/aws.sqs/contract-source.ts";
import { testAttempts } from "./suite.ts";

describeWith("moto", (server) => {
  const at = (properties: Record<string, string>) => (proxy: { host: string; port: number }) => ({
    ...properties,
    endpoint: `http://${proxy.host}:${proxy.port}`,
  });

  testAttempts(sqs, "create", async () => {
    const queue = await makeQueue(server);
    const came: string[] = [];
    return {
      server,
      properties: at(queue.properties),
      ...{ operation: "create", connectsByCall: true },
      request: (data) => ({ data }),
      async done(mark) {
        came.push(...(await queue.take()).map(({ Body }) => Body));
        return came.filter((text) => text === mark).length;
      },
    };
  });

  testAttempts(sqs, "create with an id", async () => {
    const queue = await makeQueue(server, { fifo: true });
    const came: string[] = [];
    const metadata = { messageGroupId: "g", messageDeduplicationId: "d-1" };
    return {
      server,
      properties: at(queue.properties),
      ...{ operation: "create", idempotent: true, connectsByCall: true },
      request: (data) => ({ data, metadata }),
      async done(mark) {
        came.push(...(await queue.take()).map(({ Body }) => Body));
        return came.filter((text) => text === mark).length;
      },
    };
  });

  testAttempts(dynamodb, "create", async () => {
    const table = await makeTable(server);
    return {
      server,
      properties: at(table.properties),
      ...{ operation: "create", idempotent: true, connectsByCall: true },
      request: (id) => ({ data: JSON.stringify({ id }) }),
      // The second of two puts the same item in the place of the first.
      done: async () => (await table.items()).length,
    };
  });

  testAttempts(sns, "create", async () => {
    const topic = await makeTopic(server);
    const came: string[] = [];
    return {
      server,
      properties: at(topic.properties),
      ...{ operation: "create", connectsByCall: true },
      request: (message) => ({ data: JSON.stringify({ message }) }),
      async done(mark) {
        came.push(...(await topic.arrived()).map(({ Message }) => Message));
        return came.filter((text) => text === mark).length;
      },
    };
  });
});

// Its mails are read among all that a moto knows, which other tests fill with what is no JSON.
describeWith("moto", { own: true }, (server) => {
  const at = (properties: Record<string, string>) => (proxy: { host: string; port: number }) => ({
    ...properties,
    endpoint: `http://${proxy.host}:${proxy.port}`,
  });

  testAttempts(ses, "create", async () => {
    const sender = await makeSender(server);
    return {
      server,
      properties: at(sender.properties),
      ...{ operation: "create", connectsByCall: true },
      request: (data) => ({ data }),
      done: async (mark) => (await sender.sent()).filter(({ body }) => body === mark).length,
    };
  });
});

describeWith("kinesalite", (server) => {
  testAttempts(kinesis, "create", async () => {
    const stream = await makeStream(server);
    return {
      server,
      properties: ({ host, port }) => ({
        ...stream.properties,
        endpoint: `http://${host}:${port}`,
      }),
      ...{ operation: "create", connectsByCall: true },
      request: (partitionKey) => ({ data: "x", metadata: { partitionKey } }),
      done: async (mark) => (await stream.records()).filter(({ key }) => key === mark).length,
    };
  });
});
