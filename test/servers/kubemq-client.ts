import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { GrpcClient } from "../../src/grpc/client.ts";

type Server = { readonly host: string; readonly port: number };

/** A client of KubeMQ's queues, which takes a restart of it between two calls. */
export function kubemqClient({ host, port }: Server, token?: string) {
  const client = new GrpcClient({ host, port, lazy: true });
  const headers = token === undefined ? {} : { authorization: token };
  const options = { headers, waitForConnection: true, timeout: 10_000 };
  return {
    close: () => client.close(),
    async send(
      channel: string,
      body: Uint8Array | string,
      tags: Readonly<Record<string, string>> = {},
    ): Promise<void> {
      const writer = new BinaryWriter();
      writer.tag(3, WireType.LengthDelimited).string(channel);
      // One without a body has metadata.
      writer.tag(4, WireType.LengthDelimited).string("-");
      writer.tag(5, WireType.LengthDelimited).bytes(Buffer.from(body));
      for (const [name, value] of Object.entries(tags)) {
        writer.tag(6, WireType.LengthDelimited).fork();
        writer.tag(1, WireType.LengthDelimited).string(name);
        writer.tag(2, WireType.LengthDelimited).string(value).join();
      }
      const path = "/kubemq.kubemq/SendQueueMessage";
      const result = await client.unary(path, writer.finish(), options);
      if (result.kind !== "ok") throw new Error(JSON.stringify(result));
    },
    /** Takes what the queue has now for good. */
    async receive(channel: string): Promise<Buffer[]> {
      const writer = new BinaryWriter();
      writer.tag(1, WireType.LengthDelimited).string("1");
      writer.tag(2, WireType.LengthDelimited).string("peer");
      writer.tag(3, WireType.Varint).int32(1);
      writer.tag(4, WireType.LengthDelimited).string(channel);
      writer.tag(5, WireType.Varint).int32(10_000);
      writer.tag(6, WireType.Varint).int32(1);
      writer.tag(7, WireType.Varint).bool(true);
      const answered = Promise.withResolvers<void>();
      const stream = client.stream(
        "/kubemq.kubemq/QueuesDownstream",
        (async function* () {
          yield writer.finish();
          await answered.promise;
        })(),
        options,
      );
      for await (const message of stream.messages) {
        answered.resolve();
        return lists(message, 4).map((one) => Buffer.from(lists(one, 5)[0] ?? []));
      }
      return [];
    },
  };
}

function lists(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted) found.push(reader.bytes());
    else reader.skip(type, field);
  }
  return found;
}
