import { once } from "node:events";
import * as http2 from "node:http2";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { duplexPair } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { Http2ClientConnection } from "../../../src/http2/client-connection.ts";
import type { Http2Stream } from "../../../src/http2/stream.ts";
import { noteNodes, noting, Streams, type Running, type Side } from "./seen.ts";
import { nodesPatience, Wire } from "./wire.ts";

const body = Buffer.from("question");
/** Of each stream that is opened before a server says anything: whether the request ends with its head. */
const requests = [true, false, true];
/** The ids of these streams. */
export const requested: readonly number[] = requests.map((_, index) => index * 2 + 1);

/** Ours, with an end of it in memory. */
export async function ourClient(): Promise<Side> {
  return {
    async connect() {
      const [near, far] = duplexPair();
      const streams = new Streams();
      const open = new Map<number, Http2Stream>();
      let reason: string | undefined;
      const connection = new Http2ClientConnection(far, {
        onReady: () => undefined,
        onClosed: (text) => (reason = text),
      });
      const wire = new Wire(near, true);
      const head = [":method", "POST", ":scheme", "http", ":path", "/a.B/C", ":authority", "x"];
      for (const [index, isLast] of requests.entries()) {
        const id = index * 2 + 1;
        const seen = streams.of(id);
        const listener = noting(seen, () => open.delete(id));
        const stream = connection.open(head, listener, isLast);
        open.set(id, stream);
      }
      await requestsSent(wire);
      return {
        ...{ wire, streams },
        get reason() {
          return reason;
        },
        act(id, what) {
          const stream = open.get(id);
          if (what === "reset") stream?.reset(8);
          else stream?.end(what === "answer" ? undefined : body);
        },
        close() {
          connection.destroy();
          near.destroy();
          far.destroy();
        },
      } satisfies Running;
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** Node's, with the limits of ours. */
export async function nodesClient(): Promise<Side> {
  const server = createServer({ noDelay: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    async connect() {
      const streams = new Streams();
      const open = new Map<number, http2.ClientHttp2Stream>();
      let reason: string | undefined;
      const session = http2.connect(`http://127.0.0.1:${port}`, {
        settings: {
          ...{ enablePush: false, maxFrameSize: 65_536, initialWindowSize: 1024 * 1024 },
          ...{ maxHeaderListSize: 65_536, headerTableSize: 4096 },
        },
        createConnection: () => connect({ host: "127.0.0.1", port, noDelay: true }),
        ...{ maxHeaderListPairs: 4096, maxSessionMemory: 100, maxSettings: 64 },
      });
      session.on("error", (error: Error) => (reason = error.message));
      const [socket] = (await once(server, "connection")) as [Socket];
      const wire = new Wire(socket, true, nodesPatience);
      for (const [index, endStream] of requests.entries()) {
        const id = index * 2 + 1;
        const seen = streams.of(id);
        const stream = session.request({ ":method": "POST", ":path": "/a.B/C" }, { endStream });
        open.set(id, stream);
        noteNodes(stream, seen, () => open.delete(id));
      }
      await requestsSent(wire);
      return {
        ...{ wire, streams },
        get reason() {
          return reason;
        },
        act(id, what) {
          const stream = open.get(id);
          if (stream === undefined || stream.destroyed || stream.closed) return;
          if (what === "reset") stream.close(8);
          else if (!stream.writableEnded) stream.end(what === "answer" ? undefined : body);
        },
        close() {
          session.destroy();
          socket.destroy();
        },
      } satisfies Running;
    },
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

async function requestsSent({ told }: Wire): Promise<void> {
  while (told.size < requests.length) await turn();
}
