import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import { gremlinUser } from "../../../servers/gremlin.ts";
import { endAfterTest } from "../../contract.ts";

export const login = gremlinUser;

type Args = Readonly<Record<string, unknown>>;
type Asked = { readonly gremlin: unknown; readonly bindings: unknown };
export type Part = {
  readonly code: number;
  readonly data?: string;
  readonly message?: string;
  readonly attributes?: object;
};

const mimeType = "application/vnd.gremlin-v2.0+json";

/**
 * A stand-in for Cosmos DB's Gremlin endpoint, written from TinkerPop's reference for providers and Microsoft's of the
 * headers: the first request of a connection is challenged (407), and answered once SASL's PLAIN was right.
 */
export async function startGremlin(options: ConstructorParameters<typeof WebSocketServer>[0] = {}) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, ...options });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const asked: Asked[] = [];
  const state = {
    connections: 0,
    challenges: 0,
    /** What a query is answered with; `undefined`: nothing. */
    answer: (_asked: Asked): readonly Part[] | undefined => [{ code: 200, data: "[1]" }],
    /** Sent in place of an answer, as it is. */
    raw: undefined as string | undefined,
    sockets: new Set<WebSocket>(),
  };
  server.on("connection", (socket) => {
    state.connections++;
    state.sockets.add(socket);
    let isLoggedIn = false;
    const waiting = new Map<string, Args>();
    const send = (id: string, { code, data = "null", message = "", attributes = {} }: Part) => {
      const status = JSON.stringify({ message, code, attributes });
      socket.send(`{"requestId":"${id}","status":${status},"result":{"data":${data},"meta":{}}}`);
    };
    const evaluate = (id: string, { gremlin, bindings }: Args): void => {
      const one = { gremlin, bindings };
      asked.push(one);
      if (state.raw !== undefined) socket.send(state.raw);
      else for (const part of state.answer(one) ?? []) send(id, part);
    };
    socket.on("error", () => undefined);
    socket.on("close", () => state.sockets.delete(socket));
    socket.on("message", (frame: Buffer) => {
      const length = frame[0] ?? 0;
      const type = frame.subarray(1, 1 + length).toString();
      const request = JSON.parse(frame.subarray(1 + length).toString()) as {
        readonly requestId: { readonly "@value": string };
        readonly op: string;
        readonly args: Args;
      };
      const { "@value": id } = request.requestId;
      if (type !== mimeType) return send(id, { code: 498, message: "no such format" });
      if (request.op === "eval" && isLoggedIn) return evaluate(id, request.args);
      if (request.op === "eval") {
        state.challenges++;
        waiting.set(id, request.args);
        return send(id, { code: 407 });
      }
      const args = waiting.get(id);
      if (request.op !== "authentication" || args === undefined)
        return send(id, { code: 498, message: `no ${request.op}` });
      waiting.delete(id);
      const right = Buffer.from(`\0${login.username}\0${login.masterKey}`).toString("base64");
      isLoggedIn = request.args["sasl"] === right;
      if (isLoggedIn) return evaluate(id, args);
      const message = "Unauthorized: Invalid credentials provided";
      send(id, { code: 401, message, attributes: { "x-ms-status-code": 401 } });
    });
  });
  const close = async (): Promise<void> => {
    for (const socket of server.clients) socket.terminate();
    await new Promise((resolve) => server.close(resolve));
  };
  endAfterTest(close);
  return {
    ...{ asked, state, close, port },
    properties: { url: `ws://127.0.0.1:${port}/`, ...login },
  };
}

/** What a query of the tests has in it. */
export function query(gremlin: string, more: object = {}): { readonly data: string } {
  return { data: JSON.stringify({ gremlin, ...more }) };
}
