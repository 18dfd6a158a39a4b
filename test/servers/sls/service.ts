import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { inflateSync } from "node:zlib";
import { Consumers } from "./consumers.ts";
import { listOf, readGroup } from "./log-group.ts";
import { packLz4, unpackBlock } from "./lz4.ts";
import { refusalOf } from "./signature.ts";

export const project = "shop";

type Shard = { readonly groups: Buffer[]; deleted: number };
type Logstore = { readonly shards: Shard[]; readonly groups: Map<string, Consumers>; turn: number };
type Refusal = { readonly status: number; readonly code: string };

export type Asked = { readonly method: string; readonly url: string; readonly host: string };

/** A line of what is kept on disk. */
type Entry =
  | { readonly logstore: string; readonly shards: number }
  | { readonly in: string; readonly shard: number; readonly group: string }
  | {
      readonly in: string;
      readonly consumers: string;
      readonly timeout: number;
      readonly order: boolean;
    }
  | {
      readonly in: string;
      readonly of: string;
      readonly shard: number;
      readonly checkpoint: string;
      readonly by: string;
    };

/**
 * A stand-in for one project of Alibaba's Log Service, written from its reference: the signature, Logstores with shards,
 * writing (LZ4, deflate), cursors, reading, and consumer groups. What it has taken is on disk before it says so.
 */
export class LogServiceStandIn implements AsyncDisposable {
  readonly logstores = new Map<string, Logstore>();
  readonly asked: Asked[] = [];
  /** Answered in place of the right answer, where it says so of a request. */
  failure: ((asked: Asked) => Refusal | "cut" | undefined) | undefined;
  /** Answered in place of logs. */
  spoil: { readonly headers: Readonly<Record<string, string>>; readonly body: Buffer } | undefined;
  readonly #journal: string | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((request, response) => {
    this.#take(request, response).catch(() => request.destroy());
  });

  /** `journal`: the file that it keeps all in. */
  constructor(journal?: string) {
    this.#journal = journal;
    if (journal !== undefined && existsSync(journal))
      for (const line of readFileSync(journal, "utf8").split("\n"))
        if (line.endsWith("}")) this.#apply(JSON.parse(line) as Entry);
    this.#server.keepAliveTimeout = 60_000;
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  async listen(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  create(name: string, shards = 2): void {
    this.#keep({ logstore: name, shards });
  }

  put(name: string, group: Buffer, shard?: number): void {
    const logstore = this.#logstore(name);
    const at = shard ?? logstore.turn++ % logstore.shards.length;
    this.#keep({ in: name, shard: at, group: group.toString("base64") });
  }

  /** Deletes the oldest groups of a shard, as their age would. */
  expire(name: string, shard: number, groups: number): void {
    const one = this.#logstore(name).shards[shard];
    if (one !== undefined) one.deleted += groups;
  }

  /** All logs of a Logstore, as they were written. */
  logs(name: string): { topic: string; source: string; texts: Record<string, string> }[] {
    return this.#logstore(name).shards.flatMap(({ groups }) =>
      groups.flatMap((bytes) => {
        const { logs, topic, source } = readGroup(bytes);
        const texts = ({ contents }: (typeof logs)[number]) =>
          Object.fromEntries(contents.map(([key, value]) => [key, value.toString()]));
        return logs.map((log) => ({ topic, source, texts: texts(log) }));
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #logstore(name: string): Logstore {
    const found = this.logstores.get(name);
    if (found === undefined) throw new Refused(404, "LogStoreNotExist");
    return found;
  }

  #keep(entry: Entry): void {
    if (this.#journal !== undefined) appendFileSync(this.#journal, `${JSON.stringify(entry)}\n`);
    this.#apply(entry);
  }

  #apply(entry: Entry): void {
    if ("logstore" in entry) {
      const shards = Array.from({ length: entry.shards }, () => ({ groups: [], deleted: 0 }));
      this.logstores.set(entry.logstore, { shards, groups: new Map(), turn: 0 });
      return;
    }
    const logstore = this.#logstore(entry.in);
    if ("group" in entry)
      logstore.shards[entry.shard]?.groups.push(Buffer.from(entry.group, "base64"));
    else if ("consumers" in entry)
      logstore.groups.set(entry.consumers, new Consumers(entry.timeout, entry.order));
    else
      logstore.groups.get(entry.of)?.checkpoints.set(entry.shard, {
        ...{ checkpoint: entry.checkpoint, updateTime: Date.now() * 1000, consumer: entry.by },
      });
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const { method = "", headers } = request;
    // The vendor's SDK asks an address as a proxy: with the whole URL.
    const url = (request.url ?? "").replace(/^https?:\/\/[^/]+/, "");
    const asked = { method, url, host: headers.host ?? "" };
    this.asked.push(asked);
    const failure = this.failure?.(asked);
    if (failure === "cut") return void request.socket.destroy();
    let answer: Answer;
    try {
      const refusal = failure ?? refusalOf({ method, url, headers }, body);
      if (refusal !== undefined) throw new Refused(refusal.status, refusal.code);
      if (!asked.host.startsWith(`${project}.`)) throw new Refused(404, "ProjectNotExist");
      answer = this.#answer(method, new URL(url, "http://sls"), headers, body);
    } catch (error) {
      const { status, code } =
        error instanceof Refused ? error : new Refused(400, "PostBodyInvalid");
      const said = { errorCode: code, errorMessage: "words of the vendor" };
      answer = { status, body: Buffer.from(JSON.stringify(said)) };
    }
    const type = { "content-type": "application/json", "x-log-requestid": "request 1" };
    response.writeHead(answer.status ?? 200, { ...type, ...answer.headers }).end(answer.body);
  }

  #answer(method: string, url: URL, headers: IncomingMessage["headers"], body: Buffer): Answer {
    const [, , name = "", kind = "", which = ""] = url.pathname.split("/");
    const of = (key: string): string => url.searchParams.get(key) ?? "";
    if (method === "POST" && name === "") {
      const wanted = JSON.parse(body.toString()) as { logstoreName: string; shardCount: number };
      this.create(wanted.logstoreName, wanted.shardCount);
      return {};
    }
    const logstore = this.#logstore(name);
    if (method === "POST" && (kind === "" || (kind === "shards" && which === "lb"))) {
      this.put(name, unpacked(headers, body));
      return {};
    }
    if (kind === "shards") {
      if (method === "POST" && which === "route") {
        const key = of("key");
        this.put(
          name,
          unpacked(headers, body),
          Number.parseInt(key.slice(0, 8), 16) % logstore.shards.length,
        );
        return {};
      }
      const shard = logstore.shards[Number(which)];
      if (shard === undefined) throw new Refused(404, "ShardNotExist");
      if (of("type") === "cursor") {
        const at = of("from") === "begin" ? shard.deleted : shard.groups.length;
        return json({ cursor: cursorOf(at) });
      }
      if (of("type") === "logs" && this.spoil !== undefined) return this.spoil;
      if (of("type") === "logs")
        return read(
          shard,
          { cursor: of("cursor"), end: of("end_cursor"), count: Number(of("count")) },
          headers,
        );
    }
    if (method === "GET" && kind === "")
      return json({ logstoreName: name, shardCount: logstore.shards.length });
    if (kind === "consumergroups")
      return this.#consumers(method, { name, logstore, which, of, body });
    throw new Refused(404, "NotFound");
  }

  #consumers(
    method: string,
    asked: {
      name: string;
      logstore: Logstore;
      which: string;
      of: (key: string) => string;
      body: Buffer;
    },
  ): Answer {
    const { name, logstore, which, of, body } = asked;
    if (which === "" && method === "GET")
      return json(
        [...logstore.groups].map(([name, { timeout, order }]) => ({ name, timeout, order })),
      );
    if (which === "") {
      const wanted = JSON.parse(body.toString()) as {
        consumerGroup: string;
        timeout: number;
        order: boolean;
      };
      const { consumerGroup, timeout, order } = wanted;
      if (logstore.groups.has(consumerGroup)) throw new Refused(400, "ConsumerGroupAlreadyExist");
      this.#keep({ in: name, consumers: consumerGroup, timeout, order });
      return {};
    }
    const group = logstore.groups.get(which);
    if (group === undefined) throw new Refused(404, "ConsumerGroupNotExist");
    if (method === "GET")
      return json([...group.checkpoints].map(([shard, one]) => ({ shard, ...one })));
    const consumer = of("consumer");
    if (of("type") === "heartbeat") {
      const held = JSON.parse(body.toString()) as number[];
      return json(group.beat(consumer, held, logstore.shards.length));
    }
    const { shard, checkpoint } = JSON.parse(body.toString()) as {
      shard: number;
      checkpoint: string;
    };
    const refusal = of("forceSuccess") === "true" ? undefined : group.refusalOf(consumer, shard);
    if (refusal !== undefined) throw new Refused(400, refusal);
    this.#keep({ in: name, of: which, shard, checkpoint, by: consumer });
    return {};
  }
}

type Answer = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
};

class Refused extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

function json(value: unknown): Answer {
  return { body: Buffer.from(JSON.stringify(value)) };
}

function cursorOf(index: number): string {
  return Buffer.from(String(1_700_000_000_000 + index)).toString("base64");
}

function indexOf(cursor: string): number {
  return Number(Buffer.from(cursor, "base64").toString()) - 1_700_000_000_000;
}

function read(
  { groups, deleted }: Shard,
  { cursor, end, count }: { cursor: string; end: string; count: number },
  headers: IncomingMessage["headers"],
): Answer {
  const from = indexOf(cursor);
  if (!(from >= deleted && from <= groups.length)) throw new Refused(400, "InvalidCursor");
  if (!(count >= 1 && count <= 1000)) throw new Refused(400, "ParameterInvalid");
  const found = groups.slice(from, Math.min(from + count, end === "" ? Infinity : indexOf(end)));
  const raw = listOf(found);
  const isPacked = headers["accept-encoding"] === "lz4";
  return {
    headers: {
      ...{ "content-type": "application/x-protobuf", "x-log-count": String(found.length) },
      ...{ "x-log-cursor": cursorOf(from + found.length), "x-log-bodyrawsize": String(raw.length) },
      ...(isPacked ? { "x-log-compresstype": "lz4" } : {}),
    },
    body: isPacked && raw.length > 0 ? packLz4(raw) : raw,
  };
}

function unpacked(headers: IncomingMessage["headers"], body: Buffer): Buffer {
  if (headers["content-type"] !== "application/x-protobuf")
    throw new Refused(400, "InvalidContentType");
  const size = Number(headers["x-log-bodyrawsize"]);
  const type = headers["x-log-compresstype"];
  const bytes =
    type === "lz4" ? unpackBlock(body, size) : type === "deflate" ? inflateSync(body) : body;
  if (bytes.length !== size) throw new Refused(400, "PostBodyUncompressError");
  readGroup(bytes);
  return bytes;
}
