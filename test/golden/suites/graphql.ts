import { startLoopback } from "../../bindings/http/loopback-server.ts";
import { reservePort } from "../../servers/ports.ts";
import type { Call, Suite } from "../suite.ts";

/** Answers by the document's name, and tells a caller what it sent. */
function startUpstream() {
  return startLoopback(({ method, url, headers, body }, response) => {
    const sent = JSON.parse(body.toString()) as { query: string };
    const [, kind = ""] = /^\s*\w+ (\w+)/.exec(sent.query) ?? [];
    const errors = [{ message: "No.", extensions: { code: "OTHER" } }];
    const { "content-type": type, accept, "x-own": own, "x-call": call } = headers;
    const answers: Readonly<Record<string, readonly [number, unknown]>> = {
      // With its names in the order of the alphabet, which daprd puts them in.
      echo: [200, { data: { headers: { accept, call, own, type }, method, sent, url } }],
      order: [200, { data: { b: 1, a: "<" } }],
      nothing: [200, { data: null }],
      list: [200, { data: [1, "a", null, true] }],
      errors: [200, { errors }],
      part: [200, { data: { a: 1 }, errors: [...errors, { message: "Another." }] }],
      refused: [401, { errors }],
      failed: [500, "<html>"],
      numbers: [200, '{"data":{"long":12345678901234567890}}'],
      unlike: [401, { message: "no" }],
    };
    const [status, answer] = answers[kind] ?? [404, "none"];
    response.writeHead(status).end(typeof answer === "string" ? answer : JSON.stringify(answer));
  });
}

export const graphql: Suite = {
  name: "graphql",
  servers: [],
  async prepare() {
    const server = await startUpstream();
    const address = `127.0.0.1:${server.port}`;
    const closed = `127.0.0.1:${await reservePort()}`;
    const at = (name: string, endpoint: string) => ({
      ...{ name, type: "bindings.graphql" },
      metadata: { endpoint, "header:X-Own": "component" },
    });
    const one = (name: string, operation: string, metadata: Record<string, string>): Call => ({
      ...{ name, binding: "graph", operation, metadata, data: "ignored" },
    });
    const query = (kind: string) => one(`query ${kind}`, "query", { query: `query ${kind} { a }` });
    return {
      components: [at("graph", `http://${address}/graphql?v=1`), at("closed", `http://${closed}/`)],
      names: [
        [address, "{address}"],
        [closed, "{closed}"],
        [/127\.0\.0\.1:\d+->/g, "{own}->"],
        [/\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)/g, "{time}"],
        [/(?<=duration":")[\d.]+[^"]*s(?=")/g, "{duration}"],
      ],
      calls: [
        query("echo"),
        one("a mutation", "mutation", { mutation: "  mutation echo { a }\n" }),
        one("variables", "query", {
          ...{ query: "query echo($a: String) { a }", "variable:a": '"1"', "variable:b": "2" },
        }),
        one("headers", "query", {
          ...{ query: "query echo { a }", "header:X-Own": "call", "header:X-Call": "a" },
        }),
        query("order"),
        query("nothing"),
        query("list"),
        query("errors"),
        query("part"),
        query("refused"),
        query("failed"),
        query("numbers"),
        query("unlike"),
        one("no document", "query", { a: "b" }),
        one("an empty document", "mutation", { mutation: "" }),
        one("the other's document", "query", { mutation: "mutation echo { a }" }),
        one("a mutation as a query", "query", { query: "mutation echo { a }" }),
        one("the short form", "query", { query: "{ a }" }),
        one("a query as a mutation", "mutation", { mutation: "query echo { a }" }),
        one("an operation that is not there", "create", { query: "query echo { a }" }),
        {
          ...one("a server that is not there", "query", { query: "query echo { a }" }),
          binding: "closed",
        },
      ],
      close: async () => server[Symbol.asyncDispose](),
    };
  },
};
