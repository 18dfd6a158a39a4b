import { BindingError } from "../../errors.ts";
import { escapeXml, parseXml, textAt } from "../../text/xml.ts";
import { isDenied } from "./storage-failures.ts";
import { storagePermissions } from "./storage-permissions.ts";
import type { StorageClient } from "./storage-client.ts";

/** A message that a queue has given out, invisible to others for a while. */
export type QueueMessage = {
  readonly id: string;
  /** Proves that nobody else was given it since. */
  readonly popReceipt: string;
  /** Times as the service writes them. */
  readonly insertionTime: string;
  readonly expirationTime: string;
  readonly nextVisibleTime: string;
  readonly dequeueCount: number;
  readonly text: string;
};

/** One queue of Azure Storage. Times are in seconds. */
export class QueueClient {
  readonly #storage: StorageClient;
  readonly name: string;

  constructor(storage: StorageClient, name: string) {
    // Azure's rule. Emulators and private clouds take more, but nothing that is a path.
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/i.test(name))
      throw new BindingError(
        "invalid_argument",
        "queueName may have letters, digits and hyphens only",
      );
    this.#storage = storage;
    this.name = name;
  }

  /** Makes the queue if it is not there. False: that is not allowed. */
  async create(signal: AbortSignal): Promise<boolean> {
    const what = `creating queue ${this.name}`;
    try {
      await this.#storage.send(what, { method: "PUT", path: [this.name] }, signal);
      return true;
    } catch (error) {
      if (isDenied(error)) return false;
      const isThere = error instanceof BindingError && error.reason === "already_exists";
      if (isThere) return true;
      throw error;
    }
  }

  /** About how many messages there are, those that are out among them. */
  async count(signal: AbortSignal): Promise<number> {
    const wanted = { method: "GET", path: [this.name], query: { comp: "metadata" } };
    const { headers } = await this.#storage.send(`asking for queue ${this.name}`, wanted, signal);
    return Number(headers["x-ms-approximate-messages-count"] ?? 0);
  }

  /** Stores a message. Without `ttl` the service keeps it for seven days. */
  async put(
    text: string,
    { ttl, delay }: { readonly ttl?: number | undefined; readonly delay?: number | undefined },
    signal: AbortSignal,
  ): Promise<void> {
    if (!isXmlText(text))
      throw new BindingError(
        "invalid_argument",
        "a queue takes texts only, without control characters; set encodeBase64 for other data",
      );
    const query = {
      ...(ttl === undefined ? {} : { messagettl: String(ttl) }),
      ...(delay === undefined ? {} : { visibilitytimeout: String(delay) }),
    };
    const xml = `<?xml version="1.0" encoding="utf-8"?><QueueMessage><MessageText>${escapeXml(text)}</MessageText></QueueMessage>`;
    await this.#storage.send(
      `sending to queue ${this.name}`,
      {
        method: "POST",
        path: [this.name, "messages"],
        query,
        ...xmlBody(xml),
        needs: storagePermissions.sendMessage,
      },
      signal,
    );
  }

  /** Takes at most so many messages, up to 32, which are invisible for so long. */
  async take(count: number, visibility: number, signal: AbortSignal): Promise<QueueMessage[]> {
    const query = { numofmessages: String(count), visibilitytimeout: String(visibility) };
    const needs = storagePermissions.takeMessages;
    const wanted = { method: "GET", path: [this.name, "messages"], query, needs };
    const what = `reading queue ${this.name}`;
    const { body } = await this.#storage.send(what, wanted, signal);
    const list = parseXml(body.toString("utf8"));
    if (list === undefined)
      throw new BindingError("internal", `${what}: the answer is no list of messages`, {
        effect: "ambiguous",
      });
    return list.children.map((message) => ({
      id: textAt(message, "MessageId") ?? "",
      popReceipt: textAt(message, "PopReceipt") ?? "",
      insertionTime: textAt(message, "InsertionTime") ?? "",
      expirationTime: textAt(message, "ExpirationTime") ?? "",
      nextVisibleTime: textAt(message, "TimeNextVisible") ?? "",
      dequeueCount: Number(textAt(message, "DequeueCount") ?? 1),
      text: textAt(message, "MessageText") ?? "",
    }));
  }

  /**
   * Makes a message visible to others after so long from now, and returns its next pop receipt. `undefined`: it was
   * given to somebody else, or is gone.
   */
  async update(
    id: string,
    popReceipt: string,
    visibility: number,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const query = { popreceipt: popReceipt, visibilitytimeout: String(visibility) };
    const path = [this.name, "messages", id];
    const needs = storagePermissions.keepMessage;
    const wanted = { method: "PUT", path, query, needs };
    const answered = await unlessGone(
      this.#storage.send(`keeping message ${id} of queue ${this.name}`, wanted, signal),
    );
    if (answered === undefined) return undefined;
    const next = answered.headers["x-ms-popreceipt"];
    return typeof next === "string" ? next : popReceipt;
  }

  /** False: it was given to somebody else, or is gone. */
  async delete(id: string, popReceipt: string, signal: AbortSignal): Promise<boolean> {
    const path = [this.name, "messages", id];
    const needs = storagePermissions.deleteMessage;
    const wanted = { method: "DELETE", path, query: { popreceipt: popReceipt }, needs };
    const what = `deleting message ${id} of queue ${this.name}`;
    return (await unlessGone(this.#storage.send(what, wanted, signal))) !== undefined;
  }
}

async function unlessGone<Answer>(sent: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await sent;
  } catch (error) {
    const code = error instanceof BindingError ? error.systemCode : undefined;
    if (code === "MessageNotFound" || code === "PopReceiptMismatch" || code === "404")
      return undefined;
    throw error;
  }
}

function xmlBody(xml: string): { headers: Record<string, string>; body: Uint8Array } {
  return { headers: { "content-type": "application/xml; charset=utf-8" }, body: Buffer.from(xml) };
}

/** Whether XML 1.0 has a way to write the text: most control characters have none. */
function isXmlText(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- the very characters that are refused
  return text.isWellFormed() && !/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(text);
}
