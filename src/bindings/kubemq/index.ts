import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { BindingError } from "../../errors.ts";
import { examineByRequest } from "../../examine-by-request.ts";
import { GrpcService } from "../../grpc-service/service.ts";
import { bool, integer, string, type Values } from "../../metadata/fields.ts";
import { kubemqMethods } from "./messages.ts";
import { QueueReader } from "./queue-reader.ts";

const kubemqFields = {
  address: string({
    description: "The server: `host:port`.",
    required: true,
    example: "kubemq.internal:50000",
  }),
  channel: string({ description: "The queue.", required: true, example: "orders" }),
  authToken: string({
    description: "The token that each call shows.",
    sensitive: true,
  }),
  autoAcknowledged: bool({
    description:
      "The server forgets a message once it has sent it. What is not handled then is lost.",
    default: "false",
    direction: "input",
  }),
  pollMaxItems: integer({
    description: "The most messages that the server sends at one time.",
    default: "1",
    direction: "input",
  }),
  pollTimeoutSeconds: integer({
    description: "How long the server waits for a message before it answers that there is none.",
    default: "3600",
    direction: "input",
  }),
} as const;

const sendFields = {
  delaySeconds: string({
    description: "After so many seconds the message can be read. What is no number is 0.",
    example: "60",
  }),
  expirationSeconds: string({
    description: "After so many seconds the message is dropped. What is no number is 0: never.",
    example: "3600",
  }),
  maxReceiveCount: string({
    description: "So often the message is delivered. What is no number is 0: without end.",
    example: "10",
  }),
  maxReceiveQueue: string({
    description: "The queue where it goes after that. Default: it is dropped.",
    example: "orders-failed",
  }),
} as const;

type Metadata = Values<typeof kubemqFields>;
type Connection = {
  readonly service: GrpcService;
  readonly clientId: string;
  [Symbol.asyncDispose](): Promise<void>;
};

/** A message has 100 MiB at most. */
const largestAnswer = 100 * 1024 * 1024;
/** The server is asked again after so many milliseconds, so that one that is gone is noticed. */
const longestWait = 60_000;
const pingInterval = 30_000;
const int32Max = 2 ** 31 - 1;

export default defineBinding({
  name: "kubemq",
  status: "beta",
  summary: "Sends messages to queues of KubeMQ, and reads them.",
  openedOnce: "identity",
  provedBy: [{ system: "KubeMQ", kind: "stand-in" }],
  metadata: kubemqFields,

  check: async (metadata) => problemsOf([() => void checkMetadata(metadata)]),

  async open({ metadata, component, memory, hide, signal }): Promise<Connection> {
    const endpoint = checkMetadata(metadata);
    const { authToken } = metadata;
    if (authToken) hide?.(authToken);
    const service = new GrpcService({
      ...{ title: "KubeMQ", endpoint, service: "kubemq.kubemq", pingInterval },
      answers: { maxBytes: largestAnswer, setting: "100 MiB", memory: memory.forAnswers },
      login: authToken
        ? { headers: async () => ({ authorization: authToken }), refused: () => false }
        : undefined,
    });
    try {
      await service.ping(signal);
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw error;
    }
    return {
      service,
      clientId: `${component.appId}-${component.name}`,
      [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
    };
  },

  operations: {
    create: {
      description: "Sends a message, and waits until the queue has it.",
      request: sendFields,
      async invoke({ service, clientId }, { data, request, metadata, signal }) {
        const message = {
          ...{ clientID: clientId, channel: metadata.channel, body: data ?? new Uint8Array() },
          policy: {
            delaySeconds: seconds(request.delaySeconds),
            expirationSeconds: seconds(request.expirationSeconds),
            maxReceiveCount: seconds(request.maxReceiveCount),
            maxReceiveQueue: request.maxReceiveQueue ?? "",
          },
        };
        const call = { what: "", signal };
        const { isError, error } = await service.call(
          kubemqMethods.sendQueueMessage,
          message,
          call,
        );
        if (isError)
          throw new BindingError("failed_precondition", `error sending queue message: ${error}`);
        return {};
      },
    },
  },

  guarantee: {
    returned: "is delivered again",
    atLeastOnce: "the queue is persistent, and `autoAcknowledged` is not set",
    shared: true,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime: "what the server delivered: `maxInFlight` (64), and what waits for a retry",
      server: "the same",
    },
  },

  read({ service, clientId }, reading) {
    const { channel, autoAcknowledged, pollMaxItems, pollTimeoutSeconds } = reading.metadata;
    return new QueueReader({
      ...{ service, channel, clientId, reading },
      autoAck: autoAcknowledged,
      maxItems: pollMaxItems,
      wait: Math.min(pollTimeoutSeconds * 1000, longestWait),
    });
  },

  async examine({ service, clientId }, questions) {
    const { metadata, directions, signal, ask, unknown } = questions;
    const { channel: queueName } = metadata;
    let waiting: bigint | undefined;
    const request = async (): Promise<void> => {
      const wanted = { requestID: clientId, queueName };
      const call = { what: "QueuesInfo", signal };
      const { info } = await service.call(kubemqMethods.queuesInfo, wanted, call);
      waiting = info?.queues.find(({ name }) => name === queueName)?.waiting;
    };
    const reason = await examineByRequest(questions, request, [["authenticated", ""]]);
    if (reason === undefined)
      await ask("exists", `queue ${queueName}`, () =>
        waiting === undefined ? "it is made when it is first used" : `${waiting} messages wait`,
      );
    if (reason === "unauthenticated") return;
    if (directions.input) unknown("may read", `queue ${queueName}`, "only reading tells");
    if (directions.output) unknown("may write", `queue ${queueName}`, "only sending tells");
  },

  async ping({ service }, signal) {
    await service.ping(signal);
  },
});

/** As Go's Atoi, and what is no number of these is 0. */
function seconds(text: string | undefined): number {
  const value = /^[+-]?\d+$/.test(text ?? "") ? Number(text) : 0;
  return value > 0 && value <= int32Max ? value : 0;
}

/** Throws a `BindingError`, in Dapr's words, for what no server would mend. */
function checkMetadata({ address, channel, pollMaxItems, pollTimeoutSeconds }: Metadata) {
  const wrong = (text: string) => new BindingError("invalid_argument", `invalid kubemq ${text}`);
  if (address === "") throw wrong("address, address is empty");
  const parts = address.split(":");
  const [host = "", port = ""] = parts;
  if (parts.length !== 2) throw wrong("address, address format is invalid");
  if (host === "") throw wrong("address, host is empty");
  if (!/^\d{1,5}$/.test(port) || Number(port) === 0 || Number(port) > 65_535)
    throw wrong("address, port is invalid");
  if (!/^[\w.-]+$/.test(host)) throw wrong("address, address format is invalid");
  if (channel === "") throw wrong("channel, channel is empty");
  if (pollMaxItems < 1) throw wrong("pollMaxItems value, value must be greater than 0");
  if (pollTimeoutSeconds < 1) throw wrong("pollTimeoutSeconds value, value must be greater than 0");
  return { host, port: Number(port), secure: false, prefix: "" };
}
