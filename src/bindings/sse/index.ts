import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { BindingError } from "../../errors.ts";
import { examineByRequest } from "../../examine-by-request.ts";
import { describeAddress, parseAddress, parseOrigins } from "../../http-client/address.ts";
import { HttpClient } from "../../http-client/client.ts";
import { setHeader, userAgent, type RequestHeaders } from "../../http-client/headers.ts";
import { failureOfStatus, isSuccess } from "../../http-client/status.ts";
import { withTimeLimit } from "../../http-client/within.ts";
import { tlsMaterial } from "../../tls/pem.ts";
import { sseFields, type SseMetadata } from "./fields.ts";
import { startStream } from "./stream-reader.ts";

/** Milliseconds. */
const headTimeout = 2_000;

/** Reads a stream of server-sent events, and goes on after the last one that was handled. */
export default defineBinding({
  name: "sse",
  status: "beta",
  summary: "Reads a stream of server-sent events.",
  provedBy: [
    { system: "better-sse", kind: "real" },
    { system: "Node.js HTTP", kind: "real" },
  ],
  metadata: sseFields,

  check: (metadata) =>
    problemsOf([() => parseAddress(metadata.url), () => checkSettings(metadata)]),

  async open({ metadata, memory }) {
    const { url, headers } = metadata;
    checkSettings(metadata);
    return HttpClient.open(await import("undici"), {
      ...{ url, memory, maxConnections: 1 },
      tls: { minVersion: "TLSv1.2", ...tlsMaterial(metadata) },
      secretHeaders: [...headers.keys()],
    });
  },

  async examine(client, questions) {
    const { metadata, signal, unknown, omit } = questions;
    const { authorization } = client.home;
    const isAnonymous = metadata.headers.size === 0 && authorization === undefined;
    if (isAnonymous) omit("authenticated");
    let isSilent = false;
    // HEAD begins no stream, of which an event could be lost; some servers do not know it, or answer it as if it did.
    const request = async (): Promise<void> => {
      const headers: RequestHeaders = new Map([["user-agent", userAgent]]);
      if (authorization !== undefined) setHeader(headers, "authorization", authorization);
      for (const [name, value] of metadata.headers) setHeader(headers, name, value);
      setHeader(headers, "accept", "text/event-stream");
      const wanted = { method: "HEAD", address: client.home, headers, body: undefined, maxBody: 0 };
      const answered = await withTimeLimit(headTimeout, signal, (limited) =>
        client.send(wanted, limited),
      ).catch((error: unknown) => {
        isSilent = error instanceof BindingError && error.reason === "deadline_exceeded";
        throw error;
      });
      const { status } = answered;
      const text = `HEAD is answered with ${status}`;
      if (status === 401 || status === 403 || status >= 500)
        throw new BindingError(failureOfStatus(status).reason, text);
      const type = answered.headers["content-type"] ?? "no type";
      if (isSuccess(status) && /^text\/event-stream\b/i.test(type)) return;
      const why = isSuccess(status) ? `${text} and ${type}` : text;
      throw new BindingError("unimplemented", `${why}; only reading the stream tells`);
    };
    const shown = describeAddress(client.home);
    const told = [
      ["exists", shown],
      ["may read", shown],
    ] as const;
    await examineByRequest(
      questions,
      request,
      isAnonymous ? told : [["authenticated", ""], ...told],
    );
    const why = "HEAD is not answered; only reading the stream tells";
    if (isSilent && !signal.aborted) unknown("reachable", "", why);
  },

  eventMetadata: {
    eventType: "The event's type.",
    url: "The stream's address.",
    lastEventId: "The id of the last event that had one.",
  },

  guarantee: {
    returned: "comes again once the component reads anew",
    atLeastOnce:
      "the server gives ids and sends what came after `Last-Event-ID`; without ids, what it sends meanwhile is lost",
    key: "the stream, with `inOrder`",
    shared: false,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime: "what the app has, and handled events whose checkpoint was not stored (64)",
      server: "none, if the server gives ids",
    },
  },

  read: startStream,

  returnsSingly: false,
});

function checkSettings({ headers, allowOrigins, clientCert, lastEventId }: SseMetadata): void {
  for (const [name, value] of headers) setHeader(new Map(), name, value);
  parseOrigins(allowOrigins);
  // oxlint-disable-next-line no-control-regex -- the very characters that no header has
  if (/[\x00-\x1f\x7f]/.test(lastEventId ?? ""))
    throw new BindingError("invalid_argument", "lastEventId has a control character");
  if (allowOrigins?.length && clientCert) {
    const text = "with clientCert, allowOrigins would show the certificate to other origins";
    throw new BindingError("invalid_argument", text);
  }
}
