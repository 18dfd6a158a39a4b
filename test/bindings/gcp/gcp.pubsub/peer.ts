import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { GrpcClient } from "../../../../src/grpc/client.ts";
import { uniqueName } from "../../../servers/unique-name.ts";
import { endAfterTest } from "../../contract.ts";

type Server = { readonly host: string; readonly port: number };
type Written = (writer: BinaryWriter) => void;

const text =
  (field: number, value: string): Written =>
  (writer) =>
    void writer.tag(field, WireType.LengthDelimited).string(value);
const number =
  (field: number, value: number): Written =>
  (writer) =>
    void writer.tag(field, WireType.Varint).int32(value);
const inside =
  (field: number, ...parts: readonly Written[]): Written =>
  (writer) =>
    void writer.tag(field, WireType.LengthDelimited).bytes(message(parts));

function message(parts: readonly Written[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const part of parts) part(writer);
  return writer.finish();
}

export type Sent = {
  readonly data?: Uint8Array | string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly orderingKey?: string;
};

export type SubscriptionSettings = {
  readonly ordered?: boolean;
  readonly exactlyOnce?: boolean;
  /** The topic where messages go that were delivered so often. */
  readonly deadLetters?: readonly [topic: string, attempts: number];
};

const plain = (value: string): string => value.replaceAll(/[^\w-]/g, "-");

/** Another program that uses a Pub/Sub server, which takes a restart of it between two calls. */
export function pubsubPeer({ host, port }: Server, token?: string) {
  const client = new GrpcClient({ host, port, lazy: true });
  endAfterTest(() => client.close());
  const call = async (method: string, ...parts: readonly Written[]): Promise<Uint8Array> => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const options = { headers, waitForConnection: true, timeout: 10_000 };
    const path = `/google.pubsub.v1.${method}`;
    const result = await client.unary(path, message(parts), options);
    if (result.kind === "ok") return result.message;
    throw new Error(`${method}: ${JSON.stringify(result)}`);
  };
  const makeTopic = async (): Promise<string> => {
    const topic = `projects/shop/topics/${plain(uniqueName("orders"))}`;
    await call("Publisher/CreateTopic", text(1, topic));
    return topic;
  };
  return {
    makeTopic,
    async makeSubscription(topic: string, settings: SubscriptionSettings = {}): Promise<string> {
      const subscription = topic.replace("/topics/", "/subscriptions/");
      const { ordered, exactlyOnce, deadLetters } = settings;
      await call(
        "Subscriber/CreateSubscription",
        ...[text(1, subscription), text(2, topic), number(5, 10)],
        ...(ordered ? [number(10, 1)] : []),
        ...(deadLetters ? [inside(13, text(1, deadLetters[0]), number(2, deadLetters[1]))] : []),
        ...(exactlyOnce ? [number(16, 1)] : []),
      );
      return subscription;
    },
    /** Marks all that it has as handled. */
    async purge(subscription: string): Promise<void> {
      const seconds = (writer: BinaryWriter): void =>
        void writer.tag(1, WireType.Varint).int64(Math.floor(Date.now() / 1000) + 1);
      await call("Subscriber/Seek", text(1, subscription), inside(2, seconds));
    },
    async remove(subscription: string): Promise<void> {
      await call("Subscriber/DeleteSubscription", text(1, subscription));
    },
    async publish(topic: string, sent: Sent): Promise<void> {
      const { data = "", attributes = {}, orderingKey = "" } = sent;
      await call(
        "Publisher/Publish",
        text(1, topic),
        inside(
          2,
          (writer) => void writer.tag(1, WireType.LengthDelimited).bytes(Buffer.from(data)),
          ...Object.entries(attributes).map(([name, value]) =>
            inside(2, text(1, name), text(2, value)),
          ),
          text(5, orderingKey),
        ),
      );
    },
    /** The messages that a subscription has: data, attributes and ordering key. They stay. */
    async pull(subscription: string, most = 1000): Promise<Required<Sent>[]> {
      const answer = await call("Subscriber/Pull", text(1, subscription), number(3, most));
      return lists(answer, 1).map((received) => {
        const [inner = new Uint8Array()] = lists(received, 2);
        const attributes = lists(inner, 2).map((pair) => [
          Buffer.from(lists(pair, 1)[0] ?? []).toString(),
          Buffer.from(lists(pair, 2)[0] ?? []).toString(),
        ]);
        return {
          data: lists(inner, 1)[0] ?? new Uint8Array(),
          attributes: Object.fromEntries(attributes) as Record<string, string>,
          orderingKey: Buffer.from(lists(inner, 5)[0] ?? []).toString(),
        };
      });
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
