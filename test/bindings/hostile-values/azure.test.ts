import blobStorage from "../../../src/bindings/azure/azure.blobstorage/index.ts";
import storageQueues from "../../../src/bindings/azure/azure.storagequeues/index.ts";
import { makeContainer } from "../azure/blob-container.ts";
import { makeQueue } from "../azure/queue-source.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { elementAt, parseXml, textAt } from "../../../src/text/xml.ts";
import { openOutput } from "../opened-output.ts";
import { testHostileValues } from "./suite.ts";

describeWith("azurite-queue", (server) =>
  testHostileValues(storageQueues, ["the message", "the ttl"], async () => {
    const queue = await makeQueue(server);
    const arrived = async (): Promise<string[]> => {
      const { receivedMessageItems, _response } = await queue.receiveMessages({
        numberOfMessages: 32,
      });
      await queue.clearMessages();
      // Microsoft's client leaves some of XML's references as they are.
      const list = parseXml(_response.bodyAsText ?? "");
      return receivedMessageItems.map((_, n) => textAt(list?.children[n], "MessageText") ?? "");
    };
    return {
      properties: queue.properties,
      places: {
        "the message": {
          send: (output, data) => output.invoke("create", {}, { data }),
          arrived,
        },
        "the ttl": {
          send: (output, ttl) => output.invoke("create", { ttl }, { data: "x" }),
          arrived,
          expected: () => "x",
          harmless: "60",
        },
      },
    };
  }),
);

describeWith("azurite-blob", (server) =>
  testHostileValues(blobStorage, ["the name", "a content type", "the metadata"], async () => {
    const { container, properties } = await makeContainer(server);
    const arrived = async (
      read: (name: string) => Promise<string | undefined>,
    ): Promise<string[]> => {
      const names: string[] = [];
      for await (const { _response } of container.listBlobsFlat().byPage()) {
        // Microsoft's client leaves some of XML's references as they are.
        const blobs = elementAt(parseXml(_response.bodyAsText ?? ""), "Blobs");
        for (const blob of blobs?.children ?? []) names.push(textAt(blob, "Name") ?? "");
      }
      const found = await Promise.all(names.map(read));
      await using other = await openOutput(blobStorage, properties);
      for (const blobName of names) await other.invoke("delete", { blobName });
      return found.map((text) => text ?? "");
    };
    const stored = (name: string) => container.getBlobClient(name).getProperties();
    return {
      properties,
      places: {
        "the name": {
          send: (output, blobName) => output.invoke("create", { blobName }, { data: "x" }),
          arrived: () => arrived((name) => Promise.resolve(name)),
          // The service takes the one slash for the other.
          expected: (value) => value.replaceAll("\\", "/"),
        },
        "a content type": {
          send: (output, contentType) => output.invoke("create", { contentType }, { data: "x" }),
          arrived: () => arrived(async (name) => (await stored(name)).contentType),
        },
        "the metadata": {
          send: (output, mark) => output.invoke("create", { mark }, { data: "x" }),
          arrived: () => arrived(async (name) => (await stored(name)).metadata?.["mark"]),
          expected: (value) => value.replaceAll(/[^\x20-\x7e\t]/g, ""),
        },
      },
    };
  }),
);
