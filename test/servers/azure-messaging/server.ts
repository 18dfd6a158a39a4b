import { createRequire } from "node:module";
import type { AddressInfo, Server, Socket } from "node:net";
import rhea from "rhea";
import type { Connection, Delivery, EventContext, Message, Receiver, Sender } from "rhea";
import { FrameFaults } from "./frame-faults.ts";
import { Hub } from "./hub.ts";
import { Journal } from "./journal.ts";
import { Queue } from "./queue.ts";
import { pathOf, verdictOf, type Access } from "./tokens.ts";

export type NamespaceOptions = {
  readonly port?: number;
  readonly keyName?: string;
  readonly key?: string;
  /** Milliseconds. Default one minute, as Azure's. */
  readonly lockDuration?: number;
  readonly maxDeliveryCount?: number;
  /** What was sent survives a kill. */
  readonly journal?: string;
  /** TLS of the listener. */
  readonly tls?: { readonly key: string; readonly cert: string };
};

/** What rhea's types leave out. */
type Terminus = {
  readonly address?: string;
  readonly filter?: Record<string, { value?: unknown } | null>;
};
type Attached = (Sender | Receiver) & {
  readonly local: { attach: Record<string, unknown> };
  readonly remote: { attach: Record<string, unknown> };
};
const require = createRequire(import.meta.url);
const terminus = require("rhea/lib/terminus.js") as { unwrap(field: unknown): Terminus | null };
const frames = require("rhea/lib/frames.js") as { disposition(fields: object): unknown };

/**
 * A namespace of Azure Service Bus and Event Hubs, as Microsoft's "AMQP 1.0 in Azure Service Bus and Event Hubs protocol
 * guide" and "request-response-based operations" describe them. Queues are made when they are first named: those that
 * begin with `sessions` require sessions. Hubs begin with `hub-N`, with N partitions.
 */
export class AzureNamespace implements AsyncDisposable {
  readonly access: Access;
  readonly faults = new FrameFaults();
  readonly connections = new Set<Connection>();
  /** Tokens that were put: audiences, in their order. */
  readonly claims: string[] = [];
  /** Requests to management nodes: operations. */
  readonly requests: string[] = [];
  /** Nodes that are refused, with the condition. */
  readonly refusals = new Map<string, string>();
  /** Messages that are refused, with the condition. */
  rejectSends: string | undefined;
  port = 0;
  readonly #options: Required<Pick<NamespaceOptions, "lockDuration" | "maxDeliveryCount">>;
  readonly #queues = new Map<string, Queue>();
  readonly #hubs = new Map<string, Hub>();
  readonly #claims = new WeakMap<
    Connection,
    Map<string, { until: number; timer: NodeJS.Timeout }>
  >();
  readonly #sessions = new Map<string, string | undefined>();
  readonly #replies = new WeakMap<Connection, Map<string, Sender>>();
  readonly #sockets = new Set<Socket>();
  readonly #journal: Journal;
  #listener: Server | undefined;

  private constructor(options: NamespaceOptions) {
    this.access = {
      keyName: options.keyName ?? "RootManageSharedAccessKey",
      key: options.key ?? "c3RhbmQtaW4gb2YgYSBrZXk=",
      jwt: () => undefined,
      revoked: new Set(),
    };
    this.#options = {
      lockDuration: options.lockDuration ?? 60_000,
      maxDeliveryCount: options.maxDeliveryCount ?? 10,
    };
    this.#journal = new Journal(options.journal);
    this.#restore();
  }

  static async start(options: NamespaceOptions = {}): Promise<AzureNamespace> {
    const namespace = new AzureNamespace(options);
    await namespace.#listen(options);
    return namespace;
  }

  /** As the portal gives it, for the vendor's emulator: without TLS. */
  get connectionString(): string {
    const { keyName, key } = this.access;
    return `Endpoint=sb://127.0.0.1:${this.port};SharedAccessKeyName=${keyName};SharedAccessKey=${key};UseDevelopmentEmulator=true;`;
  }

  queue(name: string): Queue {
    const path = name.toLowerCase();
    let queue = this.#queues.get(path);
    if (queue === undefined) {
      queue = new Queue(
        path,
        { ...this.#options, requiresSession: path.startsWith("sessions") },
        this.#journal,
      );
      this.#queues.set(path, queue);
    }
    return queue;
  }

  hub(name: string): Hub {
    const path = name.toLowerCase();
    let hub = this.#hubs.get(path);
    if (hub === undefined) {
      hub = new Hub(path, Number(/^hub-(\d+)/.exec(path)?.[1] ?? 1), this.#journal);
      this.#hubs.set(path, hub);
    }
    return hub;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    for (const queue of this.#queues.values()) queue.end();
    await new Promise((resolve) => this.#listener?.close(resolve));
  }

  #restore(): void {
    for (const entry of this.#journal.read()) {
      const [name = "", partition] = entry.at.split("/");
      if (!("message" in entry)) this.queue(name).restore(entry);
      else {
        const message = rhea.message.decode(
          Buffer.from(entry.message, "base64"),
        ) as unknown as Message;
        if (partition === undefined)
          this.queue(name).put(message, entry.sequence, entry.time, false);
        else this.hub(name).restore(message, partition, entry.time);
      }
    }
  }

  async #listen({ port = 0, tls }: NamespaceOptions): Promise<void> {
    const container = rhea.create_container({ ...{ treat_modified_as_released: false } });
    (container.sasl_server_mechanisms as { enable_anonymous(): void }).enable_anonymous();
    const listener = container.listen({
      ...{ port, host: "127.0.0.1", ...(tls && { transport: "tls", ...tls }) },
      receiver_options: { autoaccept: false, credit_window: 0 },
      sender_options: { autosettle: false },
    } as never) as unknown as Server;
    this.#listener = listener;
    listener.on(tls ? "secureConnection" : "connection", (socket: Socket) => {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => listener.once("listening", () => resolve()));
    this.port = (listener.address() as AddressInfo).port;
    container.on("connection_open", ({ connection }: EventContext) => this.#connected(connection));
    container.on("disconnected", ({ connection }: EventContext) => this.#disconnected(connection));
    container.on("sender_open", ({ sender }: EventContext) => this.#reads(sender as Sender));
    container.on("receiver_open", ({ receiver }: EventContext) =>
      this.#sends(receiver as Receiver),
    );
    container.on("message", (context: EventContext) => this.#received(context));
    container.on("sender_close", ({ sender }: EventContext) => this.#left(sender as Sender));
    container.on("session_close", ({ session }: EventContext) => {
      const links =
        (session as unknown as { links: Record<string, Sender> } | undefined)?.links ?? {};
      for (const link of Object.values(links)) this.#left(link);
    });
    container.on("sendable", ({ sender }: EventContext) => this.#pump(sender as Sender));
    container.on("sender_draining", ({ sender }: EventContext) => {
      this.#pump(sender as Sender);
      sender?.set_drained(true);
    });
    for (const outcome of ["accepted", "rejected", "released", "modified"] as const)
      container.on(outcome, ({ delivery, sender }: EventContext) =>
        this.#settled(delivery as Delivery, sender as Sender, outcome),
      );
    for (const name of ["connection_error", "connection_close", "session_error", "receiver_close"])
      container.on(name, () => {});
    for (const name of ["receiver_error", "sender_error", "protocol_error", "error"])
      container.on(name, () => {});
  }

  #connected(connection: Connection): void {
    this.connections.add(connection);
    this.#claims.set(connection, new Map());
    this.#replies.set(connection, new Map());
    const ended = new Map<number, (() => void)[]>();
    const inner = connection as Connection & {
      on_attach(frame: { channel: number; performative: Record<string, unknown> }): void;
      on_end(frame: { channel: number }): void;
      _register(): void;
    };
    const attach = inner.on_attach.bind(inner);
    // A session that is to be accepted may have to be waited for.
    inner.on_attach = (frame) => {
      const { performative } = frame;
      const source = performative["role"] === true ? terminus.unwrap(performative["source"]) : null;
      const filter = source?.filter;
      if (filter === undefined || filter === null || !("com.microsoft:session-filter" in filter))
        return attach(frame);
      const wanted: unknown =
        filter["com.microsoft:session-filter"]?.value ?? filter["com.microsoft:session-filter"];
      const queue = this.queue(source?.address ?? "");
      const name = String(performative["name"]);
      const properties = (performative["properties"] ?? {}) as Record<string, unknown>;
      const timeout = Number(properties["com.microsoft:timeout"] ?? 60_000);
      const link = {} as Sender;
      const { channel } = frame;
      ended.set(channel, [...(ended.get(channel) ?? []), () => queue.detach(link)]);
      queue.acceptSession(
        link,
        typeof wanted === "string" ? wanted : undefined,
        timeout,
        (session) => {
          if (!this.connections.has(connection)) return;
          this.#sessions.set(name, session);
          attach(frame);
          inner._register();
        },
      );
    };
    const end = inner.on_end.bind(inner);
    inner.on_end = (frame) => {
      for (const forget of ended.get(frame.channel) ?? []) forget();
      ended.delete(frame.channel);
      end(frame);
    };
    const refused = (frame: object, condition: string): void => {
      const { performative } = frame as { performative: { name: string } };
      this.#refuseNext.set(performative.name, condition);
      inner.on_attach(frame as Parameters<typeof inner.on_attach>[0]);
    };
    const socket = (connection as unknown as { socket: Socket }).socket;
    // The driver is told of no end that was made here.
    socket.once("close", () => this.#disconnected(connection));
    this.faults.watch(connection, () => socket.destroy(), refused);
  }

  readonly #refuseNext = new Map<string, string>();

  #disconnected(connection: Connection): void {
    this.connections.delete(connection);
    for (const { timer } of this.#claims.get(connection)?.values() ?? []) clearTimeout(timer);
    for (const queue of this.#queues.values())
      for (const { sender } of queue.links)
        if (sender.connection === connection) queue.detach(sender);
    for (const hub of this.#hubs.values())
      for (const id of hub.ids)
        for (const { sender } of hub.readers(id))
          if (sender.connection === connection) hub.detach(sender);
  }

  /** A client's receiver. */
  #reads(sender: Sender): void {
    const link = sender as unknown as Attached;
    const { attach } = link.remote;
    const source = sender.source as unknown as Terminus | null;
    const address = source?.address ?? "";
    link.local.attach["rcv_settle_mode"] = attach["rcv_settle_mode"];
    const refusal = this.#refusal(sender, address);
    if (refusal !== undefined) return refuse(sender, refusal.condition, refusal.description);
    sender.set_source(source as never);
    if (address === "$cbs" || address.endsWith("$management")) {
      const target = (sender.target as unknown as Terminus | null)?.address ?? "";
      this.#replies.get(sender.connection)?.set(target, sender);
      return;
    }
    const hub = /^([^/]+)\/consumergroups\/([^/]+)\/partitions\/([^/]+)$/i.exec(address);
    if (hub !== null)
      return this.#readsHub(sender, source, hub[1] ?? "", hub[2] ?? "", hub[3] ?? "");
    const queue = this.queue(address);
    const name = String(attach["name"]);
    const bySession = this.#sessions.has(name);
    if (queue.options.requiresSession !== bySession) {
      const description = bySession
        ? "A sessionful message receiver cannot be created on an entity that does not require sessions."
        : "It is not possible for an entity that requires sessions to create a non-sessionful message receiver.";
      return refuse(sender, "amqp:not-allowed", description);
    }
    const session = this.#sessions.get(name);
    this.#sessions.delete(name);
    if (bySession && session === undefined)
      return refuse(
        sender,
        "com.microsoft:timeout",
        "The operation did not complete within the allotted timeout.",
      );
    const reader = { sender, session };
    if (session !== undefined) {
      const until = queue.lockSession(reader);
      const filter = {
        "com.microsoft:session-filter": rhea.types.wrap_described(session, 0x137_0000_000c),
      };
      sender.set_source({ address, filter });
      // .NET's ticks since the year 1.
      link.local.attach["properties"] = {
        "com.microsoft:locked-until-utc": rhea.types.wrap_long(
          until * 10_000 + 621_355_968_000_000_000,
        ),
      };
    }
    queue.attach(reader);
  }

  #readsHub(
    sender: Sender,
    source: Terminus | null,
    name: string,
    group: string,
    id: string,
  ): void {
    const hub = this.hub(name);
    if (!hub.has(id))
      return refuse(sender, "amqp:not-found", `The messaging entity '${id}' could not be found.`);
    const properties = ((sender as unknown as Attached).remote.attach["properties"] ??
      {}) as Record<string, unknown>;
    const epoch = properties["com.microsoft:epoch"];
    const filter: unknown =
      source?.filter?.["apache.org:selector-filter:string"]?.value ??
      source?.filter?.["apache.org:selector-filter:string"];
    const refused = hub.attach(
      id,
      {
        sender,
        group: group.toLowerCase(),
        epoch: epoch === undefined ? undefined : Number(epoch),
      },
      typeof filter === "string" ? filter : undefined,
    );
    if (refused !== undefined) return refuse(sender, refused.condition, refused.description);
    hub.pump(id);
  }

  /** A client's sender. */
  #sends(receiver: Receiver): void {
    const address = (receiver.target as unknown as Terminus | null)?.address ?? "";
    const refusal = this.#refusal(receiver, address);
    if (refusal !== undefined) return refuse(receiver, refusal.condition, refusal.description);
    receiver.set_target(receiver.target);
    (receiver as unknown as Attached).local.attach["max_message_size"] = 1024 * 1024;
    receiver.add_credit(300);
  }

  #refusal(
    link: Sender | Receiver,
    address: string,
  ): { condition: string; description: string } | undefined {
    const name = String((link as unknown as Attached).remote.attach["name"]);
    const struck = this.#refuseNext.get(name);
    this.#refuseNext.delete(name);
    if (struck !== undefined) return { condition: struck, description: "refused by the test" };
    if (address === "$cbs" || address === "$control") return undefined;
    const condition = this.refusals.get(address.toLowerCase());
    if (condition !== undefined) return { condition, description: `${address} is refused` };
    if (this.#mayUse(link.connection, address)) return undefined;
    return {
      condition: "amqp:unauthorized-access",
      description: `Unauthorized access. 'Send, Listen' claim(s) are required to perform this operation. Resource: 'sb://127.0.0.1/${address}'.`,
    };
  }

  #mayUse(connection: Connection, address: string): boolean {
    const path = address.toLowerCase();
    const now = Date.now();
    return [...(this.#claims.get(connection) ?? [])].some(
      ([audience, { until }]) =>
        until > now &&
        [audience, "$management"].some((one) => path === one || path.startsWith(`${one}/`)),
    );
  }

  #received(context: EventContext): void {
    const { receiver, message, delivery, connection } = context as Required<EventContext>;
    const address = (receiver.target as unknown as Terminus | null)?.address ?? "";
    receiver.add_credit(1);
    if (address === "$cbs") {
      delivery.accept();
      return this.#claim(connection, message);
    }
    // Of the tests alone: a key is revoked or restored.
    if (address === "$control") {
      const { revoke, restore } = (message.application_properties ?? {}) as Record<string, string>;
      if (revoke !== undefined) this.access.revoked.add(revoke);
      if (restore !== undefined) this.access.revoked.delete(restore);
      delivery.accept();
      return;
    }
    if (address.endsWith("$management")) {
      delivery.accept();
      return this.#manage(connection, address, message);
    }
    if (this.rejectSends !== undefined) {
      delivery.reject({ condition: this.rejectSends, description: "refused by the test" });
      return;
    }
    const partition = /^([^/]+)\/partitions\/([^/]+)$/i.exec(address);
    if (partition !== null) this.hub(partition[1] ?? "").put(message, partition[2]);
    else if (/^hub-/i.test(address)) this.hub(address).put(message);
    else this.queue(address).put(message);
    delivery.accept();
  }

  #claim(connection: Connection, message: Message): void {
    const { operation, type, name } = (message.application_properties ?? {}) as Record<
      string,
      unknown
    >;
    const audience = String(name);
    this.claims.push(audience);
    const verdict =
      operation === "put-token"
        ? verdictOf(this.access, type, audience, message.body, Date.now())
        : { refused: `the operation ${String(operation)} is not known` };
    const refused = "refused" in verdict;
    if (!refused) {
      const claims = this.#claims.get(connection);
      const path = pathOf(audience);
      clearTimeout(claims?.get(path)?.timer);
      const timer = setTimeout(
        () => this.#expired(connection),
        Math.min(verdict.until - Date.now() + 20, 2 ** 31 - 1),
      );
      timer.unref();
      claims?.set(path, { until: verdict.until, timer });
    }
    this.#reply(connection, message, {
      application_properties: {
        "status-code": rhea.types.wrap_int(refused ? 401 : 202),
        "status-description": refused ? verdict.refused : "Accepted",
      },
    });
  }

  /** Links whose token has ended are detached. */
  #expired(connection: Connection): void {
    connection.each_link((link: Sender | Receiver) => {
      const terminus = (link.is_receiver()
        ? link.target
        : link.source) as unknown as Terminus | null;
      const address = terminus?.address ?? "";
      if (address === "$cbs" || this.#mayUse(connection, address)) return;
      this.#left(link as Sender);
      link.close({
        condition: "amqp:unauthorized-access",
        description: "The token has expired.",
      });
    });
  }

  #manage(connection: Connection, address: string, message: Message): void {
    const properties = (message.application_properties ?? {}) as Record<string, unknown>;
    const operation = String(properties["operation"]);
    this.requests.push(operation);
    const body = (message.body ?? {}) as Record<string, unknown>;
    const answer = (
      statusCode: number,
      statusDescription: string,
      told: unknown,
      condition?: string,
    ): void =>
      this.#reply(connection, message, {
        application_properties: {
          // Microsoft's libraries take no other type.
          statusCode: rhea.types.wrap_int(statusCode),
          statusDescription,
          ...(condition && { errorCondition: condition }),
        },
        body: told,
      });
    if (operation === "READ") {
      const hub = this.hub(String(properties["name"]));
      if (properties["type"] === "com.microsoft:partition")
        return answer(200, "OK", hub.describePartition(String(properties["partition"])));
      const { wrap_array, wrap_int, wrap_timestamp } = rhea.types as unknown as Record<
        string,
        (...values: unknown[]) => unknown
      >;
      return answer(200, "OK", {
        name: hub.name,
        type: "com.microsoft:eventhub",
        created_at: wrap_timestamp?.(hub.created),
        partition_count: wrap_int?.(hub.ids.length),
        partition_ids: wrap_array?.(hub.ids, 0xa1),
      });
    }
    const queue = this.queue(address.replace(/\/\$management$/i, ""));
    if (operation === "com.microsoft:renew-lock") {
      const tokens = (body["lock-tokens"] ?? []) as Buffer[];
      const until = tokens.map((token) => queue.renew(token));
      if (until.includes(undefined))
        return answer(
          410,
          "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.",
          {},
          "com.microsoft:message-lock-lost",
        );
      const { wrap_array } = rhea.types as unknown as Record<
        string,
        (...values: unknown[]) => unknown
      >;
      return answer(200, "OK", { expirations: wrap_array?.(until, 0x83) });
    }
    if (operation === "com.microsoft:renew-session-lock") {
      const until = queue.renewSession(
        String(body["session-id"]),
        String(properties["associated-link-name"]),
      );
      if (until === undefined)
        return answer(410, "The session lock has expired.", {}, "com.microsoft:session-lock-lost");
      return answer(200, "OK", { expiration: rhea.types.wrap_timestamp(until) });
    }
    answer(501, `${operation} is not implemented`, {});
  }

  #reply(connection: Connection, { message_id, reply_to }: Message, message: object): void {
    const sender = this.#replies.get(connection)?.get(String(reply_to));
    sender?.send({ body: "", ...message, correlation_id: message_id } as Message);
  }

  #pump(sender: Sender): void {
    for (const queue of this.#queues.values())
      if (queue.links.some((link) => link.sender === sender)) queue.pump();
    for (const hub of this.#hubs.values()) hub.pumpAll();
  }

  #left(sender: Sender): void {
    for (const queue of this.#queues.values()) queue.detach(sender);
    for (const hub of this.#hubs.values()) hub.detach(sender);
  }

  #settled(
    delivery: Delivery,
    sender: Sender,
    outcome: "accepted" | "released" | "modified" | "rejected",
  ): void {
    const queue = [...this.#queues.values()].find(({ links }) =>
      links.some((link) => link.sender === sender),
    );
    // Of a link that was ended nothing is said any more.
    if (queue === undefined) return;
    const state = delivery.remote_state as unknown as Record<string, unknown>;
    const problem = queue.settle(delivery, outcome, state);
    const { message } = rhea as unknown as {
      message: Record<string, (fields?: object) => { described(): unknown }>;
    };
    const lost = {
      error: {
        condition: "com.microsoft:message-lock-lost",
        description: "The lock supplied is invalid.",
      },
    };
    const answer =
      problem === undefined
        ? message[outcome]?.(outcome === "modified" ? { delivery_failed: true } : undefined)
        : message["rejected"]?.(lost);
    const inner = delivery as unknown as { id: number; settled: boolean; remote_settled: boolean };
    const said = {
      role: false,
      first: inner.id,
      last: inner.id,
      settled: true,
      state: answer?.described(),
    };
    // Its own way of saying so would merge neighbours.
    (sender.session as unknown as { output(frame: unknown): void }).output(
      frames.disposition(said),
    );
    inner.settled = true;
    inner.remote_settled = true;
  }
}

function refuse(link: Sender | Receiver, condition: string, description: string): void {
  (link as unknown as Attached).local.attach[link.is_sender() ? "source" : "target"] = undefined;
  link.close({ condition, description });
}
