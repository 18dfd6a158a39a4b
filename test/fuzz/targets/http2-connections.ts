import { preface } from "../../grpc/http2-frame.ts";
import { compareSides } from "../http2/check.ts";
import { nodesClient, ourClient, requested } from "../http2/clients.ts";
import { hello } from "../http2/compare.ts";
import { connectionInput, type ConnectionInput } from "../http2/frames.ts";
import type { Side } from "../http2/seen.ts";
import { nodesServer, ourServer } from "../http2/servers.ts";
import type { Target } from "../target.ts";

/** Our HTTP/2 as a server, and Node's: the same bytes to both. */
export const http2Server = target(
  "h2-server",
  "server",
  { begin: Buffer.concat([preface, hello]), opened: [] },
  () => Promise.all([ourServer(), nodesServer()]),
);

/** The same as clients. */
export const http2Client = target("h2-client", "client", { begin: hello, opened: requested }, () =>
  Promise.all([ourClient(), nodesClient()]),
);

function target(
  name: string,
  side: "client" | "server",
  { begin, opened }: { readonly begin: Buffer; readonly opened: readonly number[] },
  sides: () => Promise<[ours: Side, nodes: Side]>,
): Target<ConnectionInput> {
  return {
    name,
    input: connectionInput(side === "server" ? "client" : "server"),
    async start() {
      const [ours, nodes] = await sides();
      return {
        async check(input) {
          const { unknown, ...seen } = await compareSides(
            { side, ours, nodes },
            begin,
            opened,
            input,
          );
          const [first] = unknown;
          if (first === undefined) return;
          const where = first.stream === undefined ? "the connection" : `stream ${first.stream}`;
          throw new Error(
            `${where}: ${first.what} is ${JSON.stringify(first.ours)} (${seen.ours.reason ?? "no reason"}), of Node ${JSON.stringify(first.nodes)} (${seen.nodes.reason ?? "no reason"})`,
          );
        },
        async [Symbol.asyncDispose]() {
          await ours[Symbol.asyncDispose]();
          await nodes[Symbol.asyncDispose]();
        },
      };
    },
  };
}
