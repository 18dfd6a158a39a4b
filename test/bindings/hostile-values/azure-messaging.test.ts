import type { Message } from "rhea";
import azureEventhubs from "../../../src/bindings/azure/azure.eventhubs/index.ts";
import azureServicebusQueues from "../../../src/bindings/azure/azure.servicebus.queues/index.ts";
import { startNamespace } from "../azure/namespace.ts";
import type { OpenedOutput } from "../opened-output.ts";
import { testHostileValues } from "./suite.ts";

const places = [
  "the id",
  "the session",
  "the label",
  "an application property",
  "a property's name",
];

testHostileValues(azureServicebusQueues, places, async () => {
  const namespace = await startNamespace();
  const { connectionString } = namespace;
  // A frame tells of what was accepted, so that all is there once an invocation has ended.
  let taken = 0;
  const messages = (): Message[] => {
    const all = namespace.queue("orders").messages.slice(taken);
    taken += all.length;
    return all.map(({ message }) => message);
  };
  const place = (
    metadata: (value: string) => Record<string, string>,
    read: (message: Message) => unknown,
  ) => ({
    send: (output: OpenedOutput, value: string) => output.invoke("create", metadata(value)),
    arrived: async () => messages().map((message) => String(read(message))),
  });
  return {
    properties: { connectionString, queueName: "orders" },
    places: {
      "the id": place(
        (id) => ({ id }),
        ({ message_id }) => message_id,
      ),
      "the session": place(
        (SessionId) => ({ SessionId }),
        ({ group_id }) => group_id,
      ),
      "the label": place(
        (Label) => ({ Label }),
        ({ subject }) => subject,
      ),
      "an application property": place(
        (mark) => ({ mark }),
        ({ application_properties }) => application_properties?.["mark"],
      ),
      "a property's name": place(
        (name) => ({ [name]: "x" }),
        ({ application_properties }) => Object.keys(application_properties ?? {}).join(),
      ),
    },
  };
});

const hubPlaces = [
  ...["the key", "the partition", "the content type", "a property"],
  "a property's name",
];

testHostileValues(azureEventhubs, hubPlaces, async () => {
  const namespace = await startNamespace();
  const { connectionString } = namespace;
  const hub = namespace.hub("hub-1");
  let taken = 0;
  const place = (
    metadata: (value: string) => Record<string, string>,
    read: (message: Message) => unknown,
    harmless = "harmless",
  ) => ({
    send: (output: OpenedOutput, value: string) => output.invoke("create", metadata(value)),
    async arrived() {
      const all = hub.eventsOf("0").slice(taken);
      taken += all.length;
      return all.map(({ message }) => String(read(message)));
    },
    harmless,
  });
  return {
    properties: { connectionString, eventHub: "hub-1" },
    places: {
      "the key": place(
        (partitionKey) => ({ partitionKey }),
        ({ message_annotations }) => message_annotations?.["x-opt-partition-key"],
      ),
      // It is read by no other than the partition that it names.
      "the partition": place(
        (partitionId) => ({ partitionId }),
        () => "0",
        "0",
      ),
      "the content type": place(
        (contentType) => ({ contentType }),
        ({ content_type }) => content_type,
      ),
      "a property": place(
        (value) => ({ "header:mark": value }),
        ({ application_properties }) => application_properties?.["mark"],
      ),
      "a property's name": place(
        (name) => ({ [`header:${name}`]: "x" }),
        ({ application_properties }) => Object.keys(application_properties ?? {}).join(),
      ),
    },
  };
});
