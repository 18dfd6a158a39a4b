import { encode, duration } from "./protobuf.ts";

/** The messages of `apache.rocketmq.v2` that are sent, with the numbers of its published definition. */

/** What has a name: a topic, a consumer group. */
export type Resource = { readonly namespace: string; readonly name: string };

export type Address = { readonly host: string; readonly port: number };

/** What a subscription wants of a topic: `*`, tags, or an SQL condition on properties. */
export type Filter = { readonly type: "tag" | "sql"; readonly expression: string };

export type Subscription = { readonly topic: Resource; readonly filter: Filter };

/** A message to be sent. */
export type Outgoing = {
  readonly topic: Resource;
  readonly id: string;
  readonly body: Uint8Array;
  readonly properties: readonly (readonly [name: string, value: string])[];
  readonly tag: string;
  readonly keys: readonly string[];
  /** Empty: none. */
  readonly group: string;
  /** Milliseconds since 1970. */
  readonly deliverAt: number | undefined;
  readonly bornHost: string;
  readonly trace: string | undefined;
};

/** Where a topic's messages are read from, or sent to. */
export type Queue = {
  readonly id: number;
  readonly broker: string;
  readonly brokerId: number;
  readonly addresses: readonly Address[];
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  /** The types of messages that it takes, as numbers. Empty: not told. */
  readonly accepts: readonly number[];
};

const messageTypes = { normal: 1, fifo: 2, delay: 3 } as const;
const clientTypes = { producer: 1, simpleConsumer: 3 } as const;
const filterTypes = { tag: 1, sql: 2 } as const;
const identityEncoding = 1;

function resource({ namespace, name }: Resource): Uint8Array {
  return encode([
    [1, namespace || undefined],
    [2, name],
  ]);
}

function endpoints({ host, port }: Address): Uint8Array {
  const bare = host.replace(/^\[|\]$/g, "");
  const scheme = bare.includes(":") ? 2 : /^[\d.]+$/.test(bare) ? 1 : 3;
  return encode([
    [1, scheme],
    [
      2,
      encode([
        [1, bare],
        [2, port],
      ]),
    ],
  ]);
}

function filterOf({ type, expression }: Filter): Uint8Array {
  return encode([
    [1, filterTypes[type]],
    [2, expression],
  ]);
}

function timestamp(time: number): Uint8Array {
  // Both have seconds and nanoseconds.
  return duration(time);
}

/** QueryRouteRequest. */
export function routeRequest(topic: Resource, address: Address): Uint8Array {
  return encode([
    [1, resource(topic)],
    [2, endpoints(address)],
  ]);
}

/** HeartbeatRequest of a consumer. */
export function heartbeatRequest(group: Resource): Uint8Array {
  return encode([
    [1, resource(group)],
    [2, clientTypes.simpleConsumer],
  ]);
}

/** NotifyClientTerminationRequest of a consumer. */
export function terminationRequest(group: Resource): Uint8Array {
  return encode([[1, resource(group)]]);
}

/** TelemetryCommand with the settings of a consumer. */
export function consumerSettings(
  address: Address,
  {
    group,
    subscriptions,
    wait,
  }: {
    readonly group: Resource;
    readonly subscriptions: readonly Subscription[];
    /** Milliseconds. */
    readonly wait: number;
  },
): Uint8Array {
  const subscription = encode([
    [1, resource(group)],
    ...subscriptions.map(
      ({ topic, filter }) =>
        [
          2,
          encode([
            [1, resource(topic)],
            [2, filterOf(filter)],
          ]),
        ] as const,
    ),
    [5, duration(wait)],
  ]);
  const agent = encode([
    [1, 8],
    [2, "5.0.0"],
    [3, "cufflink"],
  ]);
  const settings = encode([
    [1, clientTypes.simpleConsumer],
    [2, endpoints(address)],
    [6, subscription],
    [7, agent],
  ]);
  return encode([[2, settings]]);
}

/** ReceiveMessageRequest: of all queues of one broker. */
export function receiveRequest({
  group,
  topic,
  broker,
  filter,
  most,
  invisible,
  wait,
}: {
  readonly group: Resource;
  readonly topic: Resource;
  readonly broker: string;
  readonly filter: Filter;
  readonly most: number;
  /** Milliseconds, as `wait`. */
  readonly invisible: number;
  readonly wait: number;
}): Uint8Array {
  const queue = encode([
    [1, resource(topic)],
    [2, -1],
    [3, 1],
    [4, encode([[1, broker]])],
  ]);
  return encode([
    [1, resource(group)],
    [2, queue],
    [3, filterOf(filter)],
    [4, most],
    [5, duration(invisible)],
    [7, duration(wait)],
  ]);
}

/** AckMessageRequest. */
export function ackRequest(
  group: Resource,
  topic: Resource,
  entries: readonly { readonly id: string; readonly receipt: string }[],
): Uint8Array {
  return encode([
    [1, resource(group)],
    [2, resource(topic)],
    ...entries.map(
      ({ id, receipt }) =>
        [
          3,
          encode([
            [1, id],
            [2, receipt],
          ]),
        ] as const,
    ),
  ]);
}

/** ChangeInvisibleDurationRequest. */
export function invisibleRequest(
  group: Resource,
  topic: Resource,
  { id, receipt }: { readonly id: string; readonly receipt: string },
  forMilliseconds: number,
): Uint8Array {
  return encode([
    [1, resource(group)],
    [2, resource(topic)],
    [3, receipt],
    [4, duration(forMilliseconds)],
    [5, id],
  ]);
}

/** ForwardMessageToDeadLetterQueueRequest. */
export function deadLetterRequest(
  group: Resource,
  topic: Resource,
  {
    id,
    receipt,
    attempt,
  }: { readonly id: string; readonly receipt: string; readonly attempt: number },
): Uint8Array {
  return encode([
    [1, resource(group)],
    [2, resource(topic)],
    [3, receipt],
    [4, id],
    [5, attempt],
    [6, attempt],
  ]);
}

/** SendMessageRequest with one message. */
export function sendRequest(message: Outgoing, queue: number): Uint8Array {
  const { topic, id, body, properties, tag, keys, group, deliverAt, bornHost, trace } = message;
  const system = encode([
    [1, tag || undefined],
    ...keys.map((key) => [2, key] as const),
    [3, id],
    [5, identityEncoding],
    [6, typeOf(message)],
    [7, timestamp(Date.now())],
    [8, bornHost],
    [11, deliverAt === undefined ? undefined : timestamp(deliverAt)],
    [13, queue || undefined],
    [17, group || undefined],
    [18, trace],
  ]);
  return encode([
    [
      1,
      encode([
        [1, resource(topic)],
        ...properties.map(
          ([name, value]) =>
            [
              2,
              encode([
                [1, name],
                [2, value],
              ]),
            ] as const,
        ),
        [3, system],
        [4, body],
      ]),
    ],
  ]);
}

export function typeOf({ group, deliverAt }: Pick<Outgoing, "group" | "deliverAt">): number {
  if (group !== "") return messageTypes.fifo;
  return deliverAt === undefined ? messageTypes.normal : messageTypes.delay;
}
