import { BindingError } from "../../errors.ts";
import type { Driver } from "../../amqp-client/driver.ts";
import type { AmqpMetadata } from "./fields.ts";

const unsettledState = 2;
/** The descriptor of `apache.org:selector-filter:string`. */
const selectorFilter = 0x0000_468c_0000_0004;

/** How the reader's link is attached. */
export function sourceOf({ rhea }: Driver, metadata: AmqpMetadata): object {
  const { address, capability, subscriptionName, sharedSubscription, selector } = metadata;
  const isTopic = capability === "topic" || Boolean(subscriptionName);
  const named = capability ?? (isTopic ? "topic" : undefined);
  const capabilities = [
    ...(named === undefined ? [] : [named]),
    // Without a container of its own a shared subscription is everybody's.
    ...(sharedSubscription ? ["shared", ...(metadata.containerId ? [] : ["global"])] : []),
  ];
  return {
    name: subscriptionName || `cufflink-${crypto.randomUUID()}`,
    source: {
      address,
      ...(subscriptionName ? { durable: unsettledState, expiry_policy: "never" } : {}),
      ...(selector
        ? { filter: { "jms-selector": rhea.types.wrap_described(selector, selectorFilter) } }
        : {}),
      outcomes: ["amqp:accepted:list", "amqp:released:list", "amqp:modified:list"],
      ...(capabilities.length > 0 ? { capabilities } : {}),
    },
    target: {},
    credit_window: 0,
    autoaccept: false,
    autosettle: false,
    snd_settle_mode: 0,
    rcv_settle_mode: 0,
  };
}

/** Throws a `BindingError` where the fields do not go together. */
export function checkSource({
  capability,
  subscriptionName,
  sharedSubscription,
  containerId,
}: AmqpMetadata): void {
  const problem =
    subscriptionName && capability === "queue"
      ? "subscriptionName is for a topic, and capability says queue"
      : sharedSubscription && !subscriptionName
        ? "sharedSubscription needs subscriptionName"
        : subscriptionName && !sharedSubscription && !containerId
          ? "subscriptionName needs containerId, to which the subscription belongs, or sharedSubscription: true"
          : undefined;
  if (problem !== undefined) throw new BindingError("invalid_argument", problem);
}
