import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** What a stand-in for RethinkDB knows. */
export const account = { username: "shop", password: "s3cret/p@ss" };

/**
 * A stand-in for RethinkDB, by the vendor's description of its wire protocol V1_0: the log-in, the question who the server is,
 * whether a table has a row, and one table's feed of changes, whose batches it sends only when they are asked for. It knows no other query.
 */
export type RethinkStandIn = AsyncDisposable & {
  readonly port: number;
  /** Who reads the feed now. */
  readonly readers: number;
  /** How often a batch was asked for. */
  readonly continues: number;
  /** Queries that were begun, as they came. */
  readonly queries: unknown[];
  change(change: object): void;
  /** Ends every feed with an error of this type and text. */
  fail(type: number, text: string): void;
  cut(): void;
};

const success = { partial: 3, serverInfo: 5 };

/** `denies`: what is asked for beyond the log-in is refused, by what a user lacks. `lacks`: a table that is not there. */
export async function startStandIn(
  options: { host?: string; denies?: "all" | "all but the feed"; lacks?: string } = {},
): Promise<RethinkStandIn> {
  const sockets = new Set<Socket>();
  const feeds = new Map<Socket, { token: Buffer; waiting: object[]; isAsked: boolean }>();
  const queries: unknown[] = [];
  let continues = 0;

  const answer = (socket: Socket, token: Buffer, response: object): void => {
    const body = Buffer.from(JSON.stringify(response));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(body.length);
    socket.write(Buffer.concat([token, length, body]));
  };
  const send = (socket: Socket): void => {
    const feed = feeds.get(socket);
    if (feed === undefined || !feed.isAsked || feed.waiting.length === 0) return;
    feed.isAsked = false;
    answer(socket, feed.token, { t: success.partial, r: feed.waiting.splice(0, 100), n: [1] });
  };
  const query = (socket: Socket, token: Buffer, [type, term]: [number, unknown]): void => {
    if (options.denies === "all" || (options.denies !== undefined && type === 5)) {
      const text = "User `shop` does not have the required `read` permission";
      answer(socket, token, { t: 18, e: 6_000_000, r: [text], b: [] });
      return;
    }
    if (type === 1 && isCount(term)) {
      const [, [[, [[, [, table]]]]]] = term;
      if (options.lacks === table) {
        const text = `Table \`shop.${table}\` does not exist.`;
        return answer(socket, token, { t: 18, e: 4_100_000, r: [text], b: [] });
      }
      return answer(socket, token, { t: 1, r: [1], n: [] });
    }
    if (type === 1) {
      queries.push(term);
      feeds.set(socket, { token, waiting: [], isAsked: true });
      return;
    }
    const feed = feeds.get(socket);
    if (type === 2 && feed !== undefined) {
      continues++;
      feed.isAsked = true;
      send(socket);
    } else if (type === 3) {
      feeds.delete(socket);
      answer(socket, token, { t: 2, r: [] });
    } else if (type === 5) {
      const name = { id: "0", name: "stand_in", proxy: false };
      answer(socket, token, { t: success.serverInfo, r: [name] });
    }
  };

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      feeds.delete(socket);
    });
    let buffer = Buffer.alloc(0);
    const login = new Login();
    socket.on("data", (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      while (!login.isDone) {
        const end = buffer.indexOf(0, login.isBegun ? 0 : 4);
        if (end === -1) return;
        const text = buffer.toString("utf8", login.isBegun ? 0 : 4, end);
        buffer = buffer.subarray(end + 1);
        for (const reply of login.replies(text)) socket.write(`${JSON.stringify(reply)}\0`);
      }
      while (buffer.length >= 12) {
        const length = buffer.readUInt32LE(8);
        if (buffer.length < 12 + length) return;
        const token = Buffer.from(buffer.subarray(0, 8));
        const text = buffer.toString("utf8", 12, 12 + length);
        buffer = buffer.subarray(12 + length);
        query(socket, token, JSON.parse(text) as [number, unknown]);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, options.host ?? "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    queries,
    get readers() {
      return feeds.size;
    },
    get continues() {
      return continues;
    },
    change(change) {
      for (const [socket, { waiting }] of feeds) {
        waiting.push(change);
        send(socket);
      }
    },
    fail(type, text) {
      for (const [socket, { token }] of feeds) answer(socket, token, { t: type, r: [text], b: [] });
      feeds.clear();
    },
    cut() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** COUNT of LIMIT of a TABLE of a DB. */
type Count = [43, [[71, [[15, [unknown, string]], number]]]];

function isCount(term: unknown): term is Count {
  return Array.isArray(term) && term[0] === 43;
}

/** The server's part of a log-in by SCRAM-SHA-256 (RFC 5802), in the messages of RethinkDB's handshake. */
class Login {
  isBegun = false;
  isDone = false;
  #clientFirst = "";
  #serverFirst = "";
  readonly #salt = randomBytes(16);

  replies(text: string): object[] {
    const { authentication } = JSON.parse(text) as { authentication: string };
    if (!this.isBegun) {
      this.isBegun = true;
      this.#clientFirst = authentication.slice(3);
      const nonce = /r=([^,]+)/.exec(authentication)?.[1] ?? "";
      const salt = this.#salt.toString("base64");
      this.#serverFirst = `r=${nonce}${randomBytes(9).toString("base64")},s=${salt},i=64`;
      const versions = { min_protocol_version: 0, max_protocol_version: 0 };
      return [
        { success: true, ...versions, server_version: "2.4.4" },
        { success: true, authentication: this.#serverFirst },
      ];
    }
    this.isDone = true;
    const salted = pbkdf2Sync(account.password, this.#salt, 64, 32, "sha256");
    const mac = (key: Buffer, what: string): Buffer =>
      createHmac("sha256", key).update(what).digest();
    const clientKey = mac(salted, "Client Key");
    const stored = createHash("sha256").update(clientKey).digest();
    const [, withoutProof = "", proof = ""] = /^(.*),p=(.*)$/.exec(authentication) ?? [];
    const message = `${this.#clientFirst},${this.#serverFirst},${withoutProof}`;
    const signature = mac(stored, message);
    const right = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)));
    const user = /^n=([^,]*)/.exec(this.#clientFirst)?.[1];
    if (user !== account.username || proof !== right.toString("base64"))
      return [{ success: false, error_code: 12, error: "Wrong password" }];
    const verifier = mac(mac(salted, "Server Key"), message).toString("base64");
    return [{ success: true, authentication: `v=${verifier}` }];
  }
}
