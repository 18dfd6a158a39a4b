import { ClientConnection } from "../grpc/client-connection.ts";
import type { AnswerLimits } from "../grpc/answer-room.ts";
import type { HttpClient } from "./http-client.ts";

/** A client of a server that speaks cleartext HTTP/2 by prior knowledge. */
export function createHttp2Client(options: {
  host: string;
  port: number;
  answers: AnswerLimits;
}): HttpClient {
  const connection = new ClientConnection(options);
  const { authority, scheme } = connection;
  return {
    get ready() {
      return connection.ready;
    },
    get reason() {
      return connection.reason;
    },
    onChange: (listener) => connection.onChange(listener),
    onProtocolFailure: (listener) => connection.onProtocolFailure(listener),
    close: () => connection.close(),
    async send({ method, target, headers, body }, limits) {
      const fields = [":method", method, ":scheme", scheme, ":authority", authority];
      fields.push(":path", target, ...Object.entries(headers).flat());
      const result = await connection.request(fields, body, limits, options.answers);
      if (result.kind !== "answered") return result;
      return {
        kind: "answered",
        status: Number(result.head.get(":status")),
        headers: result.head.record,
        body: result.body,
      };
    },
  };
}
