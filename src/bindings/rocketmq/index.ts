import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { BindingError } from "../../errors.ts";
import { examineByRequest } from "../../examine-by-request.ts";
import { authoritiesOf } from "../../tls/pem.ts";
import { addressOf, RocketmqClient } from "./client.ts";
import { createFields, rocketmqFields } from "./fields.ts";
import { GroupReader } from "./reader.ts";
import type { Queue } from "./requests.ts";
import { Routes } from "./routes.ts";
import { create } from "./send.ts";
import { checkSettings, resourceOf, topicsOf } from "./settings.ts";

/** Reads topics of Apache RocketMQ, and sends to them, by the proxy of RocketMQ 5. */
export default defineBinding({
  name: "rocketmq",
  status: "alpha",
  summary: "Reads topics of Apache RocketMQ, and sends messages to them, by RocketMQ 5's proxy.",
  provedBy: [
    { system: "Apache RocketMQ", kind: "real" },
    { system: "RocketMQ's proxy", kind: "stand-in" },
  ],
  metadata: rocketmqFields,
  example: { proxyEndpoint: "rocketmq-proxy:8081", topics: "orders", consumerGroup: "shop" },

  check: (metadata, { input }) => problemsOf([() => checkSettings(metadata, input)]),

  async open({ metadata, directions, memory, hide, signal }) {
    checkSettings(metadata, directions.input);
    const { proxyEndpoint = "", tls, caCert, instanceId = "", securityToken: token } = metadata;
    const { accessKey, secretKey } = metadata;
    const client = new RocketmqClient({
      ...addressOf(proxyEndpoint, tls),
      ca: await authoritiesOf(caCert),
      namespace: instanceId,
      credentials: accessKey && secretKey ? { accessKey, secretKey, token } : undefined,
      ...{ memory, hide },
    });
    const routes = new Routes(client);
    try {
      await client.ping(signal);
      return routes;
    } catch (error) {
      await routes[Symbol.asyncDispose]();
      throw error;
    }
  },

  operations: {
    create: {
      description: "Sends the data as one message, and waits until the broker has it.",
      request: createFields,
      answerMetadata: {
        "rocketmq-message-id": "The message's id; of several topics they are separated by commas.",
      },
      invoke: (routes, call) => create(routes, call),
    },
  },

  retry: {
    outbound: ({ retries }) => (retries === undefined ? {} : { attempts: retries + 1 }),
  },

  guarantee: {
    returned: "is visible again after the pause; later ones of its group go on meanwhile",
    atLeastOnce:
      "the broker keeps the messages: 72 hours unless it is set otherwise, and while they were delivered less often than the group's `retryMaxTimes` says (16)",
    key: "the message group of a topic of the type FIFO, where the consumer group is orderly",
    shared: true,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime:
        "what was received: `maxInFlight` (64), and what waits for a retry; in an orderly group also what was handled behind it",
      server:
        "the same at most; while the process lives what was handled is known by its id, also where its acknowledgement was lost",
    },
  },

  async read(routes, reading) {
    const { consumerGroup, topics } = reading.metadata;
    if (!consumerGroup || topics === undefined)
      throw new BindingError("invalid_argument", "the metadata has no consumerGroup or no topics");
    const reader = new GroupReader(routes, reading);
    try {
      await reader.start();
      return reader;
    } catch (error) {
      await reader.close();
      throw error;
    }
  },

  async examine(routes, questions) {
    const { metadata, directions, signal, ask, unknown, omit } = questions;
    const topics = topicsOf(metadata);
    if (topics.length === 0) {
      omit("exists");
      return unknown("may write", "", "each call names its topic");
    }
    for (const { name } of topics) {
      const subject = `topic ${name}`;
      let queues: readonly Queue[] = [];
      const request = async (): Promise<void> => {
        queues = await routes.of(resourceOf(metadata, name), signal);
      };
      const told = [
        ["authenticated", ""],
        ["exists", subject],
      ] as const;
      const reason = await examineByRequest(questions, request, told);
      if (reason !== undefined) continue;
      if (directions.input)
        await ask("may read", subject, () =>
          allowed(
            queues.some(({ isReadable }) => isReadable),
            "reading",
          ),
        );
      if (directions.output)
        await ask("may write", subject, () =>
          allowed(
            queues.some(({ isWritable }) => isWritable),
            "writing",
          ),
        );
    }
    // That the topic allows it says nothing of the user.
    const why = "only receiving tells whether the user may read";
    if (directions.input && metadata.accessKey)
      unknown("may read", `group ${metadata.consumerGroup ?? ""}`, why);
  },

  async ping(routes, signal) {
    await routes.client.ping(signal);
  },
});

/** What a topic's queues say of everybody. */
function allowed(isAllowed: boolean, what: string): string {
  if (isAllowed) return "the topic allows it; users have rights of their own";
  throw new BindingError("permission_denied", `the topic has no queue that allows ${what}`);
}
