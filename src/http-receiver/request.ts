import { randomUUID } from "node:crypto";
import type { InboundEvent } from "../reading.ts";
import type { Exchange, ReplyTypes } from "./exchange.ts";

/** A request as an event: its body as it came, all its headers with lower-case names, repeats kept. */
export function requestAsEvent(
  exchange: Exchange,
  id: string | undefined,
  settle: InboundEvent["settle"],
): InboundEvent {
  const { request, query, body, receivedAt, revoked } = exchange;
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
    headers: exchange.allHeaders(),
    id: id || randomUUID(),
    idIsMadeUp: !id,
    revoked: revoked.signal,
    settle,
  };
}

/** Answers a request, once its only event is settled, with the app's reply. */
export function replyTo(exchange: Exchange, types: ReplyTypes): InboundEvent["settle"] {
  return (settlement) => {
    if (settlement.outcome === "returned") exchange.unavailable(settlement.after);
    else if (settlement.movedTo !== undefined) exchange.accepted(settlement.movedTo);
    else exchange.reply(settlement.reply, types);
  };
}

/** Node gives each byte of a header as one character. */
export function fromBytes(text: string): string {
  return Buffer.from(text, "latin1").toString("utf8");
}
