import {
  bool,
  byPrefix,
  byteSize,
  duration,
  list,
  oneOf,
  string,
  type Values,
} from "../../metadata/fields.ts";
import { pemFields } from "../../metadata/tls-fields.ts";

/** The metadata of a component that keeps a WebSocket open. */
export const websocketFields = {
  url: string({
    description: "The URL of the WebSocket: ws:// or wss://.",
    required: true,
    example: "wss://api.example.com/v1/feed",
  }),
  headers: byPrefix(
    "header:",
    string({
      description: "The value of the request header NAME, sent with the opening handshake.",
      sensitive: true,
      example: "Bearer …",
    }),
  ),
  subprotocols: list({
    description: "The subprotocols to offer. The server must choose one of them.",
    example: "graphql-transport-ws",
  }),
  openingMessages: byPrefix(
    "openingMessage:",
    string({
      description:
        "A text message to send when reading begins, such as a subscription. NAME orders several: by number, else by letter.",
      direction: "input",
      sensitive: true,
      example: '{"subscribe":"orders"}',
    }),
  ),
  inOrder: bool({
    description: "Whether messages are handled one after another, in the order of the connection.",
    direction: "input",
    default: "false",
  }),
  pingInterval: duration({
    description: "How often the server is sent a ping. 0: never.",
    default: "30s",
  }),
  pingTimeout: duration({
    description: "How long the server may take to answer a ping, or to send anything else.",
    default: "10s",
    positive: true,
  }),
  maxMessageSize: byteSize({
    description: "Maximum size of a message, of those received and those sent.",
    default: "1Mi",
  }),
  ...pemFields,
} as const;

export type WebsocketMetadata = Values<typeof websocketFields>;

/** What a call of `send` reads of its metadata. */
export const sendFields = {
  messageType: oneOf(["text", "binary"], {
    description: "How the data are sent. As text they must be UTF-8.",
    default: "text",
  }),
} as const;
