import {
  bool,
  bytes,
  int32,
  int64,
  many,
  message,
  nested,
  one,
  text,
  texts,
  type ValuesOf,
} from "../../grpc-service/messages.ts";

// The messages of KubeMQ's published definition, `kubemq`, with its names of fields in lower case.

const attributes = message({
  sequence: one(2, int64),
  receiveCount: one(4, int32),
});

const policy = message({
  expirationSeconds: one(1, int32),
  delaySeconds: one(2, int32),
  maxReceiveCount: one(3, int32),
  maxReceiveQueue: one(4, text),
});

const queueMessage = message({
  messageID: one(1, text),
  clientID: one(2, text),
  channel: one(3, text),
  metadata: one(4, text),
  body: one(5, bytes),
  tags: texts(6),
  attributes: one(7, nested(attributes)),
  policy: one(8, nested(policy)),
});

export type QueueMessage = ValuesOf<typeof queueMessage>;

/** What a reader asks for, `QueuesDownstreamRequestType`. */
export const ask = { get: 1, ackRange: 3, nackRange: 5, activeOffsets: 8 } as const;

const downstreamRequest = message({
  requestID: one(1, text),
  clientID: one(2, text),
  requestTypeData: one(3, int32),
  channel: one(4, text),
  maxItems: one(5, int32),
  waitTimeout: one(6, int32),
  autoAck: one(7, bool),
  sequenceRange: many(9, int64),
  refTransactionId: one(10, text),
});

export type DownstreamRequest = ValuesOf<typeof downstreamRequest>;

const downstreamResponse = message({
  transactionId: one(1, text),
  refRequestId: one(2, text),
  requestTypeData: one(3, int32),
  messages: many(4, nested(queueMessage)),
  activeOffsets: many(5, int64),
  isError: one(6, bool),
  error: one(7, text),
  transactionComplete: one(8, bool),
});

export type DownstreamResponse = ValuesOf<typeof downstreamResponse>;

const queueInfo = message({ name: one(1, text), waiting: one(8, int64) });
const queuesInfo = message({ queues: many(5, nested(queueInfo)) });

/** The methods of `kubemq.kubemq` that are called. */
export const kubemqMethods = {
  sendQueueMessage: {
    name: "SendQueueMessage",
    request: queueMessage,
    response: message({ isError: one(5, bool), error: one(6, text) }),
  },
  queuesInfo: {
    name: "QueuesInfo",
    request: message({ requestID: one(1, text), queueName: one(2, text) }),
    response: message({ info: one(2, nested(queuesInfo)) }),
  },
  queuesDownstream: {
    name: "QueuesDownstream",
    request: downstreamRequest,
    response: downstreamResponse,
  },
};
