import { apiPrefix } from "../../nats-client/jetstream.ts";
import { BindingError } from "../../errors.ts";
import { callFailure } from "../../nats-client/failures.ts";
import type { StoreConnection } from "./connection.ts";
import {
  headerNames,
  isGone,
  messageOfApi,
  messageOfHeaders,
  type ApiMessage,
  type StoredMessage,
} from "./messages.ts";
import { partSubject } from "./subjects.ts";

const what = "reading the store on NATS";

/** How often what changes while it is read is read anew. */
const mostTries = 10;
/** Of one request for many messages. */
const page = { batch: 500, bytes: 8 * 1024 * 1024 };

/** Reads one stream. What decides is read from its leader. */
export class StreamReader {
  readonly #connection: StoreConnection;
  readonly stream: string;

  constructor(connection: StoreConnection, stream: string) {
    this.#connection = connection;
    this.stream = stream;
  }

  /** The last message of a subject, or of a filter, from the leader. */
  last(subject: string): Promise<StoredMessage | undefined> {
    return this.#get({ last_by_subj: subject });
  }

  /** One message by its sequence, from the leader. */
  at(sequence: number): Promise<StoredMessage | undefined> {
    return this.#get({ seq: sequence });
  }

  /** The last message of a subject, unless it says that there is none. */
  async present(subject: string): Promise<StoredMessage | undefined> {
    const found = await this.last(subject);
    return found === undefined || isGone(found) ? undefined : found;
  }

  /** The body of a message with its parts; `undefined`: it was changed while its parts were read. */
  async body(message: StoredMessage): Promise<Uint8Array | undefined> {
    const count = Number(message.headers.get(headerNames.parts) ?? 0);
    if (count === 0) return message.body;
    const write = message.headers.get(headerNames.write);
    const all = [message.body];
    for (let number = 1; number <= count; number++) {
      const part = await this.last(partSubject(message.subject, number));
      if (part === undefined || part.headers.get(headerNames.write) !== write) return undefined;
      all.push(part.body);
    }
    return new Uint8Array(Buffer.concat(all));
  }

  /** The record of a subject, whole, with its last message. */
  async whole(
    subject: string,
  ): Promise<{ readonly message: StoredMessage; readonly body: Uint8Array } | undefined> {
    for (let tries = 1; tries <= mostTries; tries++) {
      const message = await this.present(subject);
      if (message === undefined) return undefined;
      const body = await this.body(message);
      if (body !== undefined) return { message, body };
    }
    throw new BindingError(
      "aborted",
      `${what}: a record changes faster than it can be read; try again`,
      { effect: "unsent" },
    );
  }

  /**
   * All messages of a filter, each as it was last, in the order in which they were written; nothing of what was
   * written before is missing. `from`: the least sequence.
   */
  async *scan(filter: string, from = 1): AsyncGenerator<StoredMessage> {
    let newest = (await this.last(filter))?.sequence ?? 0;
    let next = from;
    let tries = 0;
    while (next <= newest) {
      const messages = await this.page(filter, next);
      for (const message of messages) yield message;
      const reached = messages.at(-1)?.sequence;
      if (reached !== undefined) {
        next = reached + 1;
        continue;
      }
      // What was there is gone by now, or was written again; or the server that answered is behind the leader.
      newest = (await this.last(filter))?.sequence ?? 0;
      if (++tries === mostTries) throw behind();
      await new Promise((resolve) => setTimeout(resolve, 20 * tries));
    }
  }

  /** The next messages of a filter, from whichever server has them. */
  async page(filter: string, from: number, batch = page.batch): Promise<StoredMessage[]> {
    const link = await this.#connection.link();
    const { timeout } = link.metadata;
    const inbox = link.driver.createInbox(link.metadata.inboxPrefix);
    const { promise, resolve, reject } = Promise.withResolvers<StoredMessage[]>();
    const messages: StoredMessage[] = [];
    let timer: NodeJS.Timeout | undefined;
    const wait = (): void => {
      clearTimeout(timer);
      const late = new BindingError("deadline_exceeded", `${what}: no answer in time`, {
        effect: "unsent",
      });
      timer = setTimeout(() => reject(late), timeout);
    };
    const subscription = link.subscribe(
      inbox,
      (message) => {
        const code = message.headers?.code ?? 0;
        if (message.data.length === 0 && code !== 0) {
          if (code === 204 || code === 404) return resolve(messages);
          const { description = "" } = message.headers ?? {};
          return reject(new BindingError("unavailable", `${what}: ${code} ${description}`));
        }
        messages.push(messageOfHeaders(message));
        wait();
      },
      (error) => reject(callFailure(error, what)),
    );
    const stop = this.#connection.onDown(() =>
      reject(new BindingError("unavailable", `${what}: the connection is gone`)),
    );
    try {
      wait();
      const body = { seq: from, batch, max_bytes: page.bytes, next_by_subj: filter };
      link.publish(
        `${apiPrefix(link.metadata)}.DIRECT.GET.${this.stream}`,
        JSON.stringify(body),
        inbox,
      );
      return await promise;
    } finally {
      clearTimeout(timer);
      stop();
      void subscription.drain().catch(() => undefined);
    }
  }

  async #get(request: object): Promise<StoredMessage | undefined> {
    const link = await this.#connection.link();
    try {
      const { message } = await link.api<{ message: ApiMessage }>(
        `STREAM.MSG.GET.${this.stream}`,
        request,
        what,
      );
      return messageOfApi(message);
    } catch (error) {
      if (error instanceof BindingError && error.systemCode === noMessage) return undefined;
      throw error;
    }
  }
}

function behind(): BindingError {
  return new BindingError("unavailable", `${what}: a server is far behind its leader; try again`, {
    effect: "unsent",
  });
}

/** JetStream's code for a message that is not there. */
const noMessage = "10037";
