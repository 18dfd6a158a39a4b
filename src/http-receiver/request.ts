import { randomUUID } from "node:crypto";
import type { Header, InboundEvent } from "../reading.ts";
import type { Exchange } from "./exchange.ts";

/** A request as an event: its body as it came, all its headers with lower-case names, repeats kept. */
export function requestAsEvent(
  { request, query, body, receivedAt, revoked }: Exchange,
  id: string | undefined,
  settle: InboundEvent["settle"],
): InboundEvent {
  const [path = ""] = (request.url ?? "").split("?", 1);
  const contentType = request.headers["content-type"];
  return {
    data: body,
    metadata: {
      method: request.method ?? "",
      path,
      query,
      remoteAddress: request.socket.remoteAddress ?? "",
      receivedTime: receivedAt.toISOString(),
      ...(contentType === undefined ? {} : { contentType: fromBytes(contentType) }),
    },
    headers: headersOf(request.rawHeaders),
    id: id || randomUUID(),
    idIsMadeUp: !id,
    revoked: revoked.signal,
    settle,
  };
}

/** Node gives names and values in turns, and each byte of a value as one character. */
function headersOf(raw: readonly string[]): Header[] {
  const headers: Header[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? "").toLowerCase();
    headers.push({ name, value: Buffer.from(raw[index + 1] ?? "", "latin1") });
  }
  return headers;
}

/** Node gives each byte of a header as one character. */
export function fromBytes(text: string): string {
  return Buffer.from(text, "latin1").toString("utf8");
}
