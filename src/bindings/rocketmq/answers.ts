import { decode, milliseconds } from "./protobuf.ts";
import type { Address, Queue } from "./requests.ts";

/** The messages of `apache.rocketmq.v2` that come, with the numbers of its published definition. */

/** A code of RocketMQ's own, and its text. */
export type Status = { readonly code: number; readonly message: string };

export const statusCodes = {
  ok: 20_000,
  multipleResults: 30_000,
  invalidReceipt: 40_013,
  unauthorized: 40_100,
  forbidden: 40_300,
  messageNotFound: 40_401,
  topicNotFound: 40_402,
  groupNotFound: 40_403,
} as const;

export type Incoming = {
  readonly topic: string;
  readonly id: string;
  readonly body: Uint8Array;
  readonly properties: readonly (readonly [name: string, value: string])[];
  readonly tag: string;
  readonly keys: readonly string[];
  readonly group: string;
  readonly receipt: string;
  /** Milliseconds. 0: not told. */
  readonly invisible: number;
  readonly bornAt: number;
  readonly storedAt: number;
  readonly bornHost: string;
  readonly queue: number;
  readonly offset: string;
  readonly attempt: number;
  readonly trace: string;
  readonly isGzipped: boolean;
  readonly digest: { readonly type: number; readonly checksum: string } | undefined;
};

export type Received = { readonly status: Status } | { readonly message: Incoming } | undefined;

const nothing = new Uint8Array();

function statusOf(bytes: Uint8Array): Status {
  let code = 0;
  let message = "";
  decode(bytes, (number, reader) => {
    if (number === 1) code = reader.int32();
    else if (number === 2) message = reader.string();
  });
  return { code, message };
}

/** The first field of most answers. */
export function answerStatus(bytes: Uint8Array): Status {
  let status: Status = { code: 0, message: "the answer has no status" };
  decode(bytes, (number, reader) => {
    if (number === 1) status = statusOf(reader.bytes());
  });
  return status;
}

function nameOf(bytes: Uint8Array): string {
  let name = "";
  decode(bytes, (number, reader) => {
    if (number === 2) name = reader.string();
  });
  return name;
}

/** QueryRouteResponse. */
export function routeAnswer(bytes: Uint8Array): readonly Queue[] {
  const queues: Queue[] = [];
  decode(bytes, (number, reader) => {
    if (number === 2) queues.push(queueOf(reader.bytes()));
  });
  return queues;
}

function queueOf(bytes: Uint8Array): Queue {
  let id = 0;
  let permission = 0;
  let broker: Pick<Queue, "broker" | "brokerId" | "addresses"> = {
    ...{ broker: "", brokerId: 0, addresses: [] },
  };
  const accepts: number[] = [];
  decode(bytes, (number, reader) => {
    if (number === 2) id = reader.int32();
    else if (number === 3) permission = reader.int32();
    else if (number === 4) broker = brokerOf(reader.bytes());
    else if (number === 5) {
      // A repeated number comes packed.
      const end = reader.uint32() + reader.pos;
      while (reader.pos < end) accepts.push(reader.int32());
    }
  });
  const isReadable = permission === 2 || permission === 4;
  return { ...broker, id, accepts, isReadable, isWritable: permission >= 3 };
}

function brokerOf(bytes: Uint8Array): Pick<Queue, "broker" | "brokerId" | "addresses"> {
  let broker = "";
  let brokerId = 0;
  const addresses: Address[] = [];
  decode(bytes, (number, reader) => {
    if (number === 1) broker = reader.string();
    else if (number === 2) brokerId = reader.int32();
    else if (number === 3)
      decode(reader.bytes(), (inner, list) => {
        if (inner === 2) addresses.push(addressOf(list.bytes()));
      });
  });
  return { broker, brokerId, addresses };
}

function addressOf(bytes: Uint8Array): Address {
  let host = "";
  let port = 0;
  decode(bytes, (number, reader) => {
    if (number === 1) host = reader.string();
    else if (number === 2) port = reader.int32();
  });
  return { host, port };
}

/** ReceiveMessageResponse; `undefined`: something else. */
export function receivedAnswer(bytes: Uint8Array): Received {
  let received: Received;
  decode(bytes, (number, reader) => {
    if (number === 1) received = { status: statusOf(reader.bytes()) };
    else if (number === 2) received = { message: messageOf(reader.bytes()) };
  });
  return received;
}

/** AckMessageResponse: the status of each entry, by its receipt; `undefined`: not told. */
export function ackAnswer(bytes: Uint8Array): ReadonlyMap<string, Status> {
  const entries = new Map<string, Status>();
  decode(bytes, (number, reader) => {
    if (number !== 2) return;
    let receipt = "";
    let status: Status | undefined;
    decode(reader.bytes(), (field, inner) => {
      if (field === 2) receipt = inner.string();
      else if (field === 3) status = statusOf(inner.bytes());
    });
    if (status !== undefined) entries.set(receipt, status);
  });
  return entries;
}

/** ChangeInvisibleDurationResponse: the receipt that counts from now on. */
export function invisibleAnswer(bytes: Uint8Array): string {
  return nameOf(bytes);
}

/** SendMessageResponse: what became of its one message. */
export function sendAnswer(bytes: Uint8Array): { readonly status: Status; readonly id: string } {
  let status: Status | undefined;
  let id = "";
  decode(bytes, (number, reader) => {
    if (number !== 2) return;
    decode(reader.bytes(), (field, inner) => {
      if (field === 1) status = statusOf(inner.bytes());
      else if (field === 2) id = inner.string();
    });
  });
  return { status: status ?? answerStatus(bytes), id };
}

/** TelemetryCommand: whether it is the server's settings, or what it says is wrong. */
export function telemetryAnswer(bytes: Uint8Array): {
  readonly status: Status | undefined;
  readonly hasSettings: boolean;
} {
  let status: Status | undefined;
  let hasSettings = false;
  decode(bytes, (number, reader) => {
    if (number === 1) status = statusOf(reader.bytes());
    else if (number === 2) hasSettings = true;
  });
  return { status, hasSettings };
}

function messageOf(bytes: Uint8Array): Incoming {
  let topic = "";
  let body: Uint8Array = nothing;
  let system: Uint8Array = nothing;
  const properties: [string, string][] = [];
  decode(bytes, (number, reader) => {
    if (number === 1) topic = nameOf(reader.bytes());
    else if (number === 2) properties.push(pairOf(reader.bytes()));
    else if (number === 3) system = reader.bytes();
    else if (number === 4) body = reader.bytes();
  });
  return { topic, body, properties, ...systemOf(system) };
}

function pairOf(bytes: Uint8Array): [string, string] {
  const pair: [string, string] = ["", ""];
  decode(bytes, (number, reader) => {
    if (number === 1 || number === 2) pair[number - 1] = reader.string();
  });
  return pair;
}

type System = Omit<Incoming, "topic" | "body" | "properties">;
type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

function systemOf(bytes: Uint8Array): System {
  const keys: string[] = [];
  const system: Mutable<System> = {
    ...{ id: "", tag: "", keys, group: "", receipt: "", invisible: 0, bornAt: 0, storedAt: 0 },
    ...{ bornHost: "", queue: 0, offset: "", attempt: 0, trace: "" },
    ...{ isGzipped: false, digest: undefined },
  };
  decode(bytes, (number, reader) => {
    if (number === 1) system.tag = reader.string();
    else if (number === 2) keys.push(reader.string());
    else if (number === 3) system.id = reader.string();
    else if (number === 4) system.digest = digestOf(reader.bytes());
    else if (number === 5) system.isGzipped = reader.int32() === 2;
    else if (number === 7) system.bornAt = milliseconds(reader.bytes());
    else if (number === 8) system.bornHost = reader.string();
    else if (number === 9) system.storedAt = milliseconds(reader.bytes());
    else if (number === 12) system.receipt = reader.string();
    else if (number === 13) system.queue = reader.int32();
    else if (number === 14) system.offset = String(reader.int64());
    else if (number === 15) system.invisible = milliseconds(reader.bytes());
    else if (number === 16) system.attempt = reader.int32();
    else if (number === 17) system.group = reader.string();
    else if (number === 18) system.trace = reader.string();
  });
  return system;
}

function digestOf(bytes: Uint8Array): Incoming["digest"] {
  let type = 0;
  let checksum = "";
  decode(bytes, (number, reader) => {
    if (number === 1) type = reader.int32();
    else if (number === 2) checksum = reader.string();
  });
  return { type, checksum };
}
