import type { ServerHttp2Stream } from "node:http2";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FrameSplitter } from "../../wire/frames.ts";
import { grpcFrame } from "../../wire/grpc.ts";
import { type MessageStore, type StoredMessage, storeOf } from "./message-store.ts";

const head = { ":status": 200, "content-type": "application/grpc" } as const;
const mostInAnswer = 100;
/** Told when something was acknowledged: then there is room in the streams. */
const roomCame = new Map<MessageStore, () => void>();

/** A call of `google.pubsub.v1`. */
export function answerPubsub(stream: ServerHttp2Stream, path: string): void {
  stream.on("error", () => {});
  const method = path.replace(/^.*\//, "");
  if (method === "StreamingPull") return pull(stream);
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => {
    const answer = answerUnary(method, Buffer.concat(chunks).subarray(5));
    if (answer === undefined) {
      stream.respond({ ...head, "grpc-status": "12" }, { endStream: true });
      return;
    }
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.respond(head, { waitForTrailers: true });
    stream.end(grpcFrame(answer));
  });
}

function answerUnary(method: string, request: Uint8Array): Uint8Array | undefined {
  const { 1: names = [], 2: second = [], 4: fourth = [], 3: third = [] } = read(request);
  const name = String(names[0] ?? "");
  const store = storeOf(name.replace(/^.*\//, ""));
  if (method === "Acknowledge") for (const id of second) store.delete(String(id));
  else if (method === "ModifyAckDeadline") {
    // A deadline of 0, which is not written, gives back.
    if (third.length === 0) for (const id of fourth) store.giveBack(String(id));
  } else if (method === "GetTopic" || method === "GetSubscription") return described(name);
  else return undefined;
  roomCame.get(store)?.();
  return new Uint8Array();
}

/** Topic or Subscription: both have their name first. */
function described(name: string): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(name);
  return writer.finish();
}

/** Gives a stream what there is, as far as it was allowed to have out. */
function pull(stream: ServerHttp2Stream): void {
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.respond(head, { waitForTrailers: true });
  const frames = new FrameSplitter();
  stream.on("data", (chunk: Buffer) =>
    frames.push(chunk, (bytes, start, end) => {
      const { 1: names, 7: most = [0] } = read(bytes.subarray(start, end));
      if (names === undefined) return;
      const store = storeOf(String(names[0]).replace(/^.*\//, ""));
      const isOver = (): boolean => stream.destroyed || stream.writableEnded;
      const give = (): void => {
        while (!isOver() && !stream.writableNeedDrain) {
          const room = (Number(most[0]) || mostInAnswer) - store.out;
          const messages = store.take(Math.min(room, mostInAnswer));
          if (messages.length === 0) return;
          stream.write(grpcFrame(written(messages)));
        }
      };
      stream.on("drain", give);
      roomCame.set(store, give);
      const forget = store.onMessages(give);
      stream.on("close", forget);
      give();
    }),
  );
  stream.on("end", () => stream.end());
}

/** StreamingPullResponse. */
function written(messages: readonly StoredMessage[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const { id, payload } of messages) {
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(id);
    writer.tag(2, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).bytes(payload);
    writer.tag(3, WireType.LengthDelimited).string(id);
    writer.tag(4, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.Varint).int64(1_700_000_000);
    writer.join().join().join();
  }
  return writer.finish();
}

/** The fields of a message, texts and numbers alone. */
function read(bytes: Uint8Array): Partial<Record<number, (string | number)[]>> {
  const reader = new BinaryReader(bytes);
  const found: Partial<Record<number, (string | number)[]>> = {};
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === WireType.LengthDelimited) (found[field] ??= []).push(reader.string());
    else if (type === WireType.Varint) (found[field] ??= []).push(Number(reader.int64()));
    else reader.skip(type, field);
  }
  return found;
}
