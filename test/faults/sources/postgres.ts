import { Client } from "pg";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";
import { toldIn } from "../told.ts";

/** The changes of a table. Each event is a transaction of its own: a new state of the row of its key. */
export const postgres: Source = {
  name: "postgres",
  bounds: { app: 64, runtime: 64, server: 64 },
  async opened(kit) {
    const server = await kit.servers.postgres(kit.ownServer);
    const proxy = await startProxy(server);
    const table = uniqueName("faults").replaceAll("-", "_");
    const [publication, slot] = [`pub_${table}`, `slot_${table}`];
    const user = kit.credentials ? `user_${table}` : "postgres";
    const password = kit.credentials ? "right" : "opensesame";
    const run = async (sql: string): Promise<void> => {
      const client = new Client(server.url);
      client.on("error", () => {});
      await client.connect();
      await client.query(sql).finally(() => client.end());
    };
    await run(
      `CREATE TABLE ${table} (key text PRIMARY KEY, sequence int, uuid text, "do" text); CREATE PUBLICATION ${publication} FOR TABLE ${table}`,
    );
    // What was committed before there is a slot is not for its reader.
    await run(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    if (kit.credentials) await run(`CREATE ROLE ${user} LOGIN REPLICATION PASSWORD '${password}'`);
    const { send, close } = sender(async () => {
      const client = new Client(server.url);
      client.on("error", () => {});
      await client.connect();
      return {
        async send(event) {
          const {
            key,
            sequence,
            uuid,
            do: wanted = "",
          } = toldIn(Buffer.from(JSON.stringify(event)));
          await client.query(
            `INSERT INTO ${table} VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO UPDATE SET sequence = $2, uuid = $3, "do" = $4`,
            [key, sequence, uuid, wanted],
          );
        },
        close: () => client.end(),
      };
    });
    const address = (place: string): string =>
      `postgres://${user}:${password}@${place}/postgres?sslmode=disable`;
    return {
      component: {
        ...{ name: "orders", type: "bindings.postgres" },
        metadata: {
          connectionString: address(`${proxy.host}:${proxy.port}`),
          ...{ publications: publication, slot, direction: "input" },
        },
      },
      ...{ ordered: true, server, proxy, send },
      unreachable: { connectionString: address(unreachableAddress) },
      credentials: {
        async revoke() {
          await run(`ALTER ROLE ${user} PASSWORD 'wrong'`);
          proxy.cut();
        },
        restore: () => run(`ALTER ROLE ${user} PASSWORD '${password}'`),
      },
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
        await run(
          `SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = '${slot}' AND active; SELECT pg_drop_replication_slot('${slot}')`,
        ).catch(() => {});
      },
    } satisfies OpenedSource;
  },
};
