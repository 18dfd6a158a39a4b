import { BindingError } from "../../errors.ts";
import type { AmqpConnection } from "../../amqp-client/connection.ts";
import { SenderLink } from "../../amqp-client/sender.ts";

/** Links that are kept open; one that is idle gives way to another address. */
const mostLinks = 100;
const longestAddress = 4096;

/** Sends to any address, each by a link of its own that is opened at the first message. */
export class Producer {
  readonly #connection: AmqpConnection;
  readonly #capability: string | undefined;
  /** In the order of their last use. */
  readonly #links = new Map<string, SenderLink>();

  constructor(connection: AmqpConnection, capability: string | undefined) {
    this.#connection = connection;
    this.#capability = capability;
  }

  /** Resolves once the server has accepted the message. */
  async send(address: string, message: Buffer, signal: AbortSignal): Promise<void> {
    checkAddress(address);
    const { ended } = this.#connection;
    if (ended !== undefined) {
      const { reason, systemCode } = ended;
      throw new BindingError(reason, ended.message, { effect: "unsent", systemCode, cause: ended });
    }
    await this.#link(address).send(message, signal);
  }

  #link(address: string): SenderLink {
    const found = this.#links.get(address);
    this.#links.delete(address);
    const link =
      found === undefined || found.ended !== undefined
        ? new SenderLink(this.#connection, address, this.#capability)
        : found;
    this.#links.set(address, link);
    for (const [name, one] of this.#links) {
      if (this.#links.size <= mostLinks) break;
      if (one === link || !one.idle) continue;
      this.#links.delete(name);
      one.close();
    }
    return link;
  }
}

/** Throws a `BindingError`. */
export function checkAddress(address: string): void {
  if (address !== "" && address.length <= longestAddress && !/\p{Cc}/u.test(address)) return;
  throw new BindingError(
    "invalid_argument",
    `the address must have 1 to ${longestAddress} characters, and no control characters`,
  );
}
