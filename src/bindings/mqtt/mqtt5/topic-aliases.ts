import type { PublishPacket } from "./packets.ts";

/** The numbers that a server puts in place of topics, on one connection. */
export class TopicAliases {
  readonly #maximum: number;
  readonly #topics = new Map<number, string>();

  /** `maximum`: the highest number that the server was told it may use. */
  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  /** The message with its topic. A text: why the connection cannot go on. */
  resolve(message: PublishPacket): PublishPacket | string {
    const { topic } = message;
    const { topicAlias: alias } = message.properties;
    if (alias === undefined) return topic === "" ? "it sent a message without a topic" : message;
    if (alias === 0 || alias > this.#maximum) {
      return `it sent the topic alias ${alias}, and topicAliasMaximum is ${this.#maximum}`;
    }
    if (topic !== "") {
      this.#topics.set(alias, topic);
      return message;
    }
    const known = this.#topics.get(alias);
    return known === undefined
      ? `it sent the topic alias ${alias} without having said what it stands for`
      : { ...message, topic: known };
  }
}
