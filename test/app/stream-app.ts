import { fromBinary } from "@bufbuild/protobuf";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { EventBatchSchema, type DeliveredEvent } from "../../gen/cufflink/v1/event_streams_pb.ts";
import { MessageReader } from "../../src/grpc/message-reader.ts";
import { framed, startHttp2Server, type ServedCall } from "../grpc/http2-server.ts";
import { until } from "../until.ts";
import { appMessage } from "./stream-peer.ts";

/** One event stream that the runtime has dialled, as the app sees it. */
export class ServedStream {
  readonly headers: IncomingHttpHeaders;
  readonly events: DeliveredEvent[] = [];
  closed = false;
  readonly #stream: ServerHttp2Stream;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.#stream = stream;
    this.headers = headers;
    const reader = new MessageReader(64 << 20, (message) =>
      this.events.push(...fromBinary(EventBatchSchema, message).events),
    );
    stream.on("data", (chunk: Buffer) => reader.push(chunk));
    stream.on("close", () => (this.closed = true));
  }

  get texts(): string[] {
    return this.events.map(({ event }) => Buffer.from(event?.data ?? []).toString());
  }

  send(message: Parameters<typeof appMessage>[0]): void {
    if (!this.#stream.headersSent) {
      this.#stream.respond(
        { ":status": 200, "content-type": "application/grpc" },
        { waitForTrailers: true },
      );
    }
    this.#stream.write(framed(appMessage(message)));
  }

  subscribe(bindings: string[] = []): void {
    this.send({ subscription: { bindings, orderedPipelining: true }, credit: 1000 });
  }

  /** Settles all events so far as handled. */
  handleAll(): void {
    this.send({ handled: this.events.map(({ delivery }) => delivery) });
  }

  /** Ends the call with this status. */
  end(status: number): void {
    this.#stream.on("wantTrailers", () =>
      this.#stream.sendTrailers({ "grpc-status": String(status) }),
    );
    this.#stream.end();
  }
}

/** An app that listens and serves both event streams, as the test says, and unary events. */
export async function startStreamApp(
  onStream: (stream: ServedStream) => void = (stream) => stream.subscribe(),
  handle: (call: ServedCall) => void = (call) => call.ok(new Uint8Array(0)),
) {
  const streams: ServedStream[] = [];
  const server = await startHttp2Server(handle, {
    onStream(stream, headers) {
      if (headers[":path"] !== "/cufflink.v1.AppCallback/OnBindingEvents") return false;
      const served = new ServedStream(stream, headers);
      streams.push(served);
      onStream(served);
      return true;
    },
  });
  const nth = async (count: number): Promise<ServedStream> => {
    await until(() => streams.length >= count, { what: `event stream ${count}` });
    return streams[count - 1]!;
  };
  return Object.assign(server, { streams, nth });
}
