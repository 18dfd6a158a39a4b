import type { AddressInfo, Server, Socket } from "node:net";
import type { Connection, EventContext, Receiver, Sender } from "rhea";
import { endAfterTest } from "../contract.ts";
import { rhea } from "./peer.ts";

/** What the server does with a message that comes. */
export type Answer = (context: EventContext, server: StandIn) => void;

export type StandInOptions = {
  /** Default: accepts it. */
  readonly answer?: Answer;
  /** Credit of each link that sends to it. Default 100. */
  readonly credit?: number;
  /** Further options of the listener: TLS, SASL. */
  readonly listen?: object;
  /** Options of links that send to it, as `max_message_size`. */
  readonly receiverOptions?: object;
  readonly enter?: (user: string, password: string) => boolean;
  readonly connected?: (connection: Connection) => void;
  /** What a link that reads from it is given. Default: nothing. */
  readonly attached?: (sender: Sender) => void;
  readonly external?: boolean;
};

/** A server of AMQP 1.0 by the driver's other half, whose outcomes and frames a test chooses. */
export class StandIn {
  readonly received: EventContext[] = [];
  readonly receivers: Receiver[] = [];
  readonly senders: Sender[] = [];
  readonly connections: Connection[] = [];
  /** The outcome of each delivery that was sent from here, by its body. */
  readonly outcomes: [body: string, outcome: string][] = [];
  readonly port: number;
  readonly sockets: Set<Socket>;

  constructor(port: number, sockets: Set<Socket>) {
    this.port = port;
    this.sockets = sockets;
  }

  get url(): string {
    return `amqp://127.0.0.1:${this.port}`;
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }
}

export async function startStandIn(options: StandInOptions = {}): Promise<StandIn> {
  const { answer, credit = 100, receiverOptions = {}, enter } = options;
  const container = rhea.create_container({ ...{ treat_modified_as_released: false } });
  const sasl = container.sasl_server_mechanisms as {
    enable_anonymous(): void;
    enable_plain(check: (user: string, password: string) => boolean): void;
  };
  if (enter !== undefined) sasl.enable_plain(enter);
  else if (options.external !== true) sasl.enable_anonymous();
  const sockets = new Set<Socket>();
  const listener = container.listen({
    port: 0,
    host: "127.0.0.1",
    receiver_options: { autoaccept: false, credit_window: 0, ...receiverOptions },
    ...options.listen,
  } as never) as unknown as Server;
  listener.on("connection", (socket: Socket) => {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => listener.once("listening", () => resolve()));
  const server = new StandIn((listener.address() as AddressInfo).port, sockets);
  container.on("connection_open", ({ connection }: EventContext) => {
    server.connections.push(connection);
    options.connected?.(connection);
  });
  container.on("receiver_open", ({ receiver }: EventContext) => {
    if (receiver === undefined) return;
    server.receivers.push(receiver);
    receiver.set_target(receiver.target);
    if (credit > 0) receiver.add_credit(credit);
  });
  container.on("sender_open", ({ sender }: EventContext) => {
    if (sender === undefined) return;
    server.senders.push(sender);
    sender.set_source(sender.source);
    options.attached?.(sender);
  });
  container.on("sender_draining", ({ sender }: EventContext) => sender?.set_drained(true));
  container.on("message", (context: EventContext) => {
    server.received.push(context);
    if (answer === undefined) context.delivery?.accept();
    else answer(context, server);
    if (credit > 0) context.receiver?.add_credit(1);
  });
  for (const outcome of ["accepted", "rejected", "released", "modified"]) {
    container.on(outcome, ({ delivery }: EventContext) => {
      const body = sentBodies.get(delivery as object);
      if (body !== undefined) server.outcomes.push([body, outcome]);
    });
  }
  for (const name of ["disconnected", "error", "connection_error", "connection_close"])
    container.on(name, () => {});
  for (const name of ["session_error", "receiver_error", "sender_error", "protocol_error"])
    container.on(name, () => {});
  endAfterTest(async () => {
    server.cut();
    await new Promise((resolve) => listener.close(resolve));
  });
  return server;
}

const sentBodies = new WeakMap<object, string>();

/** Sends texts to who reads; their outcomes are in {@link StandIn.outcomes}. */
/** With the texts as message ids, too. */
export function sendNamed(sender: Sender, texts: readonly string[], header: object = {}): void {
  for (const text of texts) {
    const body = rhea.message.data_section(Buffer.from(text));
    sentBodies.set(sender.send({ ...header, message_id: text, body }), text);
  }
}

export function sendTexts(sender: Sender, ...texts: string[]): void {
  for (const text of texts) {
    const delivery = sender.send({ body: rhea.message.data_section(Buffer.from(text)) });
    sentBodies.set(delivery, text);
  }
}
