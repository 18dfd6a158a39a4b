import * as fc from "fast-check";
import { http2Frame } from "../../grpc/http2-frame.ts";
import { mutate, mutations, someBytes, type Mutation } from "../mutation.ts";
import { written, type Piece } from "./pieces.ts";

/** A header field, or an index of HPACK's tables, as it stands in a block. */
export type BlockField =
  | {
      readonly name: string;
      readonly value: string;
      /** The bits of RFC 7541 6.2. */
      readonly pattern: 0x40 | 0 | 0x10;
      readonly isHuffman: boolean;
    }
  | { readonly index: number };

/** A stream: the next one, one of those that were opened before, or one by its id. */
export type StreamChoice = "new" | { readonly open: number } | { readonly id: number };

export type FrameInput =
  | {
      readonly kind: "headers";
      readonly stream: StreamChoice;
      readonly fields: readonly BlockField[];
      readonly isLast: boolean;
      /** CONTINUATION frames behind it. */
      readonly continuations: number;
      readonly padding: number | undefined;
      readonly dependency: number | undefined;
    }
  | {
      readonly kind: "data";
      readonly stream: StreamChoice;
      readonly length: number;
      readonly isLast: boolean;
      readonly padding: number | undefined;
    }
  | {
      readonly kind: "frame";
      readonly type: number;
      readonly flags: number;
      readonly stream: StreamChoice;
      readonly payload: Uint8Array;
    };

/** What the side under test is made to do at the end of a phase, on a stream that is open. */
export type Act = {
  readonly stream: StreamChoice;
  readonly act: "answer" | "answerBody" | "reset";
};

export type Phase = {
  readonly frames: readonly FrameInput[];
  readonly changes: readonly Mutation[];
  readonly acts: readonly Act[];
};

export type ConnectionInput = {
  readonly phases: readonly Phase[];
  /** Where what is sent is cut into packets: shares of its length, in ten-thousandths. */
  readonly cuts: readonly number[];
  readonly isByteByByte: boolean;
};

const byId = fc
  .oneof(fc.constantFrom(1, 3, 5, 7, 9), fc.constantFrom(0, 2, 4, 0x7fff_ffff))
  .map((id): StreamChoice => ({ id }));
const opened = fc.nat(29).map((open): StreamChoice => ({ open }));
/** Mostly streams that are there. */
const stream = fc.oneof({ weight: 30, arbitrary: opened }, { weight: 1, arbitrary: byId });
const mostlyNew = fc.oneof(
  { weight: 30, arbitrary: fc.constant<StreamChoice>("new") },
  { weight: 1, arbitrary: stream },
);

function field(fields: fc.Arbitrary<readonly [string, string]>): fc.Arbitrary<BlockField> {
  return fc
    .tuple(fields, fc.constantFrom<(0x40 | 0 | 0x10)[]>(0x40, 0x40, 0, 0x10), fc.boolean())
    .map(([[name, value], pattern, isHuffman]) => ({ name, value, pattern, isHuffman }));
}

const common = fc.constantFrom<(readonly [string, string])[]>(
  ["x-own", "1"],
  ["x-own", "2"],
  ["x-bin", "\u00ff\u0080"],
  ["x-empty", ""],
  ["te", "trailers"],
  ["content-type", "application/grpc"],
  ["cookie", "a=1"],
  ["cookie", "b=2"],
  ["content-length", "5"],
  ["content-length", "0"],
  ["host", "x"],
  ["x-big", "x".repeat(3000)],
);

const odd = fc.oneof(
  fc.constantFrom<(readonly [string, string])[]>(
    ["connection", "close"],
    ["keep-alive", "5"],
    ["proxy-connection", "close"],
    ["transfer-encoding", "chunked"],
    ["upgrade", "h2c"],
    ["te", "gzip"],
    ["X-Upper", "1"],
    ["", "1"],
    ["x own", "1"],
    ["x:own", "1"],
    ["x-own", " 1"],
    ["x-own", "1\t"],
    ["x-own", "a\nb"],
    ["x-own", "a\r\nb: c"],
    ["x-own", "a\0b"],
    ["x-own", "a\u0001b"],
    ["x-own", "\u007f"],
    ["host", "y"],
    ["content-length", "6"],
    ["content-length", "-1"],
    ["content-length", "5, 5"],
    ["content-length", ""],
    [":path", "/"],
    [":path", ""],
    [":path", "x"],
    [":path", "*"],
    [":path", "/a b"],
    [":path", "/a\u0001"],
    [":method", "GET"],
    [":method", "CONNECT"],
    [":method", "OPTIONS"],
    [":method", "HEAD"],
    [":method", "G T"],
    [":method", ""],
    [":scheme", "https"],
    [":scheme", ""],
    [":scheme", "1"],
    [":authority", "x"],
    [":authority", ""],
    [":authority", "a b"],
    [":authority", "u@x"],
    [":status", "200"],
    [":status", "204"],
    [":status", "100"],
    [":status", "101"],
    [":status", "2xx"],
    [":status", ""],
    [":protocol", "websocket"],
    [":unknown", "1"],
  ),
  fc.tuple(
    someBytes.map((bytes) => Buffer.from(bytes).toString("latin1")),
    someBytes.map((bytes) => Buffer.from(bytes).toString("latin1")),
  ),
);

type Edit = { readonly kind: "remove" | "double" | "insert" | "swap"; readonly at: number };

/** A head that is right, mostly, and then changed a little. */
function head(right: readonly (readonly [string, string])[]): fc.Arbitrary<BlockField[]> {
  const edit = fc.record({
    kind: fc.constantFrom<Edit["kind"][]>("remove", "double", "insert", "insert", "swap"),
    at: fc.nat(20),
    field: fc.oneof(
      { weight: 8, arbitrary: field(odd) },
      { weight: 1, arbitrary: fc.nat(75).map((index) => ({ index })) },
    ),
  });
  return fc
    .tuple(
      fc.tuple(...right.map((one) => field(fc.constant(one)))),
      fc.array(field(common), { maxLength: 3 }),
      fc.oneof(
        { weight: 3, arbitrary: fc.constant([]) },
        fc.array(edit, { minLength: 1, maxLength: 2 }),
      ),
    )
    .map(([first, more, edits]) => {
      const fields = [...first, ...more];
      for (const { kind, at, field: one } of edits) {
        const place = at % (fields.length + 1);
        const [there] = fields.slice(place);
        if (kind === "insert") fields.splice(place, 0, one);
        else if (there === undefined) continue;
        else if (kind === "double") fields.splice(place, 0, there);
        else fields.splice(place, 1);
        if (kind === "swap" && there !== undefined) fields.unshift(there);
      }
      return fields;
    });
}

function headers(
  of: fc.Arbitrary<StreamChoice>,
  fields: fc.Arbitrary<BlockField[]>,
): fc.Arbitrary<FrameInput> {
  return fc.record({
    kind: fc.constant("headers" as const),
    stream: of,
    fields,
    isLast: fc.boolean(),
    continuations: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, fc.nat(3)),
    padding: fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, fc.nat(255)),
    dependency: fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, fc.nat(12)),
  });
}

const data: fc.Arbitrary<FrameInput> = fc.record({
  kind: fc.constant("data" as const),
  stream,
  length: fc.oneof(fc.constantFrom(0, 5, 6), fc.nat(20), fc.nat(20_000)),
  isLast: fc.boolean(),
  padding: fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, fc.nat(255)),
});

function frame(
  type: number,
  flags: fc.Arbitrary<number>,
  of: fc.Arbitrary<StreamChoice>,
  payload: fc.Arbitrary<Uint8Array>,
): fc.Arbitrary<FrameInput> {
  return fc.record({
    kind: fc.constant("frame" as const),
    type: fc.constant(type),
    flags,
    stream: of,
    payload,
  });
}

const none = fc.constant(0);
const connection = fc.constant<StreamChoice>({ id: 0 });
const uint32 = fc
  .oneof(fc.nat(13), fc.nat(70_000), fc.constantFrom(0x7fff_ffff, 0x8000_0000, 0xffff_ffff))
  .map(number32);
const setting = fc
  .tuple(
    fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 1, max: 6 }) }, fc.nat(20)),
    fc.oneof(
      fc.constantFrom(
        0,
        1,
        4096,
        16_383,
        16_384,
        65_535,
        2 ** 24 - 1,
        2 ** 24,
        2 ** 31 - 1,
        2 ** 31,
      ),
      fc.nat(100_000),
    ),
  )
  .map(([id, value]) => Buffer.concat([Buffer.from([id >> 8, id]), number32(value)]));
const settings = fc.array(setting, { maxLength: 4 }).map((list) => Buffer.concat(list));

/** Frames that are no call: SETTINGS and PING above all must not disturb calls. */
const control: fc.Arbitrary<FrameInput> = fc.oneof(
  { weight: 10, arbitrary: frame(3, none, stream, uint32) },
  { weight: 8, arbitrary: frame(4, none, connection, settings) },
  {
    weight: 1,
    arbitrary: frame(4, fc.constant(1), connection, fc.constant(Buffer.alloc(0))),
  },
  { weight: 6, arbitrary: frame(6, none, connection, fc.constant(Buffer.from("a ping.."))) },
  { weight: 6, arbitrary: frame(8, none, fc.oneof(connection, stream), uint32) },
  {
    weight: 6,
    arbitrary: frame(
      2,
      none,
      stream,
      fc.nat(9).map((dependency) => Buffer.concat([number32(dependency), Buffer.from([16])])),
    ),
  },
  {
    weight: 1,
    arbitrary: frame(
      7,
      none,
      connection,
      fc.tuple(fc.nat(9), uint32).map(([last, code]) => Buffer.concat([number32(last), code])),
    ),
  },
  { weight: 1, arbitrary: frame(9, fc.nat(4), stream, fc.uint8Array({ maxLength: 20 })) },
  {
    weight: 1,
    arbitrary: frame(5, fc.constant(4), stream, fc.constant(Buffer.from([0, 0, 0, 2]))),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(20), fc.nat(255), stream, fc.uint8Array({ maxLength: 30 }))
      .map(([type, flags, of, payload]) => ({
        kind: "frame" as const,
        type,
        flags,
        stream: of,
        payload,
      })),
  },
);

const trailers = head([["grpc-status", "0"]]);

/** What a client sends (`request`), or a server. */
export function connectionInput(side: "client" | "server"): fc.Arbitrary<ConnectionInput> {
  const first =
    side === "client"
      ? head([
          [":method", "POST"],
          [":scheme", "http"],
          [":path", "/a.B/C"],
          [":authority", "x"],
        ])
      : head([[":status", "200"]]);
  const one = fc.oneof(
    { weight: 6, arbitrary: headers(side === "client" ? mostlyNew : stream, first) },
    { weight: 2, arbitrary: headers(stream, trailers) },
    { weight: 5, arbitrary: data },
    { weight: 3, arbitrary: control },
  );
  const act = fc.record({
    stream: opened,
    act: fc.constantFrom<Act["act"][]>("answer", "answerBody", "reset"),
  });
  const phase = fc.record({
    frames: fc.array(one, { maxLength: 7 }),
    changes: fc.oneof({ weight: 6, arbitrary: fc.constant([]) }, mutations),
    acts: fc.array(act, { maxLength: 2 }),
  });
  return fc.record({
    phases: fc.array(phase, { minLength: 1, maxLength: 3 }),
    cuts: fc.array(fc.nat(9999), { maxLength: 4 }),
    isByteByByte: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
  });
}

/** The streams that an input has opened so far. */
export class OpenedStreams {
  readonly #ids: number[];
  readonly #ended = new Set<number>();

  constructor(ids: readonly number[]) {
    this.#ids = [...ids];
  }

  /** `isLast`: the sender says no more on it. `undefined`: there is no such stream. */
  id(choice: StreamChoice, isLast: boolean): number | undefined {
    const id = this.#chosen(choice);
    if (isLast && id !== undefined) this.#ended.add(id);
    return id;
  }

  /** One of all that were opened. */
  any(choice: StreamChoice): number | undefined {
    if (choice === "new" || "id" in choice) return undefined;
    return this.#ids[choice.open % this.#ids.length];
  }

  #chosen(choice: StreamChoice): number | undefined {
    if (choice === "new") {
      const id = this.#ids.length * 2 + 1;
      this.#ids.push(id);
      return id;
    }
    if ("id" in choice) return choice.id;
    const { open } = choice;
    // One that has ended is chosen seldom: connections end over it.
    const ids = open < 29 ? this.#ids.filter((id) => !this.#ended.has(id)) : this.#ids;
    return ids[open % ids.length];
  }
}

/** Of one phase, in bytes. */
const mostBytes = 100_000;

/** The bytes of a phase, whose last frame is whole: what is missing of it is added. */
export function phaseBytes({ frames, changes }: Phase, streams: OpenedStreams): Buffer {
  const all = frames.flatMap((one) => {
    const id = streams.id(one.stream, endsStream(one));
    return id === undefined ? [] : frameBytes(one, id);
  });
  const bytes = mutate(Buffer.concat(all), changes).subarray(0, mostBytes);
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < 9) return bytes.subarray(0, at);
    at += 9 + bytes.readUIntBE(at, 3);
  }
  // A frame that is larger than allowed ends the connection without its rest.
  return Buffer.concat([bytes, Buffer.alloc(Math.min(at - bytes.length, mostBytes))]);
}

function endsStream(input: FrameInput): boolean {
  return input.kind === "frame" ? input.type === 3 : input.isLast;
}

function frameBytes(input: FrameInput, of: number): Buffer[] {
  if (input.kind === "frame")
    return [http2Frame({ type: input.type, flags: input.flags, stream: of }, input.payload)];
  const { isLast, padding } = input;
  const flags = (isLast ? 1 : 0) | (padding === undefined ? 0 : 8);
  const before: Buffer[] = padding === undefined ? [] : [Buffer.from([padding])];
  const behind = Buffer.alloc(padding ?? 0);
  if (input.kind === "data") {
    const body = Buffer.alloc(input.length, "data");
    return [http2Frame({ type: 0, flags, stream: of }, Buffer.concat([...before, body, behind]))];
  }
  const { continuations, dependency, fields } = input;
  const block = Buffer.concat(fields.flatMap(fieldPieces).map(written));
  const step = Math.ceil(block.length / (continuations + 1));
  const parts = Array.from({ length: continuations + 1 }, (_, index) =>
    block.subarray(index * step, (index + 1) * step),
  );
  if (dependency !== undefined) before.push(number32(dependency), Buffer.from([16]));
  return parts.map((part, index) => {
    const end = index === continuations ? 4 : 0;
    if (index > 0) return http2Frame({ type: 9, flags: end, stream: of }, part);
    const all = flags | end | (dependency === undefined ? 0 : 0x20);
    return http2Frame(
      { type: 1, flags: all, stream: of },
      Buffer.concat([...before, part, behind]),
    );
  });
}

function fieldPieces(one: BlockField): Piece[] {
  if ("index" in one) return [{ as: "number", pattern: 0x80, prefix: 7, value: one.index }];
  const { name, value, pattern, isHuffman } = one;
  return [
    { as: "number", pattern, prefix: pattern === 0x40 ? 6 : 4, value: 0 },
    { as: "text", text: name, isHuffman },
    { as: "text", text: value, isHuffman },
  ];
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
