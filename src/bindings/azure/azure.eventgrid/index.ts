import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { parseAddress } from "../../../http-client/address.ts";
import { entraDrivers, needsEntraDriver, openEntra } from "../../../identity/azure/entra.ts";
import { eventGridFields } from "./fields.ts";
import type { EventGridMetadata } from "./fields.ts";
import { examineInput, readEvents, readInputSettings } from "./input.ts";
import { Topic } from "./publisher.ts";

const empty = new Uint8Array();

/** Publishes events to a topic of Azure Event Grid, and reads those that it sends to a webhook. */
export default defineBinding({
  name: "azure.eventgrid",
  status: "beta",
  summary: "Publishes events to a topic of Azure Event Grid, and takes those that it sends.",
  openedOnce: "port",
  provedBy: [
    { system: "Azure Event Grid", kind: "stand-in" },
    { system: "Microsoft Entra ID", kind: "stand-in" },
  ],
  drivers: entraDrivers,
  needsDriver: (_name, metadata) =>
    (!metadata.accessKey || Boolean(metadata.subscriberEndpoint)) && needsEntraDriver(metadata),
  metadata: eventGridFields,
  example: {
    topicEndpoint: "https://orders.westeurope-1.eventgrid.azure.net/api/events",
    accessKey: "my-key",
    scope: "/subscriptions/0000/resourceGroups/shop/providers/Microsoft.EventGrid/topics/orders",
    subscriberEndpoint: "https://shop.example.com/events",
    azureTenantId: "my-tenant",
    azureClientId: "my-client",
    azureClientSecret: "my-secret",
  },

  check: (metadata, { input, output }) =>
    problemsOf([
      () => metadata.topicEndpoint && parseAddress(metadata.topicEndpoint),
      () => checkInput(metadata, { input, output }),
      () => {
        if (!metadata.topicEndpoint && !isInput(metadata))
          throw wrong("metadata field 'TopicEndpoint' is empty in EventGrid binding");
      },
    ]),

  async open({ component, metadata, directions, http, memory, driver, hide }) {
    checkInput(metadata, directions);
    const { topicEndpoint, accessKey } = metadata;
    // Opened where it is used: it may not be set up for either.
    const login = () => openEntra({ settings: metadata, driver, hide });
    const topic = topicEndpoint
      ? await Topic.open(topicEndpoint, accessKey ? { accessKey } : { entra: login() }, {
          ...{ memory, hide, caCert: metadata.caCert },
        })
      : undefined;
    return {
      ...{ topic, http, login, memory, hide, name: component.name },
      [Symbol.asyncDispose]: async () => topic?.[Symbol.asyncDispose](),
    };
  },

  async examine({ topic, login, memory, hide, name }, questions) {
    const { metadata, directions, unknown, omit } = questions;
    const reads = directions.input && isInput(metadata);
    if (directions.output && topic !== undefined) await topic.examine(questions);
    else if (directions.output) unknown("may write", "", "topicEndpoint is not set");
    if (reads) await examineInput(login(), name, { metadata, memory, hide, questions });
    // The name of the topic is a part of its address.
    else omit("exists");
    if (directions.input)
      unknown(
        "may read",
        "",
        reads
          ? "Event Grid sends the events: it must reach subscriberEndpoint"
          : "subscriberEndpoint and scope are not set",
      );
  },

  operations: {
    create: {
      description: "Publishes the data, an event in the JSON form of CloudEvents.",
      request: {},
      async invoke({ topic, name }, { data = empty, signal }) {
        if (topic === undefined)
          throw wrong(`metadata field 'TopicEndpoint' is empty in EventGrid binding (${name})`);
        await topic.publish(data, signal);
      },
    },
  },

  guarantee: {
    returned: "is answered 503, and Event Grid sends it again after a pause of its own",
    atLeastOnce:
      "Event Grid repeats what was not answered with 2xx: by default 30 times within 24 hours",
    shared: true,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime: "what the app has: `maxInFlight` (64)",
      server: "what was handled while the answer was lost: `maxInFlight` (64)",
    },
  },

  read({ http, login }, reading) {
    if (isInput(reading.metadata)) return readEvents(http, login(), reading);
    // It is set up to publish alone, and the app wants events of everything.
    reading.report?.("nothing is read: subscriberEndpoint and scope are not set", false);
    return { stop() {}, flush() {}, close() {} };
  },
});

/** Throws a `BindingError`. A component that declares no direction may be set up for one of them alone. */
function checkInput(
  metadata: EventGridMetadata,
  { input, output }: { readonly input: boolean; readonly output: boolean },
): void {
  if (input && (!output || isInput(metadata))) readInputSettings(metadata);
}

function isInput({ subscriberEndpoint, scope }: EventGridMetadata): boolean {
  return Boolean(subscriberEndpoint) || Boolean(scope);
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
