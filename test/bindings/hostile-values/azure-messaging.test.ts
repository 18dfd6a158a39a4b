import type { Message } from "rhea";
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
