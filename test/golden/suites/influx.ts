import { startLoopback } from "../../bindings/http/loopback-server.ts";
import type { Call, Suite } from "../suite.ts";

/** Keeps what it was sent last, and answers queries by their text. */
function startUpstream() {
  let last = "";
  return startLoopback(({ method, url = "", headers, body }, response) => {
    const text = body.toString();
    const refuse = (status: number) =>
      response
        .writeHead(status, { "content-type": "application/json" })
        .end(JSON.stringify({ code: "invalid", message: "No." }));
    if (url.startsWith("/api/v2/write")) {
      if (text.startsWith("refused")) return refuse(400);
      const { authorization } = headers;
      last = [method, url, authorization, JSON.stringify(text)].join(" ");
      return response.writeHead(204).end();
    }
    const sent = JSON.parse(text) as { query: string };
    if (sent.query === "refused") return refuse(400);
    response.writeHead(200, { "content-type": "text/csv" });
    if (sent.query === "last") return response.end(last);
    return response.end([method, url, headers.authorization, JSON.stringify(sent)].join(" "));
  });
}

export const influx: Suite = {
  name: "influx",
  servers: [],
  async prepare() {
    const server = await startUpstream();
    const one = (
      name: string,
      operation: string,
      data?: unknown,
      metadata: Record<string, string> = {},
    ): Call => ({ ...{ name, binding: "influx", operation, metadata, data } });
    const point = { measurement: "m", tags: "room=hall", values: "t=21.5" };
    const account = { token: "t/+", org: "shop & co", bucket: "a b" };
    return {
      components: [
        {
          ...{ name: "influx", type: "bindings.influx" },
          metadata: { url: server.url, ...account },
        },
      ],
      names: [[`127.0.0.1:${server.port}`, "{address}"]],
      calls: [
        one("a point", "create", point),
        one("what was written of it", "query", undefined, { raw: "last" }),
        one("a query", "query", undefined, { raw: 'from(bucket: "a") |> range(start: -1h)' }),
        one("a refused point", "create", { ...point, measurement: "refused" }),
        one("a refused query", "query", undefined, { raw: "refused" }),
        one("no query", "query", undefined, { a: "b" }),
        one("an empty query", "query", undefined, { raw: "" }),
        one("no point", "create", "text"),
        one("a list", "create", [point]),
        one("no measurement", "create", { tags: "a=b", values: "c=1" }),
        one("no tags", "create", { measurement: "m", values: "c=1" }),
        one("what was written without them", "query", undefined, { raw: "last" }),
        one("two lines", "create", { ...point, values: "t=1\nother t=2" }),
        one("an operation that is not there", "get"),
      ],
      close: async () => server[Symbol.asyncDispose](),
    };
  },
};
