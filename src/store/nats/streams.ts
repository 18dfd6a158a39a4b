import { BindingError } from "../../errors.ts";
import { isSince } from "../../nats-client/jetstream.ts";
import type { Link } from "../../nats-client/link.ts";
import { explainRoom } from "../../nats-client/room.ts";
import type { Retention } from "../store.ts";
import type { Subjects } from "./subjects.ts";

/** Atomic batches came with it. */
const leastVersion = [2, 12] as const;

/** As many copies as help against the loss of one server. */
const mostReplicas = 3;

/** How long the server tells of a subject whose last message has gone, in nanoseconds. */
const markerLife = 60 * 1_000_000_000;

/** The server keeps nothing for less, in milliseconds. */
const leastAge = 100;

export type StreamConfig = {
  readonly name: string;
  readonly num_replicas: number;
  readonly storage: string;
  readonly max_msgs_per_subject: number;
  readonly allow_direct?: boolean;
  readonly allow_atomic?: boolean;
  readonly allow_msg_ttl?: boolean;
};

export type StreamInfo = {
  readonly config: StreamConfig;
  /** When it was made, as the server writes times. */
  readonly created: string;
  readonly cluster?: {
    readonly leader?: string;
    readonly replicas?: readonly { readonly name: string }[];
  };
};

export type StreamOptions = {
  readonly subjects: Subjects;
  /** How many copies new streams have. Default: as many as servers, up to 3. */
  readonly replicas: number | undefined;
  readonly history: Retention["history"];
};

/** Throws a `BindingError` where the server is too old. */
export function checkVersion(link: Link): void {
  if (isSince(link, ...leastVersion)) return;
  throw new BindingError(
    "failed_precondition",
    `the NATS server has version ${link.serverVersion || "unknown"}, and the store needs ${leastVersion.join(".")} or newer; update it`,
    { effect: "unsent" },
  );
}

/** Makes the two streams, where they are not there. Resolves to what the server says of that of the records. */
export async function prepareStreams(link: Link, options: StreamOptions): Promise<StreamInfo> {
  const { subjects, history } = options;
  const common = {
    ...{ storage: "file", retention: "limits", num_replicas: options.replicas ?? copies(link) },
    ...{ allow_direct: true, allow_atomic: true, allow_msg_ttl: true },
  };
  const records = await prepareStream(
    link,
    {
      ...{ ...common, name: subjects.recordStream, subjects: [`${subjects.records}.>`] },
      // What is kept has no limits but the store's own: nothing goes for anything new.
      ...{ discard: "new", max_msgs_per_subject: 1, subject_delete_marker_ttl: markerLife },
    },
    options.replicas,
  );
  const nanoseconds = 1_000_000;
  await prepareStream(
    link,
    {
      ...{ ...common, name: subjects.historyStream, subjects: [`${subjects.history}.>`] },
      ...{
        discard: "old",
        max_msgs: history.count,
        max_age: Math.max(leastAge, history.age) * nanoseconds,
      },
      max_msgs_per_subject: -1,
    },
    options.replicas,
  );
  return records;
}

/** What the server says of the stream of the records. */
export function streamInfo(link: Link, stream: string): Promise<StreamInfo> {
  return link.api<StreamInfo>(`STREAM.INFO.${stream}`, undefined, `stream ${stream}`);
}

/** Which of the two streams is not there; `undefined`: both are, as far as the server tells. */
export async function goneStream(
  link: Link,
  { recordStream, historyStream }: Subjects,
): Promise<BindingError | undefined> {
  for (const stream of [recordStream, historyStream]) {
    try {
      await streamInfo(link, stream);
    } catch (error) {
      const { reason } = BindingError.from(error);
      if (reason === "not_found")
        return new BindingError("unavailable", `the stream ${stream} is gone`, {
          effect: "unsent",
        });
    }
  }
  return undefined;
}

async function prepareStream(
  link: Link,
  config: StreamConfig,
  replicas: number | undefined,
): Promise<StreamInfo> {
  const { name } = config;
  const info = await streamInfo(link, name).catch(async (error: unknown) => {
    if (!(error instanceof BindingError) || error.reason !== "not_found") throw error;
    return createWithin(link, config, replicas);
  });
  const wrong = (["allow_direct", "allow_atomic", "allow_msg_ttl", "max_msgs_per_subject"] as const)
    .filter((key) => (info.config[key] ?? false) !== config[key])
    .map((key) => `${key}: ${config[key]}`);
  if (wrong.length > 0) {
    throw new BindingError(
      "failed_precondition",
      `the stream ${name} cannot be the store: it needs ${wrong.join(", ")}; change it, or remove it to have it made anew`,
      { effect: "unsent" },
    );
  }
  return info;
}

/** Tries fewer copies, unless so many were asked for: a server may have several addresses, and so count as several. */
async function createWithin(
  link: Link,
  config: StreamConfig,
  replicas: number | undefined,
): Promise<StreamInfo> {
  for (let copies = config.num_replicas; ; copies--) {
    try {
      return await create(link, { ...config, num_replicas: copies });
    } catch (error) {
      const { systemCode = "" } = BindingError.from(error);
      if (replicas !== undefined || copies === 1 || !tooManyCopies.has(systemCode)) throw error;
    }
  }
}

/** JetStream's codes where there are fewer servers than copies, or one without a cluster. */
const tooManyCopies: ReadonlySet<string> = new Set(["10005", "10074"]);

async function create(link: Link, config: StreamConfig): Promise<StreamInfo> {
  const { name } = config;
  try {
    return await link.api<StreamInfo>(
      `STREAM.CREATE.${name}`,
      config,
      `creating the stream ${name}`,
    );
  } catch (error) {
    const { reason, message, systemCode } = BindingError.from(explainRoom(error, undefined));
    // Another replica was faster.
    const there = await streamInfo(link, name).catch(() => undefined);
    if (there !== undefined) return there;
    const hints = [
      ...(reason === "permission_denied"
        ? ["have somebody make it who may: docs/store-nats.md"]
        : []),
      ...(config.num_replicas > 1
        ? [`for fewer copies than ${config.num_replicas} say --store-replicas`]
        : []),
    ];
    throw new BindingError(reason, [message, ...hints].join("; "), {
      ...{ effect: "unsent", systemCode, cause: error },
    });
  }
}

function copies(link: Link): number {
  return Math.max(1, Math.min(mostReplicas, link.servers));
}
