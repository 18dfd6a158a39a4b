import { randomUUID } from "node:crypto";
import type { Header, InboundEvent } from "../../../binding.ts";
import { isObject } from "../../../http-client/service-client.ts";
import type { Exchange } from "../../../http-receiver/exchange.ts";
import { sharedSettlement } from "../../../object-source/records.ts";
import { elementsOf } from "./json-elements.ts";

const validation = "Microsoft.EventGrid.SubscriptionValidationEvent";

/**
 * Answers `OPTIONS`, by which a sender of CloudEvents asks whether it may send. Whoever asks learns nothing by it: what
 * is sent must have a token.
 */
export function answerHandshake(exchange: Exchange): void {
  const origin = exchange.headers["webhook-request-origin"];
  exchange.done({
    allow: "POST, OPTIONS",
    "webhook-allowed-rate": "*",
    ...(typeof origin === "string" && origin !== "" ? { "webhook-allowed-origin": origin } : {}),
  });
}

/**
 * The events of a request, in the schema of CloudEvents or of Event Grid, one or several. The request is answered 200
 * once all of them are handled. None: it is answered already.
 */
export function eventsOf(exchange: Exchange): InboundEvent[] {
  const { body } = exchange;
  const parsed = parse(body);
  const code = validationCode(parsed);
  if (code !== undefined) {
    const type = { "content-type": "application/json; charset=utf-8" };
    exchange.done(type, Buffer.from(JSON.stringify({ validationResponse: code })));
    return [];
  }
  const parts = Array.isArray(parsed)
    ? elementsOf(body).map((data, index) => ({ data, event: parsed[index] as unknown }))
    : [{ data: body, event: parsed }];
  if (parts.length === 0) exchange.done();
  const settle = sharedSettlement(parts.length, (settlement) => {
    if (settlement.outcome === "returned") exchange.unavailable(settlement.after);
    else exchange.done();
  });
  const headers = exchange.allHeaders().filter(({ name }) => name !== "authorization");
  return parts.map(({ data, event }) => eventOf(exchange, data, event, headers, settle));
}

function eventOf(
  { headers: given, receivedAt, revoked }: Exchange,
  data: Uint8Array,
  event: unknown,
  headers: readonly Header[],
  settle: InboundEvent["settle"],
): InboundEvent {
  const members = isObject(event) ? event : {};
  const text = (...names: readonly string[]): string | undefined => {
    const found = names.map((name) => members[name]).find((value) => typeof value === "string");
    return typeof found === "string" && found !== "" ? found : undefined;
  };
  const source = text("source", "topic");
  const id = text("id");
  const known = {
    id,
    source,
    type: text("type", "eventType"),
    subject: text("subject"),
    time: text("time", "eventTime"),
    contentType: given["content-type"],
    receivedTime: receivedAt.toISOString(),
  };
  const count = Number(given["aeg-delivery-count"] ?? Number.NaN);
  return {
    data,
    metadata: Object.fromEntries(
      Object.entries(known).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, value]],
      ),
    ),
    headers,
    // Of one source no two events have the same.
    id: id === undefined ? randomUUID() : source === undefined ? id : `${source}#${id}`,
    idIsMadeUp: id === undefined,
    ...(Number.isSafeInteger(count) ? { attempt: count + 1, redelivered: count > 0 } : {}),
    revoked: revoked.signal,
    settle,
  };
}

/** The code of the handshake of Event Grid's own schema. */
function validationCode(parsed: unknown): string | undefined {
  const event: unknown = Array.isArray(parsed) && parsed.length === 1 ? parsed[0] : parsed;
  if (!isObject(event) || event["eventType"] !== validation) return undefined;
  const { data } = event;
  const code = isObject(data) ? data["validationCode"] : undefined;
  return typeof code === "string" ? code : undefined;
}

/** What is no JSON is one event, whatever it is. */
function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return undefined;
  }
}
