import { defineBinding } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { problemsOf } from "../../check-settings.ts";
import { serversOf } from "../../nats-client/authentication.ts";
import { checkReading, consumerInfo, unsettledMessages } from "./consumer.ts";
import type { Driver } from "../../nats-client/driver.ts";
import {
  createFields,
  type NatsMetadata,
  natsFields,
  publishFields,
  requestFields,
} from "./fields.ts";
import { Link } from "../../nats-client/link.ts";
import { ask, publish, store } from "./outputs.ts";
import { startReader } from "./reader.ts";
import { checkSubject } from "./subjects.ts";

const empty = new Uint8Array();

export default defineBinding({
  name: "nats",
  status: "beta",
  summary: "Reads a JetStream stream, stores messages in streams, publishes, and asks services.",
  provedBy: [{ system: "NATS", kind: "real" }],
  drivers: { "@nats-io/transport-node": "3.4.0" },
  metadata: natsFields,

  check: (metadata, { input }) =>
    problemsOf([() => serversOf(metadata.servers), () => checkMetadata(metadata, input)]),

  async open({ metadata, component, directions, signal, memory, lost, hide, driver }) {
    checkMetadata(metadata, directions.input);
    const nats = driver("@nats-io/transport-node") as Driver;
    const name = `cufflink ${component.appId} ${component.name}`;
    return Link.open(nats, { metadata, name, signal, memory, lost, hide });
  },

  operations: {
    create: {
      description: "Has a JetStream stream store the data, and waits until it has.",
      request: createFields,
      answerMetadata: {
        stream: "The stream that has stored it.",
        sequence: "Its number in the stream.",
        duplicate: "`true`: the stream had a message of this id already.",
      },
      idempotent: ({ msgId }) => Boolean(msgId),
      async invoke(link, { data = empty, request, properties, signal }) {
        const { subject, headers, ...expected } = request;
        return store(link, { data, subject, headers, properties, signal }, expected);
      },
    },

    publish: {
      description: "Publishes the data to those who subscribe at the moment.",
      request: publishFields,
      async invoke(link, { data = empty, request, properties, signal }) {
        await publish(link, { data, ...request, properties, signal });
      },
    },

    request: {
      description: "Sends the data as a request, and returns the first answer.",
      request: requestFields,
      async invoke(link, { data = empty, request, properties, signal }) {
        const { subject, headers, timeout } = request;
        return ask(link, { data, subject, headers, properties, signal }, timeout);
      },
    },
  },

  eventMetadata: {
    subject: "The subject.",
    stream: "The stream.",
    consumer: "The consumer.",
    sequence: "The number in the stream.",
    consumerSequence: "The number at the consumer.",
    timestamp: "When it was stored.",
    deliveries: "How often it was delivered.",
    pending: "How many wait behind it.",
  },

  guarantee: {
    returned: "is delivered again after the pause; later ones of its subject go on meanwhile",
    atLeastOnce: "the stream keeps the messages, and the consumer has no `max_deliver`",
    key: "the subject, while one process reads the consumer",
    shared: true,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime: "what the server delivered: `maxInFlight` (64), and what waits for a retry",
      server:
        "the same; if the server is killed, also acknowledgements that it had not stored (a second at 50/s: 114)",
    },
  },

  read(link, reading) {
    return startReader(link, reading);
  },

  async ping(link, signal) {
    await link.flush(signal);
  },

  async examine(link, { metadata, directions, ask, omit }) {
    await ask("authenticated", "", () => {});
    if (!directions.input) return omit("exists");
    const { stream, consumer } = metadata;
    const exists = await ask("exists", `stream ${stream}`, async () => {
      await link.api<unknown>(`STREAM.INFO.${stream}`, undefined, `stream ${stream}`);
    });
    if (!exists) return;
    await ask("exists", `consumer ${consumer}`, async () => {
      try {
        const { num_pending } = await consumerInfo(link);
        return `${num_pending} messages wait`;
      } catch (error) {
        if (!(error instanceof BindingError) || error.reason !== "not_found") throw error;
        return "it is made when the stream is first read";
      }
    });
  },

  async backlog(link) {
    const { num_pending } = await consumerInfo(link);
    return num_pending;
  },

  totalBacklog: (link) => unsettledMessages(link),
});

function checkMetadata(metadata: NatsMetadata, isRead: boolean): void {
  if (isRead) checkReading(metadata);
  if (metadata.subject) checkSubject(metadata.subject, true);
  checkSubject(metadata.inboxPrefix, true);
}
