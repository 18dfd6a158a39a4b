import { onTestFinished } from "vitest";
import { startLoopback } from "../http/loopback-server.ts";
import type { Responder } from "../http/loopback-server.ts";

/** What a service of Azure Storage answers where it refuses something. */
export function refusal(code: string, message = "Refused."): string {
  return `\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}\nRequestId:1\nTime:2026-01-31T00:00:00Z</Message></Error>`;
}

/** An answer to one request: its status, its body and its headers. */
export type Said = {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Record<string, string>;
};

/**
 * A server in place of the service, for what Azurite does not do: permissions, tokens, refusals. `answer` is told the
 * method, the path without the account, and the header `Authorization`.
 */
export async function fakeStorage(
  answer: (method: string, path: string, authorization: string) => Said,
) {
  const respond: Responder = ({ method, url, headers }, response) => {
    const said = answer(
      method ?? "",
      (url ?? "").replace(/^\/[^/]+/, ""),
      headers.authorization ?? "",
    );
    response.writeHead(said.status, { "content-type": "application/xml", ...said.headers });
    response.end(said.body);
  };
  const server = await startLoopback(respond);
  onTestFinished(async () => server[Symbol.asyncDispose]());
  return server;
}

type FakeMessage = { readonly id: string; readonly text: string; readonly count?: number };

/** The answer to a request for messages, each invisible for 30 s and kept for a day. */
export function messages(...all: FakeMessage[]): string {
  const at = (milliseconds: number): string => new Date(Date.now() + milliseconds).toUTCString();
  const texts = all.map(
    ({ id, text, count = 1 }) =>
      `<QueueMessage><MessageId>${id}</MessageId><InsertionTime>${at(0)}</InsertionTime><ExpirationTime>${at(86_400_000)}</ExpirationTime><PopReceipt>receipt ${id}</PopReceipt><TimeNextVisible>${at(30_000)}</TimeNextVisible><DequeueCount>${count}</DequeueCount><MessageText>${text}</MessageText></QueueMessage>`,
  );
  return `\ufeff<?xml version="1.0" encoding="utf-8"?><QueueMessagesList>${texts.join("")}</QueueMessagesList>`;
}
