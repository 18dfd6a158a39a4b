import { once } from "node:events";
import * as http2 from "node:http2";
import { connect, type AddressInfo, type Socket } from "node:net";
import { duplexPair } from "node:stream";
import { ConnectionGroup } from "../../../src/http2/connection-group.ts";
import type { Http2Connection } from "../../../src/http2/connection.ts";
import { Http2ServerConnection } from "../../../src/http2/server-connection.ts";
import type { Http2Stream } from "../../../src/http2/stream.ts";
import { listed, noteNodes, noting, Streams, type Running, type Side } from "./seen.ts";
import { nodesPatience, Wire } from "./wire.ts";

const body = Buffer.from("answer");

/** Ours, with an end of it in memory: each packet arrives as it was written. */
export async function ourServer(): Promise<Side> {
  const group = new ConnectionGroup<Http2Connection>();
  return {
    async connect() {
      const [near, far] = duplexPair();
      const streams = new Streams();
      const open = new Map<number, Http2Stream>();
      let reason: string | undefined;
      const connection = new Http2ServerConnection(far, {
        group,
        onStream(stream, head) {
          const seen = streams.of(stream.id);
          seen.head = listed(head.raw);
          open.set(stream.id, stream);
          return noting(seen, () => open.delete(stream.id));
        },
        onClosed: (text) => (reason = text),
      });
      return {
        ...{ wire: new Wire(near, false), streams },
        get reason() {
          return reason;
        },
        act(id, what) {
          const stream = open.get(id);
          if (stream === undefined) return;
          if (what === "reset") stream.reset(8);
          else if (stream.isReceived && !stream.isEnded)
            stream.sendWhole([":status", "200"], what === "answer" ? Buffer.alloc(0) : body);
        },
        close() {
          connection.destroy();
          near.destroy();
          far.destroy();
        },
      } satisfies Running;
    },
    async [Symbol.asyncDispose]() {
      for (const connection of group.connections) connection.destroy();
    },
  };
}

/** Node's, with the limits of ours. */
export async function nodesServer(): Promise<Side> {
  const server = http2.createServer({
    settings: {
      ...{ maxFrameSize: 65_536, initialWindowSize: 1024 * 1024, maxConcurrentStreams: 4096 },
      ...{ maxHeaderListSize: 16_384, headerTableSize: 4096 },
    },
    ...{ maxHeaderListPairs: 4096, maxSessionMemory: 100, maxSettings: 64 },
  });
  let streams = new Streams();
  let reason: string | undefined;
  let open = new Map<number, http2.ServerHttp2Stream>();
  server.on("stream", (stream: http2.ServerHttp2Stream, _head, _flags, raw: string[]) => {
    const id = stream.id ?? 0;
    const seen = streams.of(id);
    const opened = open;
    seen.head = listed(raw);
    opened.set(id, stream);
    noteNodes(stream, seen, () => opened.delete(id));
  });
  server.on("connection", (socket: Socket) => socket.setNoDelay(true));
  server.on("sessionError", (error: Error) => (reason = error.message));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    async connect() {
      streams = new Streams();
      reason = undefined;
      open = new Map();
      const opened = open;
      const socket = connect({ host: "127.0.0.1", port, noDelay: true });
      const wire = new Wire(socket, false, nodesPatience);
      await once(server, "session");
      return {
        ...{ wire, streams },
        get reason() {
          return reason;
        },
        act(id, what) {
          const stream = opened.get(id);
          if (stream === undefined || stream.destroyed || stream.closed) return;
          if (what === "reset") stream.close(8);
          else if (stream.readableEnded && !stream.headersSent) {
            stream.respond({ ":status": 200 });
            stream.end(what === "answer" ? Buffer.alloc(0) : body);
          }
        },
        close: () => void socket.destroy(),
      } satisfies Running;
    },
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
