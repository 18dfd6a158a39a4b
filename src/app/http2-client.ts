import { ClientConnection } from "../grpc/client-connection.ts";
import { type HttpClient, maxAnswerBytes } from "./http-client.ts";

/** A client of a server that speaks cleartext HTTP/2 by prior knowledge. */
export function createHttp2Client(options: { host: string; port: number }): HttpClient {
  const connection = new ClientConnection({ ...options, maxAnswerBytes });
  return {
    get ready() {
      return connection.ready;
    },
    get reason() {
      return connection.reason;
    },
    onChange: (listener) => connection.onChange(listener),
    close: () => connection.close(),
    async send({ method, target, headers, body }, limits) {
      const sent = { ":method": method, ":path": target, ...headers };
      const result = await connection.request(sent, body === undefined ? [] : [body], limits);
      if (result.kind !== "answered") return result;
      return {
        kind: "answered",
        status: Number(result.headers[":status"]),
        contentType: result.headers["content-type"],
        body: result.body,
      };
    },
  };
}
