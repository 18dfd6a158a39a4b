import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { WebSocketServer } from "ws";
import type { EchoingServer, Spelling } from "../../echoing-servers.ts";

/** Challenges each query, and refuses the login with what it was sent. */
export async function echoingGremlin(
  wanted: (text: string) => boolean,
  spelling: Spelling,
): Promise<EchoingServer> {
  const echoed: string[] = [];
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  server.on("connection", (socket) => {
    socket.on("message", (frame: Buffer) => {
      const request = JSON.parse(frame.subarray(1 + (frame[0] ?? 0)).toString()) as {
        readonly requestId: { readonly "@value": string };
        readonly op: string;
        readonly args: { readonly sasl?: string };
      };
      const { sasl = "" } = request.args;
      const parts = [sasl, ...Buffer.from(sasl, "base64").toString().split("\0")];
      const message = parts.filter(wanted).map(spelling).join(" ");
      const code = request.op === "eval" ? 407 : 401;
      if (code === 401) echoed.push(message);
      const status = { code, message, attributes: {} };
      const { "@value": requestId } = request.requestId;
      socket.send(JSON.stringify({ requestId, status, result: { data: null, meta: {} } }));
    });
  });
  onTestFinished(async () => {
    for (const socket of server.clients) socket.terminate();
    await new Promise((resolve) => server.close(resolve));
  });
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port, echoed };
}
