import { bool, byPrefix, byteSize, duration, list, oneOf, string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";
import { pemFields } from "../../metadata/tls-fields.ts";

/** The metadata of a component that reads an event stream. */
export const sseFields = {
  url: string({
    description: "The URL of the event stream.",
    required: true,
    example: "https://api.example.com/v1/events",
  }),
  headers: byPrefix(
    "header:",
    string({
      description: "The value of the request header NAME, sent to the origin of `url`.",
      sensitive: true,
      example: "Bearer …",
    }),
  ),
  eventTypes: list({
    description: "The types of the events to deliver. Others are left out. Unset: all.",
    example: "created,deleted",
  }),
  startFrom: oneOf(["newest", "oldest"], {
    description:
      "What is asked for the first time, before an event was handled. `newest`: what comes from then on. `oldest`: `Last-Event-ID: 0`, which a server with numbered events answers with all that it keeps.",
    default: "newest",
  }),
  lastEventId: string({
    description: "The `Last-Event-ID` to send the first time, before `startFrom`.",
    example: "0",
  }),
  inOrder: bool({
    description: "Whether events are handled one after another, in the order of the stream.",
    default: "false",
  }),
  reconnectDelay: duration({
    description:
      "The pause before a reconnection, until the server sends `retry`. At least 100 ms; after failures longer each time.",
    default: "3s",
    positive: true,
  }),
  idleTimeout: duration({
    description:
      "How long nothing may come, not even a comment, before the connection is made anew; also how long the answer may take to begin. 0: as long as it likes.",
    default: "2m",
  }),
  maxEventSize: byteSize({
    description: "Maximum size of an event. A larger one is an error.",
    default: "1Mi",
  }),
  allowOrigins: list({
    description:
      "Origins that redirects may lead to, beside that of `url`. They are never sent credentials.",
    example: "https://events.example.com",
  }),
  ...pemFields,
} as const;

export type SseMetadata = Values<typeof sseFields>;
