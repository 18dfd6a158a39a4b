import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ServerHttp2Stream,
} from "node:http2";
import {
  AppMessageSchema,
  EventBatchSchema,
  type AppMessage,
} from "../../../gen/cufflink/v1/event_streams_pb.ts";
import { ListInputBindingsResponseSchema } from "../../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { MessageReader } from "../../../src/grpc/message-reader.ts";
import { framed, startHttp2Server } from "../../grpc/http2-server.ts";
import { until } from "../../until.ts";
import { anyText, mutate, mutations, type Mutation } from "../mutation.ts";
import type { Target, Trial } from "../target.ts";
import { Settlements, startFixture, type Fixture } from "../fixture.ts";

/** What a hostile app does. A delivery's number is counted from the last that it got, mostly. */
type Act =
  | { readonly kind: "open" }
  | {
      readonly kind: "send";
      readonly message: Message;
      readonly changes: readonly Mutation[];
      readonly lie: number;
    }
  | { readonly kind: "end" }
  | { readonly kind: "reset" }
  | { readonly kind: "deliver"; readonly keys: readonly number[] }
  | { readonly kind: "wait" };

type Message = {
  readonly subscription:
    | { readonly bindings: readonly string[]; readonly orderedPipelining: boolean }
    | undefined;
  readonly credit: number;
  readonly handled: readonly number[];
  readonly settlements: readonly Settled[];
};

type Settled = {
  readonly delivery: number;
  readonly how: string;
  readonly text: string;
  readonly seconds: bigint;
  readonly nanos: number;
};

type Input = { readonly acts: readonly Act[] };

const delivery = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 0xffff_ffff, 77) },
);
const settled: fc.Arbitrary<Settled> = fc.record({
  delivery,
  how: fc.constantFrom("handled", "retry", "deadLetter", "drop", "notAttempted", "none"),
  text: anyText(20),
  seconds: fc.constantFrom(0n, -1n, -9223372036854775808n),
  nanos: fc.constantFrom(0, 1, 5_000_000, -1, -2147483648),
});
const message: fc.Arbitrary<Message> = fc.record({
  subscription: fc.option(
    fc.record({
      bindings: fc.oneof(
        fc.constant([]),
        fc.constant(["orders"]),
        fc.array(anyText(5), { maxLength: 3 }),
      ),
      orderedPipelining: fc.boolean(),
    }),
    { nil: undefined },
  ),
  credit: fc.oneof(fc.nat(20), fc.constantFrom(0xffff_ffff, 0x8000_0000)),
  handled: fc.array(delivery, { maxLength: 5 }),
  settlements: fc.array(settled, { maxLength: 4 }),
});
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("open" as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      message,
      changes: fc.oneof(
        { weight: 5, arbitrary: fc.constant([]) },
        { weight: 1, arbitrary: mutations },
      ),
      lie: fc.oneof(
        { weight: 9, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.constantFrom(1, -1, 0xffff_fff0) },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Act>({ kind: "end" }, { kind: "reset" }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("deliver" as const),
      keys: fc.array(fc.nat(3), { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const) }) },
);
const acts = fc.record({ acts: fc.array(act, { minLength: 1, maxLength: 14 }) });
const firstSubscribed: fc.Arbitrary<Input> = acts.map((input) => ({
  acts: [
    { kind: "open" },
    {
      ...{ kind: "send", changes: [], lie: 0 },
      message: {
        subscription: { bindings: [], orderedPipelining: true },
        credit: 10,
        handled: [],
        settlements: [],
      },
    },
    { kind: "deliver", keys: [0, 0, 1] },
    { kind: "wait" },
    ...input.acts,
  ],
}));
const input = fc.oneof({ weight: 3, arbitrary: firstSubscribed }, { weight: 1, arbitrary: acts });

/** Either end of an HTTP/2 stream, as the app writes to it. */
type Wire = Pick<ClientHttp2Stream | ServerHttp2Stream, "destroyed" | "close"> & {
  write(bytes: Uint8Array): unknown;
  end(): unknown;
};

const subscribePath = "/cufflink.v1.Bindings/SubscribeBindings";

/** Apps that dial in and break every rule of the stream; then a good one gets all that is left. */
export const dialledIn: Target<Input> = {
  name: "streams-in",
  input,
  async start() {
    const fixture = await startFixture();
    const play = new Play(fixture);
    return {
      async check({ acts: list }) {
        const session = connect(`http://127.0.0.1:${fixture.port}`);
        session.on("error", () => undefined);
        try {
          await play.run(list, () => openStream(session));
        } finally {
          session.destroy();
        }
        await play.finish(() => goodApp(fixture.port));
      },
      [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
    };
  },
};

/** The same by an app that is dialled, whose unary answers are hostile too. */
export const dialledOut: Target<Input> = {
  name: "streams-out",
  input,
  start: startDialledOut,
};

async function startDialledOut(): Promise<Trial<Input>> {
  let good = true;
  let onStream: (stream: ServerHttp2Stream) => void = () => undefined;
  const server = await startHttp2Server(
    (call) => {
      if (call.path.endsWith("/ListInputBindings")) {
        const schema = ListInputBindingsResponseSchema;
        call.ok(toBinary(schema, create(schema, { bindings: ["orders"] })));
      } else if (good) call.ok(new Uint8Array());
      else call.fail(2, "no");
    },
    {
      onStream(stream, headers) {
        if (headers[":path"] !== "/cufflink.v1.AppCallback/OnBindingEvents") return false;
        onStream(stream);
        return true;
      },
    },
  );
  const fixture = await startFixture({ app: { protocol: "grpc", port: server.port } });
  const play = new Play(fixture);
  return {
    async check({ acts: list }) {
      good = false;
      const waiting: ServerHttp2Stream[] = [];
      onStream = (stream) => waiting.push(stream);
      for (const session of server.sessions) session.destroy();
      await play.run(list, async () => {
        await until(() => waiting.length > 0, { what: "a stream", within: 300 }).catch(
          () => undefined,
        );
        const stream = waiting.shift();
        stream?.respond({ ":status": 200, "content-type": "application/grpc" });
        return stream;
      });
      good = true;
      onStream = (stream) => {
        stream.respond({ ":status": 200, "content-type": "application/grpc" });
        handleAll(stream);
      };
      for (const session of server.sessions) session.destroy();
      await play.finish(async () => ({ end: () => undefined }));
    },
    async [Symbol.asyncDispose]() {
      await fixture[Symbol.asyncDispose]();
      await server.stop();
    },
  };
}

/** Plays acts against a world and looks at what became of the events. */
class Play {
  readonly #fixture: Fixture;
  #settlements = new Settlements();
  #count = 0;

  constructor(fixture: Fixture) {
    this.#fixture = fixture;
  }

  async run(
    list: readonly Act[],
    open: () => Promise<Wire | undefined> | Wire | undefined,
  ): Promise<void> {
    this.#settlements = new Settlements();
    let stream: Wire | undefined;
    for (const one of list) {
      if (one.kind === "open") stream = await open();
      else if (one.kind === "deliver") await this.#deliver(one.keys);
      else if (one.kind === "wait") await new Promise((resolve) => setTimeout(resolve, 3));
      else if (stream === undefined || stream.destroyed) continue;
      else if (one.kind === "end") stream.end();
      else if (one.kind === "reset") stream.close(8);
      else stream.write(bytesOf(one));
    }
  }

  /** All events that are left are handled by a good app, each once. */
  async finish(startGood: () => Promise<{ end: () => void }>): Promise<void> {
    const app = await startGood();
    try {
      await until(() => this.#settlements.open.length === 0, {
        what: () => `events ${this.#settlements.open.join(", ")} to be settled`,
        within: 15_000,
      });
    } finally {
      app.end();
    }
    this.#settlements.assertAllHandledOnce();
  }

  /** Does not wait for room, which a hostile app need not make. */
  async #deliver(keys: readonly number[]): Promise<void> {
    const reading = await Promise.race([
      this.#fixture.reading(),
      new Promise<undefined>((resolve) => setTimeout(resolve, 5, undefined)),
    ]);
    if (reading === undefined) return;
    const events = keys.map((key) => {
      const name = String(++this.#count);
      return this.#settlements.event(name, {
        ...{ data: Buffer.from(name), metadata: {}, headers: [], id: name },
        key: key === 0 ? undefined : `key ${key}`,
      });
    });
    void reading.deliver(events);
  }
}

function bytesOf({ message: content, changes, lie }: Act & { kind: "send" }): Buffer {
  const { subscription, credit, handled, settlements } = content;
  const encoded = toBinary(
    AppMessageSchema,
    create(AppMessageSchema, {
      ...(subscription && {
        subscription: {
          ...subscription,
          bindings: subscription.bindings.map((one) => one.toWellFormed()),
        },
      }),
      credit,
      handled: [...handled],
      settlements: settlements.map(settlementOf),
    }),
  );
  const bytes = framed(mutate(encoded, changes));
  if (lie !== 0) bytes.writeUInt32BE((bytes.readUInt32BE(1) + lie + 2 ** 32) % 2 ** 32, 1);
  return bytes;
}

type SettlementMessage = Pick<AppMessage["settlements"][number], "delivery" | "outcome">;

function settlementOf({ delivery: number, how, text, seconds, nanos }: Settled): SettlementMessage {
  const reason = text.toWellFormed();
  const after = { $typeName: "google.protobuf.Duration" as const, seconds, nanos };
  switch (how) {
    case "handled": {
      const reply = {
        to: [],
        parallel: false,
        storeName: "",
        contentType: "",
        states: [],
        data: Buffer.from(text),
      };
      return {
        delivery: number,
        outcome: { case: "handled", value: { $typeName: "cufflink.v1.Reply", ...reply } },
      };
    }
    case "retry":
      return {
        delivery: number,
        outcome: { case: "retry", value: { $typeName: "cufflink.v1.Retry", reason, after } },
      };
    case "deadLetter":
      return {
        delivery: number,
        outcome: { case: "deadLetter", value: { $typeName: "cufflink.v1.DeadLetter", reason } },
      };
    case "drop":
      return {
        delivery: number,
        outcome: { case: "drop", value: { $typeName: "cufflink.v1.Drop", reason } },
      };
    case "notAttempted":
      return {
        delivery: number,
        outcome: { case: "notAttempted", value: { $typeName: "cufflink.v1.NotAttempted" } },
      };
    default:
      return { delivery: number, outcome: { case: undefined } };
  }
}

function openStream(session: ClientHttp2Session): Wire | undefined {
  if (session.destroyed || session.closed) return undefined;
  const stream = session.request({
    ...{ ":method": "POST", ":path": subscribePath, te: "trailers" },
    "content-type": "application/grpc",
  });
  stream.on("error", () => undefined);
  stream.resume();
  return stream;
}

/** An app that handles whatever comes. */
async function goodApp(port: number): Promise<{ end: () => void }> {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  const stream = session.request({
    ...{ ":method": "POST", ":path": subscribePath, te: "trailers" },
    "content-type": "application/grpc",
  });
  handleAll(stream);
  return { end: () => session.destroy() };
}

function handleAll(stream: ClientHttp2Stream | ServerHttp2Stream): void {
  const send = (content: Parameters<typeof create<typeof AppMessageSchema>>[1]): void =>
    void stream.write(framed(toBinary(AppMessageSchema, create(AppMessageSchema, content))));
  const reader = new MessageReader(64 << 20, (bytes) => {
    const { events } = fromBinary(EventBatchSchema, bytes);
    send({ handled: events.map(({ delivery: number }) => number), credit: events.length });
  });
  stream.on("error", () => undefined);
  stream.on("data", (chunk: Buffer) => reader.push(chunk));
  send({ subscription: { bindings: [] }, credit: 100 });
}
