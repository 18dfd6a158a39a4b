import { createServer as createHttp2 } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { json } from "node:stream/consumers";
import { crc32 } from "node:zlib";
import { endAfterTest } from "../../contract.ts";
import { listen } from "../../http/loopback-server.ts";
import { scriptedService } from "../scripted-service.ts";

type Script = Parameters<typeof scriptedService>[0];

/** One call of SubscribeToShard: what was asked, and how to answer. */
export type Subscription = {
  readonly input: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly at: number;
  readonly stream: ServerHttp2Stream;
  /** Sends an event. */
  readonly push: (event: object) => void;
  /** Ends the subscription, with an exception where one is named. */
  readonly end: (exception?: string) => void;
  /** Refuses it. */
  readonly refuse: (code: string) => void;
};

/**
 * Kinesis with subscriptions, written from AWS's references of SubscribeToShard and of the event stream's encoding: HTTP/2
 * without TLS beside the scripted operations, on one port.
 */
export async function subscribingService(
  script: Script,
  subscribe: (subscription: Subscription, count: number) => void,
) {
  const scripted = await scriptedService(script);
  const subscriptions: Subscription[] = [];
  const sockets = new Set<Socket>();
  const http2 = createHttp2();
  http2.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => undefined);
    const target = String(headers["x-amz-target"]);
    void json(stream).then(async (input) => {
      if (!target.endsWith(".SubscribeToShard"))
        return await forward(stream, scripted.url, target, JSON.stringify(input));
      const subscription = subscriptionOn(stream, headers, input as Subscription["input"]);
      subscriptions.push(subscription);
      subscribe(subscription, subscriptions.length);
    });
  });
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    socket.once("data", (first) => {
      socket.pause();
      socket.unshift(first);
      if (first.toString().startsWith("PRI ")) return void http2.emit("connection", socket);
      const onward = connect(Number(new URL(scripted.url).port), "127.0.0.1");
      onward.on("error", () => socket.destroy());
      socket.on("close", () => onward.destroy());
      socket.pipe(onward).pipe(socket);
    });
  });
  const port = await listen(server);
  endAfterTest(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { ...scripted, url: `http://127.0.0.1:${port}`, subscriptions };
}

/** A client that may choose asks for the other operations over HTTP/2 too. */
async function forward(
  stream: ServerHttp2Stream,
  url: string,
  target: string,
  body: string,
): Promise<void> {
  const answer = await fetch(url, { method: "POST", headers: { "x-amz-target": target }, body });
  const text = await answer.text();
  if (stream.destroyed) return;
  stream.respond({ ":status": answer.status });
  stream.end(text);
}

function subscriptionOn(
  stream: ServerHttp2Stream,
  headers: Subscription["headers"],
  input: Subscription["input"],
): Subscription {
  const begin = (): void => {
    if (stream.headersSent) return;
    stream.respond({ ":status": 200, "content-type": "application/vnd.amazon.eventstream" });
    stream.write(encoded({ ":message-type": "event", ":event-type": "initial-response" }, {}));
  };
  return {
    ...{ input, headers, stream, at: performance.now() },
    push(event) {
      begin();
      const names = { ":message-type": "event", ":event-type": "SubscribeToShardEvent" };
      stream.write(encoded(names, event));
    },
    end(exception) {
      begin();
      if (exception === undefined) return void stream.end();
      const names = { ":message-type": "exception", ":exception-type": exception };
      stream.end(encoded(names, { message: "as scripted" }));
    },
    refuse(code) {
      stream.respond({ ":status": 400, "content-type": "application/x-amz-json-1.1" });
      stream.end(JSON.stringify({ __type: code, message: "as scripted" }));
    },
  };
}

/** A message of the event stream: lengths, their checksum, headers that are texts, the payload, and the checksum of all. */
function encoded(headers: Readonly<Record<string, string>>, payload: object): Buffer {
  const head = Buffer.concat(
    Object.entries(headers).map(([name, value]) => {
      const sizes = Buffer.from([7, value.length >> 8, value.length & 255]);
      return Buffer.concat([
        Buffer.from([name.length]),
        Buffer.from(name),
        sizes,
        Buffer.from(value),
      ]);
    }),
  );
  const body = Buffer.from(JSON.stringify(payload));
  const prelude = Buffer.alloc(12);
  prelude.writeUInt32BE(16 + head.length + body.length, 0);
  prelude.writeUInt32BE(head.length, 4);
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
  const message = Buffer.concat([prelude, head, body, Buffer.alloc(4)]);
  message.writeUInt32BE(crc32(message.subarray(0, -4)), message.length - 4);
  return message;
}
