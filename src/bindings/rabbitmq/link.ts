import { abortFailure } from "../../abortable.ts";
import type * as amqplib from "amqplib";
import type { ChannelModel, Options, SocketOptions } from "amqplib";
import { BindingError, messageOf } from "../../errors.ts";
import { tlsMaterial } from "../../tls/pem.ts";
import { failure } from "./failures.ts";
import type { RabbitmqMetadata } from "./fields.ts";
import { keepHeaderBytes } from "./header-bytes.ts";

/** The driver, loaded when the first component needs it. */
export type Driver = typeof amqplib;

/** A connection to the server. It never reconnects by itself. */
export type Connection = {
  readonly model: ChannelModel;
  /** Why the server takes no messages at the moment; `undefined`: it does. */
  readonly blocked: string | undefined;
  /** What ended it; `undefined` while it lives. */
  readonly ended: BindingError | undefined;
  /** Closes it in good order, or cuts it when that takes too long. Never rejects. */
  close(): Promise<void>;
};

const connectTimeout = 30_000;
const closeTimeout = 2000;

/**
 * Connects and authenticates. `lost` is called once if the connection ends otherwise than by
 * `close`.
 */
export async function connect(
  driver: Driver,
  metadata: RabbitmqMetadata,
  name: string,
  signal: AbortSignal,
  lost: (reason: BindingError) => void,
): Promise<Connection> {
  const { address, socket } = optionsOf(driver, metadata, name);
  const where = `${address.hostname}:${address.port}`;
  let model: ChannelModel;
  try {
    const connecting = driver.connect(address, socket);
    model = await abortable(connecting, signal, `connecting to RabbitMQ at ${where}`, discard);
  } catch (error) {
    // Of this refusal the driver keeps neither the code nor the text.
    const refused = /ConnectionOpenOk; got <ConnectionClose/.test(messageOf(error));
    const vhost = address.vhost || "/";
    throw refused
      ? new BindingError(
          "permission_denied",
          `RabbitMQ at ${where} does not let this user in: there is no virtual host ${vhost}, or no right to it`,
          { effect: "unsent", systemCode: "530", cause: error },
        )
      : failure(`RabbitMQ at ${where} cannot be used`, error);
  }
  keepHeaderBytes(model.connection);
  return linkOf(model, where, lost);
}

function linkOf(
  model: ChannelModel,
  where: string,
  lost: (reason: BindingError) => void,
): Connection {
  let blocked: string | undefined;
  let ended: BindingError | undefined;
  let closing = false;
  let firstError: unknown;
  model.on("blocked", (reason: string) => (blocked = reason));
  model.on("unblocked", () => (blocked = undefined));
  model.on("error", (error: unknown) => (firstError ??= error));
  model.on("close", (error: unknown) => {
    const reason = firstError ?? error ?? new Error("the connection was closed");
    ended = failure(`the connection to RabbitMQ at ${where} was lost`, reason);
    if (!closing) lost(ended);
  });
  return {
    model,
    get blocked() {
      return blocked;
    },
    get ended() {
      return ended;
    },
    async close() {
      closing = true;
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, closeTimeout);
      });
      // Refused when the server closed it at the same moment.
      const closed = ended === undefined ? model.close().catch(() => {}) : undefined;
      await Promise.race([closed, late]);
      clearTimeout(timer);
      cut(model);
    },
  };
}

/** Ends the socket itself: the driver only half-closes it, and a frozen peer would keep it for ever. */
function cut(model: ChannelModel): void {
  const { stream } = model.connection as { stream?: { destroy?(): void } };
  stream?.destroy?.();
}

function optionsOf(
  driver: Driver,
  metadata: RabbitmqMetadata,
  name: string,
): { address: Options.Connect; socket: SocketOptions } {
  const url = parseHost(metadata.host);
  const query = url.searchParams;
  const secure = url.protocol === "amqps:";
  const user = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  const anonymous = user === "" && password === "";
  const credentials = metadata.externalSasl
    ? driver.credentials.external()
    : driver.credentials.plain(anonymous ? "guest" : user, anonymous ? "guest" : password);
  return {
    address: {
      protocol: secure ? "amqps" : "amqp",
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port === "" ? (secure ? 5671 : 5672) : Number(url.port),
      vhost: url.pathname.slice(1),
      heartbeat: numberOr(query.get("heartbeat"), 10),
      channelMax: numberOr(query.get("channel_max"), 0),
    },
    socket: {
      ...(secure ? tlsMaterial(metadata) : {}),
      credentials,
      noDelay: true,
      timeout: numberOr(query.get("connection_timeout"), connectTimeout),
      clientProperties: { connection_name: name, product: "Cufflink" },
    },
  };
}

function parseHost(host: string): URL {
  const url = URL.canParse(host) ? new URL(host) : undefined;
  if (url === undefined || !["amqp:", "amqps:"].includes(url.protocol) || url.hostname === "") {
    // The text may hold a password: it is not quoted.
    throw new BindingError(
      "invalid_argument",
      "the metadata host is not an AMQP URI such as amqp://user:password@rabbitmq:5672",
    );
  }
  return url;
}

function numberOr(text: string | null, otherwise: number): number {
  return text !== null && /^\d+$/.test(text) ? Number(text) : otherwise;
}

/** Fails when the signal aborts. The driver cannot be told to: what still comes about is discarded. */
export async function abortable<Result>(
  running: Promise<Result>,
  signal: AbortSignal,
  what: string,
  discardLate: (result: Result) => void,
): Promise<Result> {
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => {
    reject(abortFailure(what, signal.reason, "unsent"));
    running.then(discardLate, () => {});
  };
  if (signal.aborted) giveUp();
  else signal.addEventListener("abort", giveUp);
  try {
    return await Promise.race([running, givenUp]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

function discard(model: ChannelModel): void {
  model.on("error", () => {});
  cut(model);
}
