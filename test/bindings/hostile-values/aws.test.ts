import dynamodb from "../../../src/bindings/aws/aws.dynamodb/index.ts";
import kinesis from "../../../src/bindings/aws/aws.kinesis/index.ts";
import ses from "../../../src/bindings/aws/aws.ses/index.ts";
import sns from "../../../src/bindings/aws/aws.sns/index.ts";
import sqs from "../../../src/bindings/aws/aws.sqs/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { makeTable, textOf } from "../aws/aws.dynamodb/table.ts";
import { makeStream } from "../aws/aws.kinesis/contract-source.ts";
import { makeSender } from "../aws/aws.ses/sender.ts";
import { makeTopic } from "../aws/aws.sns/topic.ts";
import { makeQueue } from "../aws/aws.sqs/contract-source.ts";
import { testHostileValues } from "./suite.ts";

describeWith("moto", (server) => {
  testHostileValues(sqs, ["the data", "an attribute", "an attribute's name"], async () => {
    const queue = await makeQueue(server);
    return {
      properties: queue.properties,
      places: {
        "the data": {
          send: (output, value) => output.invoke("create", {}, { data: value }),
          arrived: async () => (await queue.take()).map(({ Body }) => Body),
        },
        "an attribute": {
          send: (output, value) =>
            output.invoke("create", { "attribute:mark": value }, { data: "x" }),
          arrived: async () =>
            (await queue.take()).map((one) => one.MessageAttributes?.["mark"]?.StringValue ?? ""),
        },
        "an attribute's name": {
          send: (output, value) =>
            output.invoke("create", { [`attribute:${value}`]: "x" }, { data: "x" }),
          arrived: async () =>
            (await queue.take()).map((one) => Object.keys(one.MessageAttributes ?? {})[0] ?? ""),
        },
      },
    };
  });

  testHostileValues(sqs, ["the group", "the id"], async () => {
    const queue = await makeQueue(server, { fifo: true });
    let sent = 0;
    const attribute = async (name: string): Promise<string[]> =>
      (await queue.take()).map(({ Attributes }) => Attributes[name] ?? "");
    return {
      properties: queue.properties,
      places: {
        "the group": {
          send: (output, messageGroupId) => {
            const messageDeduplicationId = `m-${++sent}`;
            const metadata = { messageGroupId, messageDeduplicationId };
            return output.invoke("create", metadata, { data: "x" });
          },
          arrived: () => attribute("MessageGroupId"),
        },
        "the id": {
          send: (output, messageDeduplicationId) => {
            const metadata = { messageGroupId: "g", messageDeduplicationId };
            return output.invoke("create", metadata, { data: "x" });
          },
          arrived: () => attribute("MessageDeduplicationId"),
        },
      },
    };
  });

  testHostileValues(dynamodb, ["an attribute", "an attribute's name"], async () => {
    const table = await makeTable(server);
    return {
      properties: table.properties,
      places: {
        "an attribute": {
          send: (output, mark) =>
            output.invoke("create", {}, { data: JSON.stringify({ id: "1", mark }) }),
          arrived: async () => (await table.take()).map((item) => textOf(item["mark"])),
        },
        "an attribute's name": {
          send: (output, name) =>
            output.invoke("create", {}, { data: JSON.stringify({ id: "1", [name]: "x" }) }),
          arrived: async () =>
            (await table.take()).map((item) => Object.keys(item).find((one) => one !== "id") ?? ""),
        },
      },
    };
  });
});

// Its mails are read among all that a moto knows, which other tests fill with what is no JSON.
describeWith("moto", { own: true }, (server) => {
  testHostileValues(ses, ["the subject", "the recipient", "the sender", "the body"], async () => {
    const sender = await makeSender(server);
    return {
      properties: sender.properties,
      places: {
        "the subject": {
          send: (output, subject) => output.invoke("create", { subject }, { data: "x" }),
          arrived: async () => (await sender.arrived()).map(({ subject }) => subject),
        },
        "the recipient": {
          send: (output, emailTo) => output.invoke("create", { emailTo }, { data: "x" }),
          arrived: async () =>
            (await sender.arrived()).flatMap((one) => one.destinations["ToAddresses"] ?? []),
          harmless: "ann@example.org",
        },
        "the sender": {
          send: (output, name) =>
            output.invoke("create", { emailFrom: `${name} <${sender.emailFrom}>` }, { data: "x" }),
          arrived: async () =>
            (await sender.arrived()).map((one) => one.source.split(" <")[0] ?? ""),
        },
        "the body": {
          send: (output, data) => output.invoke("create", {}, { data }),
          arrived: async () => (await sender.arrived()).map(({ body }) => body),
        },
      },
    };
  });

  testHostileValues(sns, ["the message", "the subject", "an attribute"], async () => {
    const topic = await makeTopic(server);
    return {
      properties: topic.properties,
      places: {
        "the message": {
          send: (output, message) =>
            output.invoke("create", {}, { data: JSON.stringify({ message }) }),
          arrived: async () => (await topic.arrived()).map(({ Message }) => Message),
        },
        "the subject": {
          send: (output, subject) =>
            output.invoke("create", {}, { data: JSON.stringify({ message: "x", subject }) }),
          arrived: async () => (await topic.arrived()).map(({ Subject = "" }) => Subject),
        },
        "an attribute": {
          send: (output, value) =>
            output.invoke("create", { "attribute:mark": value }, { data: `{"message":"x"}` }),
          arrived: async () =>
            (await topic.arrived()).map((one) => one.MessageAttributes?.["mark"]?.Value ?? ""),
        },
      },
    };
  });
});

describeWith("kinesalite", (server) => {
  testHostileValues(kinesis, ["the data", "the partition key"], async () => {
    const stream = await makeStream(server);
    return {
      properties: stream.properties,
      places: {
        "the data": {
          send: (output, data) => output.invoke("create", {}, { data }),
          arrived: async () => (await stream.taken()).map(({ data }) => data.toString()),
        },
        "the partition key": {
          send: (output, partitionKey) => output.invoke("create", { partitionKey }, { data: "x" }),
          arrived: async () => (await stream.taken()).map(({ key }) => key),
        },
      },
    };
  });
});
