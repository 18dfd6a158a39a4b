import { hostname } from "node:os";
import { defineBinding } from "../../../binding.ts";
import { BindingError } from "../../../errors.ts";
import { RedisConnection, type ConnectOptions } from "../connection.ts";
import { examineCommand, examineLogin } from "../examine.ts";
import { outboundRetry } from "../retries.ts";
import { needsRedisDriver, redisDrivers } from "../token-login.ts";
import { GroupCommands } from "./commands.ts";
import { fieldsOfJson } from "./entries.ts";
import { createFields, streamFields } from "./fields.ts";
import { GroupReader } from "./reader.ts";
import { trimming } from "./trimming.ts";
import { UnacknowledgedEntries } from "./unacknowledged-entries.ts";

const empty = new Uint8Array();

export default defineBinding({
  name: "redis.streams",
  status: "beta",
  summary: "Reads a Redis stream as a consumer of a group, and adds entries to it.",
  provedBy: [
    { system: "Redis", kind: "real" },
    { system: "Microsoft Entra ID", kind: "stand-in" },
  ],
  drivers: redisDrivers,
  needsDriver: (name, metadata) => needsRedisDriver(name, metadata),
  metadata: streamFields,

  async open({ metadata, component, signal, memory, lost, hide, driver }) {
    trimming(metadata, undefined);
    const ioredis = await import("ioredis");
    const name = `cufflink-${component.appId}-${component.name}`;
    const options: ConnectOptions = { metadata, name, signal, memory, lost, hide, driver };
    const connection = await RedisConnection.open(ioredis, options);
    return {
      ...{ connection, metadata },
      /** Another connection, for who waits on it. */
      another: (more: Pick<ConnectOptions, "signal" | "lost">) =>
        RedisConnection.open(ioredis, { ...options, ...more, name: `${name}-input` }),
      [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
    };
  },

  operations: {
    create: {
      description: "Adds an entry to the stream.",
      request: createFields,
      answerMetadata: {
        id: "The entry's id.",
        stream: "The stream.",
      },
      async invoke({ connection }, { data = empty, request, metadata }) {
        const own =
          metadata.dataField === ""
            ? fieldsOfJson(data)
            : [[metadata.dataField, asBuffer(data)] as const];
        const fields = [...own, ...request.fields].flat();
        if (fields.length === 0)
          throw new BindingError("invalid_argument", "an entry needs a field at least");
        const words = [...trimming(metadata, request.minId), "*", ...fields];
        const id = await connection.run((client) =>
          client.callBuffer("XADD", metadata.stream, ...words),
        );
        return { metadata: { id: String(id), stream: metadata.stream } };
      },
    },
  },

  eventMetadata: {
    stream: "The stream.",
    group: "The consumer group.",
    consumer: "The consumer in the group.",
    id: "The entry's id.",
    deliveries: "How often it was delivered.",
  },

  guarantee: {
    returned: "stays pending, and is delivered again after the pause",
    atLeastOnce:
      "the stream is not trimmed beneath its pending entries, and the server keeps its data",
    key: "`keyField`, while one process reads the group under one name",
    shared: true,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime: "what the server delivered: `maxInFlight` (64), and what waits for a retry",
      server:
        "the same; if the server is killed, also what it had not written (a second at 50/s: 114)",
    },
  },

  async read({ connection, another }, reading) {
    const { metadata, signal, lost, component } = reading;
    const { stream, consumerGroup } = metadata;
    const consumer = metadata.consumer || hostname();
    const identity = JSON.stringify([metadata.redisHost, metadata.redisDB, stream, consumerGroup]);
    const unacknowledged = UnacknowledgedEntries.of(`${identity} ${consumer} ${component.name}`);
    const own = await another({ signal, lost });
    try {
      const commands = new GroupCommands(connection, stream, consumerGroup, consumer);
      const before = unacknowledged.newest;
      const from = before || (metadata.startFrom === "oldest" ? "0-0" : "$");
      const isNew = await commands.create(from);
      if (isNew && before !== "")
        reading.notice(
          `group ${consumerGroup} of stream ${stream} was not there any more at ${new Date().toISOString()}: it is made again, and goes on behind entry ${before}`,
        );
      const client = metadata.redisType === "cluster" ? undefined : await clientId(own);
      const reader = new GroupReader({
        ...{ reading, commands, consumer, unacknowledged },
        waiting: new GroupCommands(own, stream, consumerGroup, consumer),
        unblock: () => unblock(connection, client),
        disconnect: () => own[Symbol.asyncDispose](),
      });
      reader.start();
      return reader;
    } catch (error) {
      await own[Symbol.asyncDispose]();
      throw error;
    }
  },

  retry: { outbound: outboundRetry },

  async ping({ connection }) {
    await connection.run((client) => client.ping());
  },

  async examine({ connection }, examination) {
    const { metadata, directions, ask } = examination;
    const { stream, consumerGroup } = metadata;
    await examineLogin(connection, examination);
    await ask("exists", `stream ${stream}`, async () => {
      const type = String(await connection.run((client) => client.call("TYPE", stream)));
      // The first entry, and the group, make it.
      if (type === "none") return "it is made when it is first used";
      if (type !== "stream")
        throw new BindingError("failed_precondition", `the key ${stream} is a ${type}, no stream`);
      return undefined;
    });
    if (directions.input) {
      const group = ["GROUP", consumerGroup, "cufflink", "STREAMS", stream, ">"];
      await examineCommand(connection, examination, "may read", ["XREADGROUP", ...group]);
    }
    if (directions.output)
      await examineCommand(connection, examination, "may write", ["XADD", stream, "*", "a", "b"]);
  },

  async backlog({ connection, metadata }) {
    const { stream, consumerGroup, consumer } = metadata;
    return (await new GroupCommands(connection, stream, consumerGroup, consumer ?? "").lag()) ?? 0;
  },

  async totalBacklog({ connection, metadata }) {
    const { stream, consumerGroup, startFrom } = metadata;
    const commands = new GroupCommands(connection, stream, consumerGroup, "");
    return commands.unsettled(startFrom === "oldest");
  },
});

/** By which another connection can tell the server to let this one wait no more; `undefined`: it may not ask. */
async function clientId(connection: RedisConnection): Promise<number | undefined> {
  const id: unknown = await connection
    .run((client) => client.call("CLIENT", "ID"))
    .catch(() => undefined);
  return typeof id === "number" ? id : undefined;
}

/** Without the right to it the wait ends by itself. */
async function unblock(connection: RedisConnection, id: number | undefined): Promise<void> {
  if (id === undefined) return;
  await connection.run((client) => client.call("CLIENT", "UNBLOCK", id)).catch(() => undefined);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
