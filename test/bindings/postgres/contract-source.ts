import { Pool } from "pg";
import { expect } from "vitest";
import type { AnyBinding, InboundEvent, Reading } from "../../../src/binding.ts";
import type { Fields } from "../../../src/metadata/fields.ts";
import postgres from "../../../src/bindings/postgres/index.ts";
import { keptCheckpoints } from "../../runtime/component/checkpoints.ts";
import { endAfterTest, type Source } from "../contract.ts";
import { published, type Server } from "./databases.ts";

/** Each event is the new state of a row, and the data one of its columns. */
export function postgresSource(server: Server): Source {
  const binding: AnyBinding = postgres;
  const checkpoints = new Map<string, ReturnType<typeof keptCheckpoints>>();
  const read = (connection: AsyncDisposable, reading: Reading<Fields>) => {
    const { slot } = reading.metadata as { slot: string };
    const kept = checkpoints.get(slot) ?? keptCheckpoints();
    checkpoints.set(slot, kept);
    return binding.read?.(connection, {
      ...{ ...reading, checkpoints: kept },
      deliver: (events, source) => reading.deliver(events.map(columnOf), source),
    });
  };
  return {
    binding: { ...binding, read } as AnyBinding,
    largest: 2 ** 20,
    ordered: { properties: {}, keys: ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] },
    async place() {
      const { table, properties } = await published(server, "key text PRIMARY KEY, data bytea");
      const pool = new Pool({ connectionString: server.url, max: 1 });
      pool.on("error", () => {});
      endAfterTest(() => pool.end());
      const send = async (data: Uint8Array, key: string): Promise<void> => {
        const sql = `INSERT INTO ${table} VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET data = $2`;
        // The server may have restarted since.
        const write = () => pool.query(sql, [key, Buffer.from(data)]);
        await write().catch(write);
      };
      return {
        properties,
        send,
        async sendMarked() {
          await send(Buffer.from("x"), "key");
          return ({ metadata, headers }) => {
            expect(metadata).toMatchObject({ operation: "insert", schema: "public", table });
            expect(Object.keys(metadata).toSorted()).toEqual([
              ...["commitLsn", "commitTime", "lsn", "operation", "schema", "table"],
              "transactionId",
            ]);
            expect(headers).toEqual([]);
          };
        },
      };
    },
  };
}

function columnOf(event: InboundEvent): InboundEvent {
  const change = JSON.parse(Buffer.from(event.data ?? []).toString()) as {
    after: { data: string };
  };
  return { ...event, data: Buffer.from(change.after.data, "base64") };
}
