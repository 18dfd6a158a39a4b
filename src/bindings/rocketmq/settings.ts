import { BindingError } from "../../errors.ts";
import { addressOf } from "./client.ts";
import type { RocketmqMetadata } from "./fields.ts";
import type { Resource, Subscription } from "./requests.ts";

/** A topic of a component's, with what stands behind it. */
export type Topic = { readonly name: string; readonly expression: string };

/** As the server checks names of topics and groups. */
const nameForm = /^[%|a-zA-Z0-9_-]+$/;
const longestTopic = 127;
const longestGroup = 120;

const remotingOnly =
  "the metadata has no proxyEndpoint. nameServer and endpoint are addresses of protocols for which no client for Node is kept; start RocketMQ 5's proxy beside the brokers (mqproxy -n NAMESERVER, it serves brokers of 4.9 too), and name its gRPC address, by default port 8081, as proxyEndpoint";

/** Throws a `BindingError` for what no server would mend. */
export function checkSettings(metadata: RocketmqMetadata, isRead: boolean): void {
  const { proxyEndpoint, accessKey, secretKey, consumerGroup, securityToken } = metadata;
  if (!proxyEndpoint) throw refused(remotingOnly);
  addressOf(proxyEndpoint, metadata.tls);
  if (Boolean(accessKey) !== Boolean(secretKey))
    throw refused("the metadata has one of accessKey and secretKey; give both or neither");
  checkHeader("accessKey", accessKey, /^[!-+\--~]*$/);
  checkHeader("instanceId", metadata.instanceId, /^[!-~]*$/);
  checkHeader("securityToken", securityToken, /^([!-~]([ -~]*[!-~])?)?$/);
  const topics = topicsOf(metadata);
  if (!isRead) return;
  if (!consumerGroup) throw refused("the metadata has no consumerGroup, which reading requires");
  if (consumerGroup.length > longestGroup || !nameForm.test(consumerGroup))
    throw refused("the metadata consumerGroup is no name of a consumer group");
  if (topics.length === 0) throw refused("the metadata has no topics, which reading requires");
  const { invisibleDuration, waitTime } = metadata;
  if (invisibleDuration < 10_000 || invisibleDuration > 43_200_000)
    throw refused("the metadata invisibleDuration must be from 10s to 12h");
  if (waitTime < 1_000 || waitTime > 20_000)
    throw refused("the metadata waitTime must be from 1s to 20s");
}

/** The component's topics. Throws a `BindingError`. */
export function topicsOf({ topics = [] }: Pick<RocketmqMetadata, "topics">): readonly Topic[] {
  return topics.map((written) => {
    const parts = written.split("||");
    const [name = "", expression = ""] = parts;
    if (parts.length > 2)
      throw refused(
        "binding-rocketmq config error: invalid format topic , must topicName||Expression(optional)",
      );
    return { name: topicName(name.trim()), expression: expression.trim() };
  });
}

/** The name of a topic, as it was written. Throws a `BindingError`. */
export function topicName(name: string): string {
  if (name.length <= longestTopic && nameForm.test(name)) return name;
  throw refused("a topic's name has up to 127 letters, digits, _, -, % and |, and no others");
}

export function resourceOf({ instanceId = "" }: RocketmqMetadata, name: string): Resource {
  return { namespace: instanceId, name };
}

export function subscriptionsOf(metadata: RocketmqMetadata): readonly Subscription[] {
  return topicsOf(metadata).map(({ name, expression }) => ({
    topic: resourceOf(metadata, name),
    filter: { type: metadata.subscriptionType, expression: expression || "*" },
  }));
}

function checkHeader(field: string, value: string | undefined, form: RegExp): void {
  if (value && !form.test(value))
    throw refused(`the metadata ${field} has characters that it cannot have`);
}

function refused(text: string): BindingError {
  return new BindingError("invalid_argument", text);
}
