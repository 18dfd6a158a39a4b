// Stands in for SQS, S3, Azure's queues and Pub/Sub, so that neither a contender nor an emulator is the limit: it keeps
// messages in memory, checks nothing, and answers at once. Arguments: HTTP-PORT GRPC-PORT.
//
//   POST /fill/QUEUE    stores messages of 1 KiB each, one behind the other
//   GET /size/QUEUE     how many are not deleted
//   GET /done           what S3 was asked for, and what SQS has stored, as JSON
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { createServer, type ServerHttp2Stream } from "node:http2";
import { storeOf } from "../systems/clouds/message-store.ts";
import { answerPubsub } from "../systems/clouds/pubsub.ts";
import { answerS3, done } from "../systems/clouds/s3.ts";
import { answerSqs } from "../systems/clouds/sqs.ts";
import { answerStorageQueue } from "../systems/clouds/storage-queue.ts";
import { payloadBytes } from "../wire/payload.ts";

const [httpPort, grpcPort] = process.argv.slice(2).map(Number);
const origin = `http://127.0.0.1:${httpPort}`;

const http = createHttpServer((request, response) => {
  answer(request, response).catch((error: unknown) => response.destroy(error as Error));
});
http.keepAliveTimeout = 600_000;
http.listen(httpPort, "127.0.0.1");

const grpc = createServer({ settings: { initialWindowSize: 4 << 20, maxConcurrentStreams: 1000 } });
grpc.on("session", (session) => session.setLocalWindowSize(16 << 20));
grpc.on("stream", (stream: ServerHttp2Stream, headers) =>
  answerPubsub(stream, headers[":path"] ?? ""),
);
grpc.listen(grpcPort, "127.0.0.1");

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = "", headers } = request;
  const url = new URL(request.url ?? "/", origin);
  const target = headers["x-amz-target"];
  const [, place = "", name = ""] = url.pathname.split("/");
  if (typeof target === "string") {
    const text = await answerSqs(target.replace(/^.*\./, ""), await bodyOf(request), origin);
    if (text !== undefined) return say(response, 200, text, "application/x-amz-json-1.0");
  } else if (place === "fill") {
    const body = await bodyOf(request);
    const store = storeOf(name);
    for (let at = 0; at < body.length; at += payloadBytes)
      store.add(body.subarray(at, at + payloadBytes));
    store.wake();
    return say(response, 200, "", "text/plain");
  } else if (place === "size") return say(response, 200, String(storeOf(name).size), "text/plain");
  else if (place === "done") {
    const text = JSON.stringify({ ...done, sent: storeOf("out").stored });
    return say(response, 200, text, "application/json");
  } else if (place === "account") {
    await bodyOf(request);
    const answered = answerStorageQueue(method, url);
    if (answered !== undefined) {
      const { status, body = "" } = answered;
      const length = status === 204 ? {} : { "content-length": body.length };
      response.writeHead(status, { ...length, ...answered.headers }).end(body);
      return;
    }
  } else if (place === "bucket") return answerS3(request, response, url);
  say(response, 404, `${method} ${url.pathname} ${String(target)}`, "text/plain");
}

function say(response: ServerResponse, status: number, text: string, type: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}
