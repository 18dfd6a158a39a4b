import { connect, createInbox, headers, type NatsConnection } from "@nats-io/transport-node";
import { expect } from "vitest";
import nats from "../../../src/bindings/nats/index.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { endAfterTest, type Source } from "../contract.ts";

type Server = { readonly host: string; readonly port: number; readonly url: string };

/** Another program's client of the server, which takes a restart of it between two calls. */
export function natsClient({ host, port }: Server) {
  let connection: Promise<NatsConnection> | undefined;
  const opened = (): Promise<NatsConnection> =>
    (connection ??= connect({ servers: `${host}:${port}`, reconnect: false }));
  const run = async <T>(work: (client: NatsConnection) => Promise<T>): Promise<T> => {
    try {
      return await work(await opened());
    } catch (error) {
      if ((await connection?.catch(() => undefined))?.isClosed() === false) throw error;
      // The server has restarted since.
      connection = undefined;
      return work(await opened());
    }
  };
  endAfterTest(async () => (await connection?.catch(() => undefined))?.close());
  return {
    run,
    async api(subject: string, body: object = {}): Promise<Record<string, unknown>> {
      const answer = await run((client) =>
        client.request(`$JS.API.${subject}`, JSON.stringify(body), { timeout: 10_000 }),
      );
      const result = answer.json<Record<string, unknown>>();
      if (result["error"] !== undefined) throw new Error(JSON.stringify(result["error"]));
      return result;
    },
    /** Resolves once a stream has it. */
    async store(subject: string, data: Uint8Array | string, more = headers()): Promise<number> {
      const answer = await run((client) =>
        client.request(subject, data, { headers: more, timeout: 10_000 }),
      );
      return answer.json<{ seq: number }>().seq;
    },
  };
}

export type NatsClient = ReturnType<typeof natsClient>;

/** A stream of its own that takes all subjects beneath its name. */
export async function makeStream(client: NatsClient, more: object = {}): Promise<string> {
  const stream = uniqueName("ORDERS").replaceAll(/[^\w-]/g, "-");
  const config = { name: stream, subjects: [`${stream}.>`], storage: "file", ...more };
  await client.api(`STREAM.CREATE.${stream}`, config);
  return stream;
}

export function natsSource(server: Server): Source {
  return {
    binding: nats,
    // The server takes 1 MiB with headers and all.
    largest: 2 ** 20,
    ordered: { properties: {}, keys: ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] },
    async place() {
      const client = natsClient(server);
      const stream = await makeStream(client);
      const store = (key: string, data: Uint8Array): Promise<void> =>
        client.run(async (connection) => {
          await connection.request(`${stream}.${key}`, data, { timeout: 10_000 });
        });
      return {
        properties: {
          servers: server.url,
          ...{ stream, consumer: "shop", startFrom: "oldest", ackWait: "2s" },
        },
        send: (data, key) => store(key, data),
        async sendMarked() {
          const subject = `${stream}.grün`;
          const inbox = createInbox();
          const block = Buffer.concat([
            Buffer.from(
              "NATS/1.0\r\nNats-Msg-Id: m-1\r\nrepeat: one\r\nRepeat: two\r\nrepeat: three\r\n",
            ),
            Buffer.from("text: gr"),
            Buffer.of(0xfc, 0xff),
            Buffer.from("\r\nempty: \r\n\r\n"),
          ]);
          await client.run(async (connection) => {
            // The driver would write text only.
            const more = Object.assign(headers(), { encode: () => block });
            const answer = Promise.withResolvers<void>();
            const answers = connection.subscribe(inbox, {
              max: 1,
              callback: () => answer.resolve(),
            });
            connection.publish(subject, "x", { headers: more, reply: answers.getSubject() });
            await answer.promise;
          });
          return ({ metadata, headers: came, id }) => {
            expect(metadata).toMatchObject({
              ...{ subject, stream, consumer: "shop", sequence: "1", consumerSequence: "1" },
              ...{ deliveries: "1", pending: "0" },
              timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/),
            });
            expect(id).toBe("m-1");
            expect(came.map(({ name, value }) => [name, Buffer.from(value)])).toEqual([
              ["Nats-Msg-Id", Buffer.from("m-1")],
              ["repeat", Buffer.from("one")],
              ["Repeat", Buffer.from("two")],
              ["repeat", Buffer.from("three")],
              ["text", Buffer.from([0x67, 0x72, 0xfc, 0xff])],
              ["empty", Buffer.alloc(0)],
            ]);
          };
        },
      };
    },
  };
}
