import { createHmac, randomUUID } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import type { Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { DescService } from "@bufbuild/protobuf";
import { messagingService } from "../../servers/rocketmq-proxy/service.ts";
import { endAfterTest } from "../contract.ts";

type Method = (request: object) => Promise<{ status?: { code: number; message: string } }>;
type Login = { readonly accessKey: string; readonly secretKey: string };

export type Marks = {
  readonly tag?: string;
  readonly keys?: readonly string[];
  readonly group?: string;
  readonly properties?: Readonly<Record<string, string>>;
};

/** Another client of the proxy, made from the published protocol. */
export function rocketmqPeer(
  server: { readonly host: string; readonly port: number },
  login?: Login,
) {
  const identity: Interceptor = (next) => (request) => {
    const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
    request.header.set("x-mq-client-id", "peer");
    request.header.set("x-mq-date-time", time);
    request.header.set("x-mq-protocol", "v2");
    request.header.set("x-mq-language", "JAVA");
    request.header.set("x-mq-client-version", "5.0.7");
    if (login !== undefined) {
      const digest = createHmac("sha1", login.secretKey).update(time).digest("hex").toUpperCase();
      request.header.set(
        "authorization",
        `MQv2-HMAC-SHA1 Credential=${login.accessKey}, SignedHeaders=x-mq-date-time, Signature=${digest}`,
      );
    }
    return next(request);
  };
  const baseUrl = `http://${server.host}:${server.port}`;
  const connect = (): Record<string, Method> =>
    createClient<DescService>(
      messagingService(),
      createGrpcTransport({ baseUrl, interceptors: [identity] }),
    );
  let client = connect();

  async function call(name: string, request: object): Promise<object> {
    const giveUp = Date.now() + 30_000;
    for (;;) {
      try {
        const method = client[name];
        if (method === undefined) throw new Error(`no method ${name}`);
        const answer = await method(request);
        if (answer.status?.code !== 20_000 && Date.now() > giveUp)
          throw new Error(`${name}: ${JSON.stringify(answer.status)}`);
        if (answer.status?.code === 20_000) return answer;
      } catch (error) {
        // The server has restarted since, or is about to.
        if (Date.now() > giveUp) throw error;
        client = connect();
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  return {
    /** Sends a message, of which several with one group stay in order. */
    async send(topic: string, data: Uint8Array | string, marks: Marks = {}): Promise<string> {
      const { tag, keys = [], group, properties = {} } = marks;
      const messageId = `01${randomUUID().replaceAll("-", "").toUpperCase()}`;
      const hash = Buffer.from(group ?? "").reduce((sum, byte) => sum + byte, 0);
      const systemProperties = {
        ...{ messageId, keys, bodyEncoding: 1, bornHost: "peer" },
        ...{ messageType: group === undefined ? 1 : 2, queueId: hash % 2 },
        bornTimestamp: { seconds: BigInt(Math.floor(Date.now() / 1000)), nanos: 0 },
        ...(tag === undefined ? {} : { tag }),
        ...(group === undefined ? {} : { messageGroup: group }),
      };
      const message = {
        topic: { name: topic },
        userProperties: properties,
        systemProperties,
        body: Buffer.from(data),
      };
      await call("sendMessage", { messages: [message] });
      return messageId;
    },

    /** Takes what is there for a group, and acknowledges it. */
    async receive(topic: string, group: string): Promise<readonly PeerMessage[]> {
      const abort = new AbortController();
      endAfterTest(() => abort.abort());
      const streams = client as unknown as Record<
        string,
        (request: unknown, options: object) => AsyncIterable<Received & Settings>
      >;
      const { telemetry, receiveMessage } = streams;
      if (telemetry === undefined || receiveMessage === undefined) throw new Error("no methods");
      const settings = { clientType: 3, subscription: { group: { name: group } } };
      async function* told() {
        yield { settings };
        await new Promise((resolve) => abort.signal.addEventListener("abort", resolve));
      }
      const answers = telemetry(told(), { signal: abort.signal })[Symbol.asyncIterator]();
      await answers.next();
      await call("heartbeat", { group: { name: group }, clientType: 3 });
      const messages: PeerMessage[] = [];
      const request = {
        group: { name: group },
        messageQueue: { topic: { name: topic }, id: -1, broker: { name: "broker-a" } },
        filterExpression: { type: 1, expression: "*" },
        ...{ batchSize: 32, invisibleDuration: { seconds: 30n, nanos: 0 } },
        longPollingTimeout: { seconds: 5n, nanos: 0 },
      };
      for await (const { content } of receiveMessage(request, { timeoutMs: 10_000 })) {
        if (content?.case !== "message") continue;
        const { body, systemProperties: system, userProperties } = content.value;
        messages.push({ text: Buffer.from(body).toString(), ...system, userProperties });
      }
      const entries = messages.map(({ messageId, receiptHandle }) => ({
        messageId,
        receiptHandle,
      }));
      const names = { group: { name: group }, topic: { name: topic } };
      if (entries.length > 0) await call("ackMessage", { ...names, entries });
      abort.abort();
      return messages;
    },
  };
}

type System = {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly tag?: string;
  readonly keys: readonly string[];
  readonly messageGroup?: string;
  readonly traceContext?: string;
};
type Received = {
  readonly content?: {
    readonly case: string;
    readonly value: {
      readonly body: Uint8Array;
      readonly systemProperties: System;
      readonly userProperties: Readonly<Record<string, string>>;
    };
  };
};
type Settings = { readonly settings?: object };
export type PeerMessage = System & {
  readonly text: string;
  readonly userProperties: Readonly<Record<string, string>>;
};
