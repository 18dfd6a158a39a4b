import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Mutex } from "./mutex.ts";
import type { OwnServer, ServerName, ServerOptions } from "../servers/kinds.ts";
import { keyOf } from "../servers/openssh.ts";
import { NatsUsers } from "./nats-users.ts";
import { reservePort } from "../servers/ports.ts";
import { startProxy, type Proxy } from "../servers/proxy.ts";
import { startServer } from "../servers/start-server.ts";

/** A Kafka whose clients of one slot go through a proxy, whatever broker address they are told. */
export type ProxiedKafka = {
  readonly server: OwnServer<"kafka">;
  readonly slots: readonly { readonly brokers: string; readonly proxy: Proxy }[];
};

/** A Mosquitto that lets everybody in who names no user. */
export type MosquittoWithPasswords = {
  readonly server: OwnServer<"mosquitto">;
  setPassword(user: string, password: string): Promise<void>;
};

/** An OpenSSH whose user may have more keys than its own. */
export type OpensshWithKeys = {
  readonly server: OwnServer<"openssh">;
  newKey(): { readonly privateKey: string; readonly publicLine: string };
  allow(line: string): Promise<void>;
  deny(line: string): Promise<void>;
};

/** A NATS that takes who names no user, and those that are added. */
export type NatsWithUsers = {
  readonly server: OwnServer<"nats">;
  addUser(user: string, password: string): Promise<void>;
  removeUser(user: string): Promise<void>;
};

/** A server that takes the tokens of those that are let in; the owner's is `owner`. */
type WithTokens<Name extends "kubemq" | "pstest" | "zeebe"> = {
  readonly server: OwnServer<Name>;
  allow(token: string): Promise<void>;
  deny(token: string): Promise<void>;
};

export type PstestWithTokens = WithTokens<"pstest">;

const run = promisify(execFile);

/**
 * The servers of a run of the matrix, started when first needed: of each kind one that all cells share, and one
 * for those that kill, freeze or restart it, which use it one after another.
 */
export class Servers implements AsyncDisposable {
  readonly #slots: number;
  readonly #started = new Map<string, Promise<unknown>>();
  readonly #turns = new Map<string, Mutex>();
  readonly #toEnd: AsyncDisposable[] = [];

  /** `slots`: how many cells run at the same time. */
  constructor(slots: number) {
    this.#slots = slots;
  }

  redis(own: boolean): Promise<OwnServer<"redis">> {
    // While a sync is slow it would put a write off that it has confirmed already.
    const durable = { arguments: ["--appendfsync", "always"] };
    return this.#once("redis", own, () => this.#start("redis", durable));
  }

  rabbitmq(own: boolean): Promise<OwnServer<"rabbitmq">> {
    return this.#once("rabbitmq", own, () => this.#start("rabbitmq"));
  }

  postgres(own: boolean): Promise<OwnServer<"postgres">> {
    return this.#once("postgres", own, () => this.#start("postgres"));
  }

  artemis(own: boolean): Promise<OwnServer<"artemis">> {
    return this.#once("artemis", own, () => this.#start("artemis"));
  }

  kube(own: boolean): Promise<OwnServer<"kube">> {
    return this.#once("kube", own, () => this.#start("kube"));
  }

  elasticmq(own: boolean): Promise<OwnServer<"elasticmq">> {
    return this.#once("elasticmq", own, () => this.#start("elasticmq"));
  }

  rocketmqProxy(own: boolean): Promise<OwnServer<"rocketmq-proxy">> {
    return this.#once("rocketmq-proxy", own, () => this.#start("rocketmq-proxy"));
  }

  sls(own: boolean): Promise<OwnServer<"sls">> {
    return this.#once("sls", own, () => this.#start("sls"));
  }

  moto(own: boolean): Promise<OwnServer<"moto">> {
    return this.#once("moto", own, () => this.#start("moto"));
  }

  kinesalite(own: boolean): Promise<OwnServer<"kinesalite">> {
    return this.#once("kinesalite", own, () => this.#start("kinesalite"));
  }

  feed(own: boolean): Promise<OwnServer<"feed">> {
    return this.#once("feed", own, () => this.#start("feed"));
  }

  azuriteBlob(own: boolean): Promise<OwnServer<"azurite-blob">> {
    const options = own ? { keepsData: true } : {};
    return this.#once("azurite-blob", own, () => this.#start("azurite-blob", options));
  }

  azuriteQueue(own: boolean): Promise<OwnServer<"azurite-queue">> {
    const options = own ? { keepsData: true } : {};
    return this.#once("azurite-queue", own, () => this.#start("azurite-queue", options));
  }

  mosquitto(own: boolean): Promise<MosquittoWithPasswords> {
    return this.#once("mosquitto", own, async () => {
      const folder = await mkdtemp(join(tmpdir(), "cufflink-passwords-"));
      this.#toEnd.push({ [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) });
      const file = join(folder, "passwords");
      await writeFile(file, "", { mode: 0o600 });
      const server = await this.#start("mosquitto", {
        config: [`password_file ${file}`],
      });
      return {
        server,
        async setPassword(user, password) {
          await run("mosquitto_passwd", ["-b", file, user, password]);
          if (server.pid !== undefined) process.kill(server.pid, "SIGHUP");
        },
      };
    });
  }

  dovecot(own: boolean): Promise<OwnServer<"dovecot">> {
    return this.#once("dovecot", own, () => this.#start("dovecot", { ownPasswords: true }));
  }

  openssh(own: boolean): Promise<OpensshWithKeys> {
    return this.#once("openssh", own, async () => {
      const server = await this.#start("openssh");
      const lines = new Set([server.userKey]);
      const authorize = () => server.authorize([...lines]);
      return {
        server,
        newKey() {
          const { text, publicLine } = keyOf(randomUUID());
          return { privateKey: text, publicLine };
        },
        async allow(line) {
          lines.add(line);
          await authorize();
        },
        async deny(line) {
          if (lines.delete(line)) await authorize();
        },
      };
    });
  }

  /** Locks are short, so that what a killed runtime has had comes again soon. */
  azureMessaging(own: boolean): Promise<OwnServer<"azure-messaging">> {
    return this.#once("azure-messaging", own, () =>
      this.#start("azure-messaging", { lockDuration: 5000 }),
    );
  }

  fakeGcs(own: boolean): Promise<OwnServer<"fake-gcs">> {
    return this.#once("fake-gcs", own, () => this.#start("fake-gcs"));
  }

  pstest(own: boolean): Promise<PstestWithTokens> {
    return this.#once("pstest", own, async () => {
      const tokens = new Set(["owner"]);
      return letsIn(await this.#start("pstest", { tokens: [...tokens] }), tokens);
    });
  }

  kubemq(own: boolean): Promise<WithTokens<"kubemq">> {
    return this.#once("kubemq", own, async () => {
      const tokens = new Set(["owner"]);
      return letsIn(await this.#start("kubemq", { tokens: [...tokens] }), tokens);
    });
  }

  zeebe(own: boolean): Promise<WithTokens<"zeebe">> {
    return this.#once("zeebe", own, async () => {
      const tokens = new Set(["owner"]);
      return letsIn(await this.#start("zeebe", { tokens: [...tokens] }), tokens);
    });
  }

  nats(own: boolean): Promise<NatsWithUsers> {
    return this.#once("nats", own, async () => {
      const server = await this.#start("nats");
      const users = new NatsUsers(server.configuration, () => {
        if (server.pid !== undefined) process.kill(server.pid, "SIGHUP");
      });
      return {
        server,
        addUser: (user, password) => users.add(user, password),
        removeUser: (user) => users.remove(user),
      };
    });
  }

  kafka(own: boolean): Promise<ProxiedKafka> {
    return this.#once("kafka", own, async () => {
      const slots: { brokers: string; proxy: Proxy }[] = [];
      const moreListeners: Record<
        string,
        { protocol: string; address: string; advertised: string }
      > = {};
      for (let slot = 0; slot < this.#slots; slot++) {
        const port = await reservePort();
        const proxy = await startProxy({ host: "127.0.0.1", port });
        this.#toEnd.push(proxy);
        const brokers = `${proxy.host}:${proxy.port}`;
        slots.push({ brokers, proxy });
        const address = `127.0.0.1:${port}`;
        moreListeners[`SLOT${slot}`] = { protocol: "PLAINTEXT", address, advertised: brokers };
      }
      const properties = {
        "group.min.session.timeout.ms": "1000",
        "group.initial.rebalance.delay.ms": "0",
      };
      return { server: await this.#start("kafka", { moreListeners, properties }), slots };
    });
  }

  /** Waits until no other cell has the kind of server that is there to be killed. */
  turn(name: ServerName): Promise<Disposable> {
    const mutex = this.#turns.get(name) ?? new Mutex();
    this.#turns.set(name, mutex);
    return mutex.lock();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#started.values());
    await Promise.all(this.#toEnd.map((one) => one[Symbol.asyncDispose]()));
  }

  async #start<Name extends ServerName>(
    name: Name,
    options?: ServerOptions<Name>,
  ): Promise<OwnServer<Name>> {
    const server = await startServer(name, options);
    this.#toEnd.push(server);
    return server;
  }

  #once<T>(name: ServerName, own: boolean, make: () => Promise<T>): Promise<T> {
    const key = `${name} ${own}`;
    const made = (this.#started.get(key) as Promise<T> | undefined) ?? make();
    this.#started.set(key, made);
    // On a machine that is too busy a start may fail; the next cell tries again.
    made.catch(() => this.#started.delete(key));
    return made;
  }
}

function letsIn<Server extends { setTokens(tokens: readonly string[]): Promise<void> }>(
  server: Server,
  tokens: Set<string>,
) {
  const tell = () => server.setTokens([...tokens]);
  return {
    server,
    async allow(token: string): Promise<void> {
      tokens.add(token);
      await tell();
    },
    async deny(token: string): Promise<void> {
      if (tokens.delete(token)) await tell();
    },
  };
}
