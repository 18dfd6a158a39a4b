import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { reservePort } from "../../servers/ports.ts";
import type { Call, Suite } from "../suite.ts";

const binding = "upstream";

/** Answers by the path, and tells a caller what it sent. */
function upstream() {
  return createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, url = "" } = request;
      response.sendDate = false;
      const [, kind = "", rest = ""] = url.split("/");
      if (kind === "status") return response.writeHead(Number(rest), { "x-own": "a" }).end("why");
      if (kind === "silent") return undefined;
      if (kind === "cut") return request.socket.destroy();
      if (kind === "half") {
        response.writeHead(200, { "content-length": "100" }).write("half");
        return setTimeout(() => request.socket.destroy(), 20);
      }
      if (kind === "many") return response.writeHead(200, { "x-many": ["1", "2"] }).end("many");
      const type = request.headers["content-type"] ?? "none";
      const said = [method, url, type, Buffer.concat(chunks).toString()].join(" ");
      return response.writeHead(200, { "content-type": "text/plain" }).end(said);
    });
  });
}

export const http: Suite = {
  name: "http",
  servers: [],
  async prepare() {
    const server = upstream();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const closed = `127.0.0.1:${await reservePort()}`;
    const one = (
      name: string,
      operation: string,
      metadata: Record<string, string> = {},
      data?: unknown,
    ): Call => ({ ...{ name, binding, operation, metadata, data } });
    const at = (name: string, url: string, metadata: Record<string, string> = {}) => ({
      ...{ name, type: "bindings.http", metadata: { url, ...metadata } },
    });
    return {
      components: [
        at(binding, `http://${address}/`),
        at("closed", `http://${closed}/`),
        at("brief", `http://${address}/`, { responseTimeout: "200ms" }),
        at("small", `http://${address}/`, { maxResponseBodySize: "4" }),
        at("lenient", `http://${address}/`, { errorIfNot2XX: "false" }),
      ],
      names: [
        [address, "{address}"],
        [closed, "{closed}"],
        [/127\.0\.0\.1:\d+->/g, "{own}->"],
      ],
      calls: [
        one("get", "get", { path: "/things" }),
        one("post", "post", { path: "things", "X-Own": "1" }, { a: 1 }),
        one("create is post", "create", { path: "things", "Content-Type": "text/plain" }, "x"),
        one("delete", "delete", { path: "/things" }),
        one("an operation in capital letters", "GET", { path: "/things" }),
        one("an operation that is not there", "list"),
        one("a header that comes twice", "get", { path: "/many" }),
        one("204", "get", { path: "/status/204" }),
        one("404", "get", { path: "/status/404" }),
        one("500", "post", { path: "/status/500" }, "x"),
        one("404 where that is no error", "get", { path: "/status/404", errorIfNot2XX: "false" }),
        {
          ...one("404 of a lenient component", "get", { path: "/status/404" }),
          binding: "lenient",
        },
        one("a status that only its number names", "get", { path: "/status/599" }),
        one("a connection that is cut", "get", { path: "/cut" }),
        one("a body that is cut", "get", { path: "/half" }),
        one("a path that is none", "get", { path: "/%zz" }),
        { ...one("a server that is not there", "get", { path: "/x" }), binding: "closed" },
        { ...one("a server that says nothing", "get", { path: "/silent" }), binding: "brief" },
        { ...one("a body beyond the limit", "get", { path: "/things" }), binding: "small" },
        {
          ...one("a caller's deadline that passes", "get", { path: "/silent" }),
          deadline: 200,
        },
      ],
      close() {
        server.closeAllConnections();
        server.close();
      },
    };
  },
};
