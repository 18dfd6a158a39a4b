import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { serveGrpc } from "../grpc-process.ts";
import { Queues, type Policy, type Stored } from "./queues.ts";

type Sent = {
  readonly MessageID: string;
  readonly Channel: string;
  readonly Metadata: string;
  readonly Body: Uint8Array;
  readonly Tags: Readonly<Record<string, string>>;
  readonly Policy?: {
    readonly ExpirationSeconds: number;
    readonly DelaySeconds: number;
    readonly MaxReceiveCount: number;
    readonly MaxReceiveQueue: string;
  };
};

type Asked = {
  readonly RequestID: string;
  readonly RequestTypeData: number;
  readonly Channel: string;
  readonly MaxItems: number;
  readonly WaitTimeout: number;
  readonly AutoAck: boolean;
  readonly SequenceRange: readonly bigint[];
  readonly RefTransactionId: string;
};

const [, , port = "0", folder = ".", only = "", tokens = ""] = process.argv;
const queues = new Queues(join(folder, "queues.jsonl"));
const [get, ackAll, ackRange, nackAll, nackRange, activeOffsets, close] = [1, 2, 3, 4, 5, 8, 10];

function send(message: Sent): object {
  if (message.Channel === "") return { IsError: true, Error: "Error 105: invalid channel name" };
  if (/[*>\s]/.test(message.Channel))
    return { IsError: true, Error: "Error 106: channel name contains illegal characters" };
  const policy: Policy = {
    expirationSeconds: message.Policy?.ExpirationSeconds ?? 0,
    delaySeconds: message.Policy?.DelaySeconds ?? 0,
    maxReceiveCount: message.Policy?.MaxReceiveCount ?? 0,
    maxReceiveQueue: message.Policy?.MaxReceiveQueue ?? "",
  };
  if (message.Body.length === 0 && message.Metadata === "")
    return { IsError: true, Error: "Error 120: message metadata and body are empty" };
  const stored = queues.add({
    ...{ id: message.MessageID || randomUUID(), channel: message.Channel, policy },
    ...{ metadata: message.Metadata, tags: message.Tags },
    body: Buffer.from(message.Body).toString("base64"),
  });
  return { MessageID: stored.id, SentAt: BigInt(Date.now()) * 1_000_000n };
}

function shown({ id, channel, metadata, body, tags, sequence, receiveCount }: Stored): object {
  return {
    ...{ MessageID: id, Channel: channel, Metadata: metadata, Tags: tags },
    Body: Buffer.from(body, "base64"),
    Attributes: { Sequence: BigInt(sequence), ReceiveCount: receiveCount },
  };
}

/** One reader. What it has at its end goes back. */
async function* downstream(requests: AsyncIterable<Asked>, context: { signal: AbortSignal }) {
  const open = new Map<string, Set<number>>();
  const answers: object[] = [];
  let more = Promise.withResolvers<void>();
  const answer = (one: object): void => {
    answers.push(one);
    more.resolve();
  };
  const ended = new AbortController();
  const signal = AbortSignal.any([context.signal, ended.signal]);
  context.signal.addEventListener("abort", () => more.resolve());
  const settle = (request: Asked, how: (sequence: number) => void, all: boolean): void => {
    const TransactionId = request.RefTransactionId;
    const sequences = open.get(TransactionId);
    const common = { TransactionId, RefRequestId: request.RequestID };
    const RequestTypeData = request.RequestTypeData;
    if (sequences === undefined)
      return answer({ ...common, RequestTypeData, IsError: true, Error: "transaction not found" });
    const wanted = all ? [...sequences] : request.SequenceRange.map(Number);
    for (const sequence of wanted) if (sequences.delete(sequence)) how(sequence);
    if (sequences.size > 0) return;
    open.delete(TransactionId);
    answer({ ...common, RequestTypeData, TransactionComplete: true });
  };
  const poll = async (request: Asked): Promise<void> => {
    const until = AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, request.WaitTimeout))]);
    let taken = queues.take(request.Channel, request.MaxItems);
    while (taken.length === 0 && !until.aborted) {
      await queues.change(until);
      if (!signal.aborted) taken = queues.take(request.Channel, request.MaxItems);
    }
    const TransactionId = randomUUID();
    if (signal.aborted) return taken.forEach(({ sequence }) => queues.nack(sequence));
    if (request.AutoAck) for (const { sequence } of taken) queues.ack(sequence);
    else if (taken.length > 0)
      open.set(TransactionId, new Set(taken.map(({ sequence }) => sequence)));
    answer({
      ...{ TransactionId, RefRequestId: request.RequestID, RequestTypeData: get },
      ...{ Messages: taken.map(shown), TransactionComplete: request.AutoAck },
    });
  };
  const listening = (async () => {
    for await (const request of requests) {
      const type = request.RequestTypeData;
      if (type === get) void poll(request);
      else if (type === ackRange || type === ackAll)
        settle(request, (sequence) => queues.ack(sequence), type === ackAll);
      else if (type === nackRange || type === nackAll || type === close)
        settle(request, (sequence) => queues.nack(sequence), type !== nackRange);
      else if (type === activeOffsets)
        answer({
          ...{ TransactionId: request.RefTransactionId, RefRequestId: request.RequestID },
          RequestTypeData: type,
          ActiveOffsets: [...(open.get(request.RefTransactionId) ?? [])].map(BigInt),
        });
    }
  })()
    .catch(() => undefined)
    .finally(() => {
      ended.abort();
      more.resolve();
    });
  try {
    while (!signal.aborted || answers.length > 0) {
      for (let next = answers.shift(); next !== undefined; next = answers.shift()) yield next;
      if (signal.aborted) return;
      await more.promise;
      more = Promise.withResolvers();
    }
  } finally {
    ended.abort();
    for (const sequences of open.values()) for (const one of sequences) queues.nack(one);
    await listening;
  }
}

async function* upstream(
  requests: AsyncIterable<{ readonly RequestID: string; readonly Messages: readonly Sent[] }>,
) {
  for await (const { RequestID, Messages } of requests)
    yield { RefRequestID: RequestID, Results: Messages.map(send) };
}

await serveGrpc({
  protos: import.meta.dirname,
  service: "kubemq.kubemq",
  impl: {
    sendQueueMessage: send,
    queuesDownstream: downstream,
    queuesUpstream: upstream,
    queuesInfo: ({ RequestID, QueueName }: { RequestID: string; QueueName: string }) => {
      const waiting = queues.waiting(QueueName);
      const info = { Name: QueueName, Messages: BigInt(waiting), Waiting: BigInt(waiting) };
      return { RefRequestID: RequestID, Info: { Queues: waiting === 0 ? [] : [info] } };
    },
    ping: () => ({ Host: "stand-in", Version: "v2.3.0" }),
  },
  port: Number(port),
  ...(only === "" ? {} : { only: only.split(",") }),
  tokens: tokens === "" ? undefined : tokens,
});
process.on("SIGTERM", () => process.exit(0));
