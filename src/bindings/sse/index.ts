import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { BindingError } from "../../errors.ts";
import { parseAddress, parseOrigins } from "../../http-client/address.ts";
import { HttpClient } from "../../http-client/client.ts";
import { setHeader } from "../../http-client/headers.ts";
import { tlsMaterial } from "../../tls/pem.ts";
import { sseFields, type SseMetadata } from "./fields.ts";
import { startStream } from "./stream-reader.ts";

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
