import { expect } from "vitest";
import amqp from "../../../src/bindings/amqp/index.ts";
import { uniqueName } from "../../servers/describe-with.ts";
import type { Source } from "../contract.ts";
import { bytes, connectPeer, rhea, type Peer } from "./peer.ts";

const notText = Uint8Array.of(0, 255, 254, 128);

/** A queue of Artemis; with `linkCredit: 1`, all of it in order. */
export function amqpSource(server: { readonly url: string }, kind: "group" | "one"): Source {
  return {
    binding: amqp,
    largest: 2 ** 20,
    ordered:
      kind === "one"
        ? { properties: { linkCredit: "1" }, keys: ["all"] }
        : { properties: {}, keys: ["a", "b", "c", "d", "e"] },
    async place() {
      const address = uniqueName("orders");
      let peer: Peer = await connectPeer(server.url);
      const send = async (message: object): Promise<void> => {
        try {
          await peer.send(address, message);
        } catch {
          // The server has restarted since.
          peer = await connectPeer(server.url);
          await peer.send(address, message);
        }
      };
      return {
        properties: { url: server.url, address, capability: "queue" },
        send: (data, key) => send({ body: bytes(data), group_id: key }),
        async sendMarked() {
          await send({
            body: bytes("x"),
            message_id: "m-1",
            correlation_id: 17,
            content_type: "text/x",
            subject: "order.created",
            reply_to: "answers",
            creation_time: new Date(1_700_000_000_123),
            priority: 7,
            message_annotations: { "x-opt-place": "here" },
            application_properties: {
              text: "grün",
              bytes: Buffer.from(notText),
              number: 7,
              long: rhea.types.wrap_long(Buffer.from("7fffffffffffffff", "hex")),
              flag: true,
              nothing: null,
            },
          });
          return ({ metadata, headers }) => {
            expect(metadata).toMatchObject({
              address,
              messageId: "m-1",
              correlationId: "17",
              correlationIdType: "ulong",
              contentType: "text/x",
              subject: "order.created",
              replyTo: "answers",
              creationTime: "2023-11-14T22:13:20.123Z",
              priority: "7",
              bodyType: "data",
              "annotation:x-opt-place": "here",
            });
            const values = new Map(headers.map(({ name, value }) => [name, Buffer.from(value)]));
            expect(Object.fromEntries(values)).toEqual({
              text: Buffer.from("grün"),
              bytes: Buffer.from(notText),
              number: Buffer.from("7"),
              long: Buffer.from("9223372036854775807"),
              flag: Buffer.from("true"),
              nothing: Buffer.from("null"),
            });
          };
        },
      };
    },
  };
}
