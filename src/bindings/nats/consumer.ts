import { BindingError } from "../../errors.ts";
import { formatDuration } from "../../metadata/duration.ts";
import type { NatsMetadata } from "./fields.ts";
import type { Link } from "./link.ts";
import { checkFilter, checkName } from "./subjects.ts";

/** What the server says of a consumer, as far as it is read here. Durations are in nanoseconds. */
export type ConsumerInfo = {
  readonly created: string;
  readonly num_pending: number;
  readonly num_ack_pending: number;
  readonly num_waiting: number;
  readonly delivered: { readonly consumer_seq: number; readonly stream_seq: number };
  readonly config: ConsumerConfig;
};

type ConsumerConfig = {
  readonly deliver_subject?: string;
  readonly ack_policy?: string;
  readonly ack_wait?: number;
  readonly max_deliver?: number;
  readonly max_ack_pending?: number;
  readonly filter_subject?: string;
  readonly filter_subjects?: readonly string[];
  readonly max_batch?: number;
  readonly max_expires?: number;
  readonly max_bytes?: number;
};

const nanoseconds = 1_000_000;
const noConsumer = "10014";

/** What is asked of a component's metadata before anything is sent. */
export function checkReading(metadata: NatsMetadata): void {
  checkName("stream", metadata.stream);
  checkName("consumer", metadata.consumer);
  for (const filter of metadata.filterSubjects ?? []) checkFilter(filter);
  const { startTime } = metadata;
  if (startTime && !/^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(startTime)) {
    throw new BindingError(
      "invalid_argument",
      `startTime ${JSON.stringify(startTime)} is no time such as 2026-01-31T00:00:00Z`,
    );
  }
}

export function consumerInfo(link: Link): Promise<ConsumerInfo> {
  const { stream, consumer } = link.metadata;
  const what = `consumer ${consumer} of stream ${stream}`;
  return link.api<ConsumerInfo>(`CONSUMER.INFO.${stream}.${consumer}`, undefined, what);
}

/**
 * How many messages the consumer has not settled, delivered or not. Before the first reader has made it: all of the
 * stream where that one reads all, else 1 if there are any.
 */
export async function unsettledMessages(link: Link): Promise<number> {
  try {
    const { num_pending, num_ack_pending } = await consumerInfo(link);
    return num_pending + num_ack_pending;
  } catch (error) {
    if (!(error instanceof BindingError) || error.systemCode !== noConsumer) throw error;
  }
  const { stream, filterSubjects = [], startFrom, startSequence, startTime } = link.metadata;
  const { state } = await link.api<{ state: { messages: number } }>(
    `STREAM.INFO.${stream}`,
    undefined,
    `stream ${stream}`,
  );
  const readsAll =
    startFrom === "oldest" &&
    !startTime &&
    startSequence === undefined &&
    filterSubjects.length === 0;
  return readsAll ? state.messages : Math.min(state.messages, 1);
}

/** When the stream was made, by which it is known again; `undefined`: this user may not ask. */
export async function streamCreated(link: Link): Promise<string | undefined> {
  const { stream } = link.metadata;
  try {
    const info = await link.api<{ created: string }>(
      `STREAM.INFO.${stream}`,
      undefined,
      `stream ${stream}`,
    );
    return info.created;
  } catch (error) {
    if (error instanceof BindingError && error.reason === "permission_denied") return undefined;
    throw error;
  }
}

/**
 * The consumer as it is at the server, made if it is not there. `from`: where one that is made goes on, the first
 * sequence that was not handled yet.
 */
export async function useConsumer(
  link: Link,
  from: () => Promise<number | undefined>,
): Promise<{ readonly info: ConsumerInfo; readonly isNew: boolean }> {
  let info: ConsumerInfo;
  let isNew = false;
  try {
    info = await consumerInfo(link);
  } catch (error) {
    if (!(error instanceof BindingError) || error.systemCode !== noConsumer) throw error;
    info = await create(link, await from());
    isNew = true;
  }
  refuseUnusable(link.metadata, info);
  return { info, isNew };
}

async function create(link: Link, from: number | undefined): Promise<ConsumerInfo> {
  const { stream, consumer, filterSubjects = [] } = link.metadata;
  const [only, second] = filterSubjects;
  const filter =
    second !== undefined
      ? { filter_subjects: filterSubjects }
      : only === undefined
        ? {}
        : { filter_subject: only };
  const config = {
    durable_name: consumer,
    name: consumer,
    ...beginning(link.metadata, from),
    ...filter,
    ack_policy: "explicit",
    replay_policy: "instant",
    ack_wait: Math.round(link.metadata.ackWait * nanoseconds),
    max_deliver: link.metadata.maxDeliver || -1,
    max_ack_pending: link.metadata.maxAckPending || -1,
  };
  const suffix = second === undefined && only !== undefined ? `.${only}` : "";
  const created = await link.api<ConsumerInfo>(
    `CONSUMER.CREATE.${stream}.${consumer}${suffix}`,
    { stream_name: stream, config, action: "create" },
    `consumer ${consumer} of stream ${stream} could not be created`,
  );
  if (second !== undefined && created.config.filter_subjects?.length !== filterSubjects.length) {
    await link.api(`CONSUMER.DELETE.${stream}.${consumer}`, undefined, "the consumer just made");
    throw new BindingError(
      "failed_precondition",
      `several filterSubjects need NATS 2.10, and the server is ${link.serverVersion}`,
    );
  }
  return created;
}

const policies = {
  newest: "new",
  oldest: "all",
  last: "last",
  lastPerSubject: "last_per_subject",
} as const;

function beginning(
  { startFrom, startSequence, startTime }: NatsMetadata,
  from: number | undefined,
): object {
  const sequence = from ?? startSequence;
  if (sequence !== undefined)
    return { deliver_policy: "by_start_sequence", opt_start_seq: sequence };
  if (startTime) return { deliver_policy: "by_start_time", opt_start_time: startTime };
  return { deliver_policy: policies[startFrom] };
}

function refuseUnusable({ stream, consumer }: NatsMetadata, { config }: ConsumerInfo): void {
  const what = `consumer ${consumer} of stream ${stream}`;
  const refuse = (why: string): BindingError =>
    new BindingError("failed_precondition", `${what} ${why}; name another consumer`);
  if (config.deliver_subject) throw refuse("is a push consumer, and a pull consumer is needed");
  if (config.ack_policy !== "explicit")
    throw refuse(`has the acknowledgement policy ${config.ack_policy}, and explicit is needed`);
}

/** How long the server waits for an acknowledgement, in milliseconds. */
export function ackWaitOf({ config }: ConsumerInfo): number {
  return (config.ack_wait ?? 30_000 * nanoseconds) / nanoseconds;
}

/** What is worth knowing of a consumer that is there. */
export function consumerNotices(
  { metadata, serverVersion }: Pick<Link, "metadata" | "serverVersion">,
  info: ConsumerInfo,
  attempts: number,
): string[] {
  const { config } = info;
  const name = `consumer ${metadata.consumer} of stream ${metadata.stream}`;
  const notices: string[] = [];
  if (/^[01]\.|^2\.\d\./.test(serverVersion)) {
    const text = `the server is NATS ${serverVersion}; before 2.10 it delivers what was returned in no order`;
    notices.push(text);
  }
  const limit = config.max_deliver ?? -1;
  if (limit > 0 && limit < attempts) {
    const wanted = Number.isFinite(attempts) ? `${attempts} attempts` : "attempts without end";
    notices.push(
      `${name} delivers a message ${limit} times at most (max_deliver), and the policy has ${wanted}: a message that` +
        " is delivered more often, as after each end of the process or the connection, is lost to it",
    );
  }
  const current = [
    ...(config.filter_subjects ?? []),
    ...(config.filter_subject ? [config.filter_subject] : []),
  ];
  const differences = [
    ...differenceOf(
      "filterSubjects",
      (metadata.filterSubjects ?? []).toSorted().join(","),
      current.toSorted().join(","),
    ),
    ...differenceOf("ackWait", formatDuration(metadata.ackWait), formatDuration(ackWaitOf(info))),
    ...differenceOf("maxDeliver", String(metadata.maxDeliver || -1), String(limit)),
    ...differenceOf(
      "maxAckPending",
      String(metadata.maxAckPending || -1),
      String(config.max_ack_pending ?? -1),
    ),
  ];
  if (differences.length > 0)
    notices.push(
      `${name} is there and made otherwise; it is used as it is: ${differences.join(", ")}`,
    );
  return notices;
}

function differenceOf(field: string, here: string, there: string): string[] {
  const shown = (text: string): string => (text === "" ? "not set" : text);
  return here === there
    ? []
    : [`${field} is ${shown(here)} here and ${shown(there)} at the server`];
}
