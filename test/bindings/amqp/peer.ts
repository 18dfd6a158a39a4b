import rhea from "rhea";
import type { Connection, Delivery, EventContext, Message, Receiver, Sender } from "rhea";
import { endAfterTest } from "../contract.ts";

export { rhea };

/** Another client of the server, as its other users are. */
export type Peer = {
  readonly connection: Connection;
  send(address: string, message: Partial<Message>, capability?: string): Promise<void>;
  /** The messages that wait there, taken away; resolves once so many have come. */
  receive(address: string, count: number): Promise<EventContext[]>;
  /** How many messages wait there: those that come until the server has no more. They are given back. */
  count(address: string): Promise<number>;
  close(): Promise<void>;
};

/** Connects to the server of the URL, and ends with the test. */
export async function connectPeer(url: string): Promise<Peer> {
  const { hostname, port, username, password } = new URL(url);
  const connection = rhea.create_container().create_connection({
    ...{ host: hostname, port: Number(port), username, password, reconnect: false },
  });
  const opened = Promise.withResolvers<void>();
  connection.on("connection_open", () => opened.resolve());
  connection.on("connection_error", () => opened.reject(new Error("the peer was refused")));
  connection.on("disconnected", () => opened.reject(new Error("the peer's connection has gone")));
  connection.connect();
  await opened.promise;
  const senders = new Map<string, Promise<Sender>>();
  const senderTo = (address: string, capability?: string): Promise<Sender> => {
    const known = senders.get(address);
    if (known !== undefined) return known;
    const target = { address, ...(capability && { capabilities: [capability] }) };
    const sender = connection.open_sender({ target });
    const made = new Promise<Sender>((resolve, reject) => {
      sender.once("sendable", () => resolve(sender));
      sender.once("sender_error", () => reject(new Error("the link was refused")));
      sender.once("sender_close", () => reject(new Error("the link was closed")));
      connection.once("disconnected", () => reject(new Error("the peer's connection has gone")));
    });
    senders.set(address, made);
    return made;
  };
  const peer: Peer = {
    connection,
    async send(address, message, capability = "queue") {
      if (!connection.is_open()) throw new Error("the peer's connection has gone");
      const sender = await senderTo(address, capability);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const delivery = sender.send({ durable: true, ...message } as Message);
      const settle = (context: EventContext, end: () => void): void => {
        if (context.delivery === delivery) end();
      };
      const accepted = (context: EventContext) => settle(context, resolve);
      const other = (context: EventContext) =>
        settle(context, () => reject(new Error("the message was not accepted")));
      const gone = () => reject(new Error("the peer's connection has gone"));
      const events = [
        ["accepted", accepted],
        ["rejected", other],
        ["released", other],
        ["modified", other],
      ] as const;
      for (const [name, listener] of events) sender.on(name, listener);
      connection.on("disconnected", gone);
      try {
        await promise;
      } finally {
        for (const [name, listener] of events) sender.off(name, listener);
        connection.off("disconnected", gone);
      }
    },
    async receive(address, count) {
      const came: EventContext[] = [];
      if (count === 0) return came;
      const receiver = open(address);
      const { promise, resolve } = Promise.withResolvers<void>();
      receiver.on("message", (context) => {
        came.push(context);
        (context.delivery as Delivery).accept();
        if (came.length === count) resolve();
      });
      receiver.on("receiver_open", () => receiver.add_credit(count));
      await promise;
      await closed(receiver);
      return came;
    },
    async count(address) {
      let count = 0;
      const receiver = open(address);
      const { promise, resolve } = Promise.withResolvers<void>();
      receiver.on("message", () => count++);
      receiver.on("receiver_drained", () => resolve());
      receiver.on("receiver_open", () => {
        receiver.add_credit(1000);
        receiver.drain_credit();
      });
      await promise;
      await closed(receiver);
      return count;
    },
    async close() {
      if (!connection.is_open()) return;
      await new Promise<void>((resolve) => {
        connection.once("connection_close", () => resolve());
        connection.once("disconnected", () => resolve());
        connection.close();
      });
    },
  };
  const open = (address: string): Receiver =>
    connection.open_receiver({
      source: { address, capabilities: ["queue"] },
      ...{ credit_window: 0, autoaccept: false },
    });
  endAfterTest(() => peer.close());
  return peer;
}

function closed(receiver: Receiver): Promise<void> {
  return new Promise((resolve) => {
    receiver.once("receiver_close", () => resolve());
    receiver.close();
  });
}

/** The bytes of a message's body, a data section. */
export function bodyOf({ message }: EventContext): Buffer {
  const body = message?.body as { content?: unknown } | undefined;
  const content = body?.content;
  return Buffer.isBuffer(content) ? content : Buffer.concat(content as Buffer[]);
}

/** A body of bytes. */
export function bytes(data: Uint8Array | string): unknown {
  return rhea.message.data_section(Buffer.from(data as string));
}

/** Has Artemis' management do something, as `destroyQueue`. */
export async function manage(
  peer: Peer,
  operation: string,
  parameters: readonly unknown[],
): Promise<void> {
  await peer.send(
    "activemq.management",
    {
      application_properties: { _AMQ_ResourceName: "broker", _AMQ_OperationName: operation },
      body: JSON.stringify(parameters),
    },
    "",
  );
}
