import type { Base, ClusterTopicMetadata } from "@platformatic/kafka";
import { messageOf } from "../../errors.ts";
import { anyConnection, requestOf } from "./client.ts";
import type { Driver } from "./client.ts";

type MetadataAnswer = {
  topics: { errorCode: number; name: string | null }[];
};

const nothing: ClusterTopicMetadata = { id: "", partitions: [], partitionsCount: 0, lastUpdate: 0 };

/**
 * Makes a client tell a topic that is not there as one without partitions. The driver fails for all topics then, and a
 * group that one member asks for such a topic could not meet.
 */
export function tellMissingTopics(driver: Driver, client: Base): void {
  const describe = client[driver.kMetadata].bind(client);
  const missing = new Set<string>();
  client[driver.kMetadata] = (options, callback): void => {
    const topics = options.topics ?? [];
    const look = async (): Promise<void> => {
      const found = await findMissing(driver, client, topics);
      for (const topic of topics) missing[found.has(topic) ? "add" : "delete"](topic);
    };
    const ask = (again: boolean): void => {
      const present = topics.filter((topic) => !missing.has(topic));
      describe({ ...options, topics: present }, (error, cluster) => {
        if (error && again && messageOf(error).includes("Unknown topic")) {
          look().then(() => ask(false), callback);
          return;
        }
        for (const topic of topics)
          if (missing.has(topic))
            cluster?.topics.set(topic, { ...nothing, lastUpdate: Date.now() });
        callback(error, cluster);
      });
    };
    const stale = options.forceUpdate === true && topics.some((topic) => missing.has(topic));
    if (stale) look().then(() => ask(true), callback);
    else ask(true);
  };
}

async function findMissing(
  driver: Driver,
  client: Base,
  topics: readonly string[],
): Promise<Set<string>> {
  const request = await requestOf<
    [topics: readonly string[], create: boolean, operations: boolean],
    MetadataAnswer
  >(driver, client, "Metadata");
  const connection = await anyConnection(driver, client);
  let answer: MetadataAnswer;
  try {
    answer = await request.async(connection, topics, false, false);
  } catch (error) {
    // An error of one topic comes with what is known of the others.
    if (!(error instanceof driver.ResponseError)) throw error;
    answer = error["response"] as MetadataAnswer;
  }
  const unknown = driver.protocolErrors["UNKNOWN_TOPIC_OR_PARTITION"]?.code;
  return new Set(
    answer.topics.flatMap(({ errorCode, name }) =>
      errorCode === unknown && name !== null ? [name] : [],
    ),
  );
}
