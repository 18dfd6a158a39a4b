import type { Base, ClusterMetadata } from "@platformatic/kafka";
import { BindingError } from "../../errors.ts";
import { errorOf } from "./failures.ts";

// A topic that is made on demand has no leader at first.
const tries = 5;

/** Knows the partitions of one topic and their leaders; asks again when that is too old, or was forgotten. */
export class TopicLookup {
  readonly #client: Base;
  readonly #topic: string;
  readonly #maxAge: number;
  #asking: Promise<ClusterMetadata> | undefined;
  #known: { readonly cluster: ClusterMetadata; readonly until: number } | undefined;

  /** `maxAge` in milliseconds. */
  constructor(client: Base, topic: string, maxAge: number) {
    this.#client = client;
    this.#topic = topic;
    this.#maxAge = maxAge;
  }

  /** Ask again the next time: what is known proved wrong. */
  forget(): void {
    this.#known = undefined;
  }

  /** The cluster as it is known. Rejects with the driver's error. */
  cluster(): Promise<ClusterMetadata> {
    const known = this.#known;
    if (known !== undefined && Date.now() < known.until) return Promise.resolve(known.cluster);
    this.#asking ??= this.#client
      .metadata({
        topics: [this.#topic],
        forceUpdate: true,
        // Where the brokers allow it, a topic that is not there is made, as daprd's writer has it made.
        autocreateTopics: true,
        retries: tries - 1,
      })
      .then((cluster) => {
        this.#known = { cluster, until: Date.now() + this.#maxAge };
        return cluster;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  /** The node that leads a partition; -1: none, or not known. */
  leaderIn(cluster: ClusterMetadata, partition: number): number {
    return cluster.topics.get(this.#topic)?.partitions[partition]?.leader ?? -1;
  }

  /** How many partitions the topic has as far as is known without asking; 0: it must be asked. */
  get knownPartitions(): number {
    const known = this.#known;
    if (known === undefined || Date.now() >= known.until) return 0;
    return known.cluster.topics.get(this.#topic)?.partitionsCount ?? 0;
  }

  /** How many partitions the topic has, never 0. Rejects with a `BindingError`; nothing was sent then. */
  async partitions(): Promise<number> {
    let cluster: ClusterMetadata;
    try {
      cluster = await this.cluster();
    } catch (error) {
      const failed = errorOf(
        `kafka error: topic ${this.#topic} could not be looked up`,
        error,
        "unsent",
      );
      if (!failed.message.includes("Unknown topic")) throw failed;
      throw this.#missing(error);
    }
    const count = cluster.topics.get(this.#topic)?.partitionsCount ?? 0;
    if (count === 0) throw this.#missing();
    return count;
  }

  #missing(cause?: unknown): BindingError {
    return new BindingError(
      "not_found",
      `kafka error: there is no topic ${this.#topic}, and the brokers do not create it for this client; create it first`,
      {
        effect: "unsent",
        systemCode: "UNKNOWN_TOPIC_OR_PARTITION",
        cause,
      },
    );
  }
}
