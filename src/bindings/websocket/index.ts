import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { BindingError } from "../../errors.ts";
import { Connection, target } from "./connection.ts";
import { sendFields, websocketFields } from "./fields.ts";
import { startReader } from "./socket-reader.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Keeps one WebSocket open: hands over its messages, and sends some. */
export default defineBinding({
  name: "websocket",
  status: "beta",
  summary: "Receives and sends the messages of a WebSocket.",
  provedBy: [
    { system: "ws", kind: "real" },
    { system: "servers that break the protocol", kind: "stand-in" },
  ],
  metadata: websocketFields,

  check: (metadata) => problemsOf([() => target(metadata)]),

  async open(opening) {
    target(opening.metadata);
    const connection = await Connection.open(opening);
    if (!opening.directions.input) connection.drop();
    return connection;
  },

  async examine(_connection, { metadata, directions, ask, unknown, omit }) {
    omit("exists");
    await ask("reachable", "", () => "the server has accepted the WebSocket");
    if (metadata.headers.size === 0) omit("authenticated");
    else await ask("authenticated", "", () => {});
    const why = "the protocol tells only when a message is sent";
    if (directions.input) unknown("may read", "", why);
    if (directions.output) unknown("may write", "", why);
  },

  operations: {
    send: {
      description: "Sends the data as one message.",
      request: sendFields,
      async invoke(connection, { data = new Uint8Array(), request, signal }) {
        const isBinary = request.messageType === "binary";
        if (!isBinary && !isText(data)) {
          const text =
            "the data are not UTF-8, so they cannot be sent as text: set messageType to binary";
          throw new BindingError("invalid_argument", text);
        }
        await connection.send(data, isBinary, signal);
      },
    },
  },

  eventMetadata: {
    messageType: "`text` or `binary`.",
    url: "The server's address.",
    subprotocol: "The subprotocol of the connection.",
  },

  guarantee: {
    returned: "is lost",
    atLeastOnce:
      "messages that are sent while the connection is away, and those that are not handled at the end of the process, are lost",
    key: "the connection, with `inOrder`",
    shared: false,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime: "none",
      server: "none",
    },
    lossy: true,
  },

  read: startReader,

  returnsSingly: false,
});

function isText(data: Uint8Array): boolean {
  try {
    utf8.decode(data);
    return true;
  } catch {
    return false;
  }
}
