import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { examineByRequest } from "../../examine-by-request.ts";
import { checkSettings, connect, failureOf, type Driver } from "./connection.ts";
import { FeedReader } from "./feed-reader.ts";
import { rethinkdbFields } from "./fields.ts";

/** Reads what changes in a table. */
export default defineBinding({
  name: "rethinkdb.statechange",
  status: "alpha",
  summary: "Calls the app for each change of a RethinkDB table.",
  provedBy: [{ system: "RethinkDB", kind: "stand-in" }],
  drivers: { "rethinkdb-ts": "3.0.0" },

  metadata: rethinkdbFields,
  example: {
    address: "localhost:28015",
  },

  check: (metadata) => problemsOf([() => checkSettings(metadata)]),

  async open({ metadata, driver, signal, notice }) {
    checkSettings(metadata);
    const loaded = driver("rethinkdb-ts") as Driver;
    const { connection } = await connect(loaded, metadata, signal);
    notice("the source is lossy: RethinkDB keeps no changes for a reader that is away");
    return { connection, loaded, [Symbol.asyncDispose]: () => connection.close() };
  },

  eventMetadata: {
    "store-address": "The server.",
    "store-database": "The database.",
    "store-table": "The table.",
  },

  guarantee: {
    returned: "is lost: the server has forgotten it",
    atLeastOnce:
      "changes are lost while nothing reads, when the connection breaks, and with the process that has them",
    key: "the row's primary key",
    shared: false,
    duplicates: { app: "what the app has (64)", runtime: "none", server: "none" },
    lossy: true,
  },

  async examine({ connection, loaded: { r } }, questions) {
    const { database, table } = questions.metadata;
    const subject = `table ${database}.${table}`;
    const request = async (): Promise<void> => {
      try {
        await r.db(database).table(table).limit(1).count().run(connection);
      } catch (error) {
        throw failureOf(`reading ${database}.${table}`, error);
      }
    };
    const told = [
      ["authenticated", ""],
      ["exists", subject],
      ["may read", subject],
    ] as const;
    await examineByRequest(questions, request, told);
  },

  read({ loaded }, reading) {
    return FeedReader.start(loaded, reading);
  },

  returnsSingly: false,

  async ping({ connection }) {
    try {
      await connection.server();
    } catch (error) {
      // What the driver says of any other answer, a refusal among them: the server is there.
      if (error instanceof Error && error.message.startsWith("Unexpected return value")) return;
      throw failureOf("asking the server who it is", error);
    }
  },
});
