import { inflateSync } from "node:zlib";
import { BindingError, messageOf } from "../../../errors.ts";
import type { Answered } from "../../../http-client/exchange.ts";
import { jsonMembers } from "../../../http-client/service-client.ts";
import { decodeLogGroups, type ReadLog } from "./log-group.ts";
import type { LogRequest, LogService } from "./log-service.ts";
import { unpackLz4 } from "./lz4.ts";

export type GroupPlace = {
  readonly project: string;
  readonly logstore: string;
  readonly group: string;
  readonly consumer: string;
};

/** What one request has read of a shard, and the cursor behind it. */
export type Batch = { readonly logs: readonly ReadLog[]; readonly next: string };

/** Where to read: at most so many log groups. */
export type Pull = {
  readonly cursor: string;
  readonly end: string | undefined;
  readonly count: number;
};

/** How long one request may take, in milliseconds. */
const requestTimeout = 30_000;
/** The most bytes of an unpacked answer: Log Service gives 10 MB at most. */
const largestBatch = 64 * 1024 * 1024;

/** One member of a consumer group: the requests that it makes. Each rejects with a `BindingError`; none is repeated. */
export class ConsumerGroup {
  readonly place: GroupPlace;
  readonly #service: LogService;

  constructor(service: LogService, place: GroupPlace) {
    this.#service = service;
    this.place = place;
  }

  /** Creates the group. One that exists stays as it is. `timeout`: in seconds. */
  async create(timeout: number, inOrder: boolean, signal: AbortSignal): Promise<void> {
    const { logstore, group } = this.place;
    const body = json({ consumerGroup: group, timeout, order: inOrder });
    const path = `/logstores/${logstore}/consumergroups`;
    try {
      await this.#ask({ method: "POST", path, body }, signal);
    } catch (error) {
      if (codeOf(error) !== "ConsumerGroupAlreadyExist") throw error;
    }
  }

  /** Says which shards it still works at, and resolves to those that are its own from now on. */
  async heartbeat(held: readonly number[], signal: AbortSignal): Promise<readonly number[]> {
    const query = { type: "heartbeat", consumer: this.place.consumer };
    const path = this.#path;
    const { body } = await this.#ask({ method: "POST", path, query, body: json(held) }, signal);
    const shards: unknown = parsed(body);
    if (!Array.isArray(shards) || shards.some((one) => !Number.isSafeInteger(one)))
      throw unreadable("the heart-beat's answer is no list of shards");
    return shards as number[];
  }

  /** How far the group has read a shard; `undefined`: it has not begun. */
  async checkpointOf(shard: number, signal: AbortSignal): Promise<string | undefined> {
    const { body } = await this.#ask({ method: "GET", path: this.#path }, signal);
    const checkpoints: unknown = parsed(body);
    if (!Array.isArray(checkpoints)) throw unreadable("the checkpoints are no list");
    const found: unknown = checkpoints.find((one: unknown) => membersOf(one)["shard"] === shard);
    const { checkpoint } = membersOf(found);
    return typeof checkpoint === "string" && checkpoint !== "" ? checkpoint : undefined;
  }

  /** Stores how far a shard was read; refused where it is another member's. */
  async checkpoint(shard: number, checkpoint: string, signal: AbortSignal): Promise<void> {
    const query = { type: "checkpoint", consumer: this.place.consumer, forceSuccess: "false" };
    const body = json({ shard, checkpoint });
    await this.#ask({ method: "POST", path: this.#path, query, body }, signal);
  }

  async cursorOf(shard: number, from: "begin" | "end", signal: AbortSignal): Promise<string> {
    const query = { type: "cursor", from };
    const { body } = await this.#ask({ method: "GET", path: this.#shard(shard), query }, signal);
    const { cursor } = jsonMembers(body);
    if (typeof cursor !== "string" || cursor === "") throw unreadable("the answer has no cursor");
    return cursor;
  }

  /** Reads on from a cursor, to that end at most; at the shard's end there are no logs. */
  async pull(shard: number, { cursor, end, count }: Pull, signal: AbortSignal): Promise<Batch> {
    const range = { cursor, ...(end === undefined ? {} : { end_cursor: end }) };
    const query = { type: "logs", ...range, count: String(count) };
    const headers = { accept: "application/x-protobuf", "accept-encoding": "lz4" };
    const path = this.#shard(shard);
    const answered = await this.#ask({ method: "GET", path, query, headers }, signal);
    const next = answered.headers["x-log-cursor"];
    if (typeof next !== "string") throw unreadable("the answer has no header x-log-cursor");
    try {
      return { next, logs: decodeLogGroups(unpacked(answered)) };
    } catch (error) {
      throw unreadable(messageOf(error));
    }
  }

  get #path(): string {
    const { logstore, group } = this.place;
    return `/logstores/${logstore}/consumergroups/${group}`;
  }

  #shard(shard: number): string {
    return `/logstores/${this.place.logstore}/shards/${shard}`;
  }

  #ask(request: LogRequest, signal: AbortSignal): Promise<Answered> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(requestTimeout)]);
    return this.#service.ask(this.place.project, request, within);
  }
}

/** Log Service's own code of a failure. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof BindingError ? error.systemCode : undefined;
}

function unpacked({ body, headers }: Answered): Uint8Array {
  const type = headers["x-log-compresstype"];
  const size = Number(headers["x-log-bodyrawsize"] ?? body.length);
  if (!Number.isSafeInteger(size) || size < 0 || size > largestBatch)
    throw new Error(`the answer has a size of ${String(headers["x-log-bodyrawsize"])}`);
  // An answer without logs is empty, whatever it says of itself.
  if (size === 0) return new Uint8Array();
  if (type === "lz4") return unpackLz4(body, size);
  if (type === "deflate") return inflateSync(body, { maxOutputLength: largestBatch });
  if (type === undefined || type === "") return body;
  throw new Error(`the answer is compressed by ${String(type)}, which was not asked for`);
}

function json(value: unknown): NonNullable<LogRequest["body"]> {
  return { type: "application/json", bytes: Buffer.from(JSON.stringify(value)), rawSize: 0 };
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function unreadable(text: string): BindingError {
  return new BindingError("internal", `SLS binding error: ${text}`, { effect: "ambiguous" });
}
