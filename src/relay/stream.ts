import { createHash } from "node:crypto";
import { BindingError } from "../errors.ts";
import { isSince } from "../nats-client/jetstream.ts";
import { explainRoom } from "../nats-client/room.ts";
import type { RelayLink } from "./link.ts";

const nanoseconds = 1_000_000;

/** Times of the relay, in milliseconds. */
export type RelayTimes = {
  /** A replica that asks for nothing so long has lost its partitions. */
  readonly pin: number;
  /** How long a replica may deliver events of a partition after it was last told that it has it. Less than `pin`. */
  readonly valid: number;
  /** How often it asks. */
  readonly beat: number;
  /** A message whose acknowledgement is not renewed comes again. */
  readonly ackWait: number;
};

export const usualTimes: RelayTimes = { pin: 5_000, valid: 3_000, beat: 1_000, ackWait: 30_000 };

/** The names of a component's stream, its subjects and consumers. */
export type RelayNames = {
  readonly stream: string;
  readonly subjects: string;
  /** The last message of it is the fencing token: who writes expects its sequence. */
  readonly epoch: string;
  subject(partition: number): string;
  consumer(partition: number): string;
};

/** App ids and components may have any name: what a subject cannot have is written as `=XX` in hexadecimal digits. */
export function namesOf(appId: string, component: string): RelayNames {
  const [app, name] = [encode(appId), encode(component)];
  const root = `cufflink.relay.${app}.${name}`;
  return {
    stream: `cufflink_relay_${app}+${name}`,
    subjects: `${root}.>`,
    epoch: `${root}.epoch`,
    subject: (partition) => `${root}.p.${partition}`,
    consumer: (partition) => `p${partition}`,
  };
}

function encode(text: string): string {
  if (text === "") return "=";
  let encoded = "";
  for (const byte of Buffer.from(text)) {
    const sign = String.fromCharCode(byte);
    encoded += /[\w-]/.test(sign) ? sign : `=${byte.toString(16).padStart(2, "0").toUpperCase()}`;
  }
  // A stream's name is a folder's.
  if (encoded.length <= longestName) return encoded;
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 32);
  return `${encoded.slice(0, longestName - 33)}=${digest}`;
}

const longestName = 100;

export type StreamSettings = {
  /** For a stream that is made: one that is there keeps its own. */
  readonly partitions: number;
  readonly maxBytes: number;
  /** Copies of a stream that is made; `undefined`: as many as servers, up to 3. */
  readonly replicas: number | undefined;
};

export type StreamState = { readonly partitions: number; readonly messages: number };

type StreamInfo = {
  readonly config: {
    readonly metadata?: Readonly<Record<string, string>>;
    readonly max_bytes: number;
    readonly num_replicas: number;
  };
  readonly state: { readonly messages: number };
};

const partitionsField = "cufflink-partitions";
const noStream = "10059";
const isThere = "10058";

/** The stream as it is, made if it is not there. */
export async function useStream(
  link: RelayLink,
  names: RelayNames,
  settings: StreamSettings,
): Promise<StreamState> {
  const found = await streamInfo(link, names);
  if (found !== undefined) {
    if (found.config.max_bytes !== settings.maxBytes) await resize(link, names, found, settings);
    return stateOf(found);
  }
  const config = {
    name: names.stream,
    subjects: [names.subjects],
    // What was handled leaves it: what it holds is what is to be delivered.
    retention: "workqueue",
    // A full one refuses: the source keeps the rest.
    discard: "new",
    storage: "file",
    ...{ max_bytes: settings.maxBytes, num_replicas: settings.replicas ?? copiesOf(link) },
    duplicate_window: duplicateWindow * nanoseconds,
    ...{ allow_atomic: true, allow_rollup_hdrs: true },
    metadata: { [partitionsField]: String(settings.partitions) },
  };
  try {
    const made = await link.api<StreamInfo>(
      `STREAM.CREATE.${names.stream}`,
      config,
      `the relay's stream ${names.stream} could not be made`,
    );
    return stateOf(made);
  } catch (error) {
    // Another replica was faster.
    if (!(error instanceof BindingError) || error.systemCode !== isThere)
      throw explainRoom(error, limitOf(settings));
    const made = await streamInfo(link, names);
    if (made === undefined) throw error;
    return stateOf(made);
  }
}

function copiesOf({ servers }: RelayLink): number {
  return Math.min(3, Math.max(1, servers));
}

/** In milliseconds: as long as a publication whose answer was lost may be repeated. */
const duplicateWindow = 120_000;

async function resize(
  link: RelayLink,
  names: RelayNames,
  { config }: StreamInfo,
  { maxBytes }: Pick<StreamSettings, "maxBytes">,
): Promise<void> {
  const what = `the limit of the relay's stream ${names.stream} could not be changed`;
  const body = { ...config, max_bytes: maxBytes };
  await link.api(`STREAM.UPDATE.${names.stream}`, body, what).catch((error: unknown) => {
    throw explainRoom(error, limitOf({ maxBytes }));
  });
}

function limitOf({ maxBytes }: Pick<StreamSettings, "maxBytes">) {
  return { maxBytes, setting: "relayMaxBytes" };
}

async function streamInfo(link: RelayLink, names: RelayNames): Promise<StreamInfo | undefined> {
  try {
    const what = `the relay's stream ${names.stream}`;
    return await link.api<StreamInfo>(`STREAM.INFO.${names.stream}`, undefined, what);
  } catch (error) {
    if (error instanceof BindingError && error.systemCode === noStream) return undefined;
    throw error;
  }
}

export async function isStreamThere(link: RelayLink, names: RelayNames): Promise<boolean> {
  return (await streamInfo(link, names)) !== undefined;
}

/** How many events and parts of events the stream holds, those that are being delivered included. */
export async function streamMessages(link: RelayLink, names: RelayNames): Promise<number> {
  const info = await streamInfo(link, names);
  // The last message of the one that writes stays.
  return Math.max(0, (info?.state.messages ?? 0) - 1);
}

function stateOf({ config, state }: StreamInfo): StreamState {
  const partitions = Number(config.metadata?.[partitionsField] ?? 0);
  if (!Number.isSafeInteger(partitions) || partitions < 1) {
    const text = "a stream of the relay's name is there, and no relay has made it";
    throw new BindingError("failed_precondition", text);
  }
  return { partitions, messages: state.messages };
}

/** What the server says of a partition's consumer. */
export type PartitionInfo = {
  /** The id by which a replica is pinned. */
  readonly pin: string | undefined;
  /** All deliveries up to this number are acknowledged. */
  readonly floor: number;
  /** How many of its messages are not acknowledged, delivered or not. */
  readonly messages: number;
};

type ConsumerInfo = {
  readonly num_pending: number;
  readonly num_ack_pending: number;
  readonly ack_floor: { readonly consumer_seq: number };
  readonly priority_groups?: readonly { readonly pinned_client_id?: string }[];
};

/** The one group of replicas, of which one is pinned. */
export const group = "relay";

export async function partitionInfo(
  link: RelayLink,
  names: RelayNames,
  partition: number,
): Promise<PartitionInfo> {
  const what = `partition ${partition} of the relay`;
  const subject = `CONSUMER.INFO.${names.stream}.${names.consumer(partition)}`;
  const info = await link.api<ConsumerInfo>(subject, undefined, what);
  return {
    pin: info.priority_groups?.[0]?.pinned_client_id || undefined,
    floor: info.ack_floor.consumer_seq,
    messages: info.num_pending + info.num_ack_pending,
  };
}

/** Makes the consumer of a partition unless it is there; one that is there gets these times. */
export async function useConsumer(
  link: RelayLink,
  names: RelayNames,
  partition: number,
  times: RelayTimes,
): Promise<void> {
  const consumer = names.consumer(partition);
  const subject = names.subject(partition);
  const config = {
    ...{ durable_name: consumer, name: consumer, filter_subject: subject },
    ...{ ack_policy: "explicit", deliver_policy: "all", replay_policy: "instant" },
    ack_wait: times.ackWait * nanoseconds,
    ...{ max_deliver: -1, max_ack_pending: mostUnacknowledged, max_waiting: mostWaiting },
    ...{ priority_policy: "pinned_client", priority_groups: [group] },
    priority_timeout: times.pin * nanoseconds,
  };
  await link.api(
    `CONSUMER.CREATE.${names.stream}.${consumer}.${subject}`,
    { stream_name: names.stream, config },
    `the consumer of partition ${partition} of the relay could not be made`,
  );
}

/** As many as the runtime holds of one source. */
const mostUnacknowledged = 10_000;
const mostWaiting = 2_048;

/**
 * Lets a partition begin again with its first message that is not acknowledged, in the order of the stream. Since 2.14
 * the server does so itself. An older one gets the consumer made anew: the stream has only what is not acknowledged.
 */
export async function beginAgain(
  link: RelayLink,
  names: RelayNames,
  partition: number,
  times: RelayTimes,
): Promise<void> {
  const name = `${names.stream}.${names.consumer(partition)}`;
  const what = `partition ${partition} of the relay could not begin again`;
  if (isSince(link, 2, 14)) return link.api(`CONSUMER.RESET.${name}`, undefined, what);
  await link.api(`CONSUMER.DELETE.${name}`, undefined, what);
  await useConsumer(link, names, partition, times);
}

/** Lets another replica have a partition at once, if this one is pinned by that id. */
export async function handOver(
  link: RelayLink,
  names: RelayNames,
  partition: number,
  times: RelayTimes,
  pin: string,
): Promise<void> {
  if (link.ended !== undefined) return;
  if ((await partitionInfo(link, names, partition)).pin !== pin) return;
  await beginAgain(link, names, partition, times);
  const name = `${names.stream}.${names.consumer(partition)}`;
  await link.api(`CONSUMER.UNPIN.${name}`, { group }, `partition ${partition} of the relay`);
}

/** Throws a `BindingError` for a server without what the relay needs. */
export function refuseOldServer(link: Pick<RelayLink, "serverVersion">): void {
  if (isSince(link, 2, 12)) return;
  const text = `the relay needs NATS 2.12 or newer, and the server is ${link.serverVersion || "older"}`;
  throw new BindingError("failed_precondition", text);
}
