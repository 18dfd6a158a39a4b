import { createHash, createHmac } from "node:crypto";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { StoredMessages, type Given, type Stored } from "./broker.ts";
import { messagingService } from "./service.ts";

const ok = { code: 20_000, message: "OK" };

type Resource = { name: string; resourceNamespace: string };
type Time = { seconds: bigint; nanos: number };
type System = {
  tag?: string;
  keys: string[];
  messageId: string;
  bornHost: string;
  bornTimestamp?: Time;
  deliveryTimestamp?: Time;
  messageGroup?: string;
  traceContext?: string;
  messageType: number;
};
type Sent = {
  messages: {
    topic?: Resource;
    userProperties: Record<string, string>;
    systemProperties?: System;
    body: Uint8Array;
  }[];
};
type Receive = {
  group?: Resource;
  messageQueue?: { topic?: Resource; broker?: { name: string } };
  filterExpression?: { type: number; expression: string };
  batchSize: number;
  invisibleDuration?: Time;
  longPollingTimeout?: Time;
};
type Named = { group?: Resource; topic?: Resource };
type Ack = Named & { entries: { messageId: string; receiptHandle: string }[] };
type Change = Named & { receiptHandle: string; invisibleDuration?: Time };
type Forward = Named & { receiptHandle: string; messageId: string };

export type ProxyOptions = {
  /** Keeps messages in this file. */
  readonly file?: string;
  readonly port?: number;
  /** Requests must be signed by it. */
  readonly login?: { readonly accessKey: string; readonly secretKey: string };
};

/**
 * RocketMQ 5's proxy with its broker, as its published protocol has them. Every topic is there but those that are absent;
 * a topic or group called `fifo…` keeps the order.
 */
export class RocketmqProxy implements AsyncDisposable {
  readonly messages: StoredMessages;
  /** The methods that were called. */
  readonly calls: string[] = [];
  /** What the next calls of a method are answered: a status of RocketMQ's own. */
  readonly refusals = new Map<string, { code: number; message: string }>();
  /** Topics that are not there. */
  readonly absent = new Set<string>();
  /** Of the calls. */
  readonly headers: Headers[] = [];
  readonly #options: ProxyOptions;
  readonly #clients = new Set<string>();
  readonly #sessions = new Set<http2.ServerHttp2Session>();
  readonly #ended = new AbortController();
  readonly #server: http2.Http2Server;

  constructor(options: ProxyOptions = {}) {
    this.#options = options;
    this.messages = new StoredMessages(options.file);
    const service = messagingService();
    const methods = {
      queryRoute: (request: unknown, context: HandlerContext) =>
        this.#unary("QueryRoute", context, () => this.#route(request as Named)),
      heartbeat: (_request: unknown, context: HandlerContext) =>
        this.#unary("Heartbeat", context, () => ({ status: ok })),
      notifyClientTermination: (_request: unknown, context: HandlerContext) =>
        this.#unary("NotifyClientTermination", context, () => ({ status: ok })),
      sendMessage: (request: unknown, context: HandlerContext) =>
        this.#unary("SendMessage", context, () => this.#send(request as Sent)),
      receiveMessage: (request: unknown, context: HandlerContext) =>
        this.#receive(request as Receive, context),
      ackMessage: (request: unknown, context: HandlerContext) =>
        this.#unary("AckMessage", context, () => this.#ack(request as Ack)),
      changeInvisibleDuration: (request: unknown, context: HandlerContext) =>
        this.#unary("ChangeInvisibleDuration", context, () => this.#change(request as Change)),
      forwardMessageToDeadLetterQueue: (request: unknown, context: HandlerContext) =>
        this.#unary("ForwardMessageToDeadLetterQueue", context, () =>
          this.#forward(request as Forward),
        ),
      telemetry: (requests: AsyncIterable<unknown>, context: HandlerContext) =>
        this.#telemetry(requests, context),
    };
    const routes = connectNodeAdapter({
      routes: (router) => void router.service(service, methods as never),
    });
    this.#server = http2.createServer(routes);
    this.#server.on("session", (session) => {
      this.#sessions.add(session);
      session.once("close", () => this.#sessions.delete(session));
    });
  }

  async listen(): Promise<this> {
    const { port = 0 } = this.#options;
    await new Promise<void>((done) => this.#server.listen(port, "127.0.0.1", done));
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Ends all connections at once. */
  cut(): void {
    for (const session of this.#sessions) session.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    this.cut();
    await new Promise((done) => this.#server.close(done));
  }

  #unary<Answer extends object>(
    name: string,
    context: HandlerContext,
    answer: () => Answer,
  ): Answer | { status: { code: number; message: string } } {
    this.#arrived(name, context);
    const refusal = this.refusals.get(name);
    return refusal === undefined ? answer() : { status: refusal };
  }

  #arrived(name: string, { requestHeader }: HandlerContext): void {
    this.calls.push(name);
    this.headers.push(requestHeader);
    for (const wanted of ["x-mq-client-id", "x-mq-date-time", "x-mq-protocol"])
      if (!requestHeader.get(wanted))
        throw new ConnectError(`no header ${wanted}`, Code.InvalidArgument);
    const { login } = this.#options;
    if (login === undefined) return;
    const time = requestHeader.get("x-mq-date-time") ?? "";
    const signature = createHmac("sha1", login.secretKey).update(time).digest("hex").toUpperCase();
    const expected = `MQv2-HMAC-SHA1 Credential=${login.accessKey}, SignedHeaders=x-mq-date-time, Signature=${signature}`;
    if (requestHeader.get("authorization") !== expected)
      throw new ConnectError("check signature failed", Code.Unauthenticated);
  }

  /** As a proxy beside brokers it answers the address that it was asked at. */
  #route({ topic, endpoints }: Named & { endpoints?: object }): object {
    const name = topic?.name ?? "";
    if (this.absent.has(name))
      return { status: { code: 40_402, message: `No topic route info in name server: ${name}` } };
    const broker = { name: "broker-a", id: 0, endpoints };
    const acceptMessageTypes = name.startsWith("fifo") ? [2] : [1, 3];
    const queue = (id: number) => ({ topic, id, permission: 4, broker, acceptMessageTypes });
    return { status: ok, messageQueues: [queue(0), queue(1)] };
  }

  #send({ messages }: Sent): object {
    const entries = messages.map(({ topic, systemProperties, userProperties, body }) => {
      const system = systemProperties;
      if (topic === undefined || system === undefined)
        return { status: { code: 40_000, message: "no topic or no system properties" } };
      if (body.length === 0)
        return { status: { code: 41_302, message: "message body cannot be empty" } };
      if (body.length > 4 * 1024 * 1024)
        return { status: { code: 41_301, message: "message body size exceeds the threshold" } };
      const bornAt = millisecondsOf(system.bornTimestamp);
      this.messages.send({
        ...{ topic: topic.name, id: system.messageId, properties: userProperties },
        body: Buffer.from(body).toString("base64"),
        ...{ tag: system.tag ?? "", keys: system.keys, group: system.messageGroup ?? "" },
        ...{ trace: system.traceContext ?? "", bornHost: system.bornHost, bornAt },
        visibleAt: millisecondsOf(system.deliveryTimestamp),
      });
      return { status: ok, messageId: system.messageId };
    });
    return { status: entries.length === 1 ? entries[0]?.status : ok, entries };
  }

  async *#receive(request: Receive, context: HandlerContext): AsyncGenerator<object> {
    this.#arrived("ReceiveMessage", context);
    const refusal = this.refusals.get("ReceiveMessage");
    if (refusal !== undefined) return yield { content: { case: "status", value: refusal } };
    const { group, messageQueue, filterExpression, batchSize } = request;
    const client = context.requestHeader.get("x-mq-client-id") ?? "";
    const invisible = millisecondsOf(request.invisibleDuration);
    const wrong = !this.#clients.has(client)
      ? "the client has told no settings"
      : invisible < 10_000
        ? "the invisibleTime is too small. min is 10000"
        : undefined;
    if (wrong !== undefined)
      return yield { content: { case: "status", value: { code: 40_000, message: wrong } } };
    const expression = filterExpression?.expression ?? "*";
    const tags = new Set(expression.split("||").map((tag) => tag.trim()));
    const options = {
      ...{ group: group?.name ?? "", topic: messageQueue?.topic?.name ?? "", invisible },
      filter: ({ tag }: Stored) => expression === "*" || tags.has(tag),
      most: Math.max(1, batchSize),
      isOrderly: (group?.name ?? "").startsWith("fifo"),
    };
    const until = Date.now() + millisecondsOf(request.longPollingTimeout);
    const signal = AbortSignal.any([context.signal, this.#ended.signal]);
    let given = this.messages.take(options);
    while (given.length === 0 && Date.now() < until && !signal.aborted) {
      await this.messages.more(until - Date.now(), signal);
      // Who has gone gets nothing any more.
      if (!signal.aborted) given = this.messages.take(options);
    }
    if (given.length === 0) {
      const value = { code: 40_401, message: "no new message" };
      return yield { content: { case: "status", value } };
    }
    yield { content: { case: "status", value: ok } };
    for (const one of given) yield { content: { case: "message", value: messageOf(one) } };
  }

  #ack({ group, topic, entries }: Ack): object {
    const results = entries.map(({ messageId, receiptHandle }) => {
      // A receipt that does not count is answered like one that does.
      this.messages.acknowledge(group?.name ?? "", topic?.name ?? "", receiptHandle);
      return { messageId, receiptHandle, status: ok };
    });
    return { status: ok, entries: results };
  }

  #change({ group, topic, receiptHandle, invisibleDuration }: Change): object {
    const time = millisecondsOf(invisibleDuration);
    const names = [group?.name ?? "", topic?.name ?? ""] as const;
    const receipt = this.messages.hide(...names, receiptHandle, time);
    return receipt === undefined
      ? { status: { code: 40_013, message: "the receipt handle has expired" } }
      : { status: ok, receiptHandle: receipt };
  }

  #forward({ group, topic, receiptHandle, messageId }: Forward): object {
    const names = [group?.name ?? "", topic?.name ?? ""] as const;
    const message = this.messages.of(names[1]).find(({ id }) => id === messageId);
    if (message === undefined || !this.messages.acknowledge(...names, receiptHandle))
      return { status: { code: 40_013, message: "the receipt handle has expired" } };
    this.messages.send({ ...message, topic: `%DLQ%${names[0]}` });
    return { status: ok };
  }

  async *#telemetry(
    requests: AsyncIterable<unknown>,
    context: HandlerContext,
  ): AsyncGenerator<object> {
    this.#arrived("Telemetry", context);
    const client = context.requestHeader.get("x-mq-client-id") ?? "";
    for await (const request of requests) {
      const { settings } = request as { settings?: object };
      if (settings === undefined) continue;
      this.#clients.add(client);
      yield { status: ok, settings };
    }
  }
}

function messageOf({ message, receipt, attempt }: Given): object {
  const body = Buffer.from(message.body, "base64");
  const digest = createHash("md5").update(body).digest("hex").toUpperCase();
  return {
    topic: { name: message.topic },
    userProperties: message.properties,
    body,
    systemProperties: {
      ...(message.tag ? { tag: message.tag } : {}),
      ...(message.group ? { messageGroup: message.group } : {}),
      ...(message.trace ? { traceContext: message.trace } : {}),
      ...{ keys: message.keys, messageId: message.id, bornHost: message.bornHost },
      bodyDigest: { type: 2, checksum: message.isDamaged === true ? "0" : digest },
      bodyEncoding: 1,
      bornTimestamp: timeOf(message.bornAt),
      ...{ receiptHandle: receipt, deliveryAttempt: attempt },
      ...{ queueId: message.queue, queueOffset: BigInt(message.offset) },
    },
  };
}

function millisecondsOf(time: Time | undefined): number {
  return time === undefined ? 0 : Number(time.seconds) * 1000 + time.nanos / 1_000_000;
}

function timeOf(milliseconds: number): Time {
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((milliseconds - seconds * 1000) * 1e6) };
}
