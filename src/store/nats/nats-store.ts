import { randomBytes } from "node:crypto";
import type { BindingError } from "../../errors.ts";
import { loadDriver, type DriversFolder } from "../../drivers.ts";
import { serversOf } from "../../nats-client/authentication.ts";
import type { Driver } from "../../nats-client/driver.ts";
import type { Copying } from "../copying.ts";
import type { NatsSettings } from "../../nats-client/settings.ts";
import { defaultRetention, type CheckedStore, type Retention, type StoreLogger } from "../store.ts";
import { NatsAttempts } from "./attempts.ts";
import { NatsCheckpoints } from "./checkpoints.ts";
import { NatsClaims } from "./claims.ts";
import { StoreConnection } from "./connection.ts";
import { natsCopying } from "./nats-copying.ts";
import { Durability, type DurabilityOptions } from "./durability.ts";
import { Fences } from "./fences.ts";
import { NatsHistory } from "./history.ts";
import { NatsLeases } from "./leases.ts";
import { NatsLetters } from "./letters.ts";
import { NatsPauses } from "./pauses.ts";
import { StreamReader } from "./reader.ts";
import { NatsReplicas } from "./replicas.ts";
import { checkVersion, goneStream, prepareStreams } from "./streams.ts";
import { Subjects } from "./subjects.ts";
import { StreamWriter } from "./writer.ts";

/** The driver, and the version that it was tested with. */
const natsDriver = { name: "@nats-io/transport-node", version: "3.4.0" } as const;

const madeAnew = "it was made anew, and what it had is gone";

export type NatsStoreOptions = {
  readonly appId: string;
  readonly settings: NatsSettings;
  /** Where drivers are looked for, too. */
  readonly driversFolder?: DriversFolder;
  /** How many copies new streams have. Default: as many as servers, up to 3. */
  readonly replicas?: number | undefined;
  /** Default `strict`, without monitoring. */
  readonly durability?: Partial<Omit<DurabilityOptions, "stream" | "changed">>;
  /** Default {@link defaultRetention}. */
  readonly retention?: Retention | undefined;
  readonly logger?: StoreLogger | undefined;
  /** Dead letters were removed for their age, count or size; they are logged already. */
  readonly onExpired?: ((component: string, count: number) => void) | undefined;
  /** Told what must be shown nowhere: what the login is made of. */
  readonly hide?: ((secret: string) => void) | undefined;
};

/** Between two looks for what is kept no longer, in milliseconds. */
const tendPause = 60_000;

/** A store in two streams of NATS JetStream, which all replicas of an app id share. Connects at its first use. */
export function createNatsStore(
  options: NatsStoreOptions,
): CheckedStore & { readonly copying: Copying } {
  const { appId, settings, logger, driversFolder } = options;
  const { durability = {} } = options;
  const retention = options.retention ?? defaultRetention;
  const subjects = new Subjects(appId);
  const place = serversOf(settings.servers).servers.join(", ");
  const streams = { subjects, replicas: options.replicas, history: retention.history };
  const connection = new StoreConnection({
    settings,
    name: `cufflink ${appId} store`,
    driver: () => loadDriver(natsDriver.name, natsDriver.version, driversFolder) as Driver,
    async prepare(link) {
      checkVersion(link);
      const { created } = await prepareStreams(link, streams);
      if (made !== undefined && made !== created) {
        letters.index.beginAnew();
        const { recordStream } = subjects;
        logger?.error({ store: place }, `the stream ${recordStream} was removed: ${madeAnew}`);
      }
      made = created;
    },
    changed: () => tell(),
    hide: options.hide,
  });
  /** When the stream of the records was made. */
  let made: string | undefined;
  /** Why the last write failed. */
  let failed: string | undefined;
  let told: string | undefined;
  const trouble = (): string | undefined => connection.trouble ?? failed;
  const tell = (): void => {
    const now = trouble();
    if (now === told) return;
    told = now;
    if (now === undefined) logger?.info({ store: place }, "the store can be written again");
    else logger?.error({ store: place }, now);
  };
  const lookForStreams = ({ systemCode }: BindingError): void => {
    // Nobody takes it: the stream has no leader at this moment, or is gone.
    if (systemCode === "503")
      void connection.check((link) => goneStream(link, subjects)).catch(() => undefined);
  };
  const outcome = (error: BindingError | undefined): void => {
    if (error !== undefined) lookForStreams(error);
    if (error !== undefined && error.reason !== "unavailable") return;
    failed = error?.message;
    tell();
  };
  const reader = new StreamReader(connection, subjects.recordStream);
  const fences = new Fences();
  const writer = new StreamWriter(connection, reader, subjects, fences, outcome);
  const historyReader = new StreamReader(connection, subjects.historyStream);
  // History is no condition for anything.
  const historyWriter = new StreamWriter(connection, historyReader, subjects, fences, (error) => {
    if (error !== undefined) lookForStreams(error);
  });
  const strength = new Durability(connection, {
    ...{ mode: "strict", monitoring: [], ...durability },
    stream: subjects.recordStream,
    changed(doubt) {
      if (doubt === undefined)
        logger?.info({ store: place }, "the NATS servers sync each write: dead letters are kept");
      else logger?.warn({ store: place }, `events whose attempts are used up would wait: ${doubt}`);
    },
  });
  // It is said before there is such an event.
  connection.onUp(() => void strength.doubt());
  const attempts = new NatsAttempts(reader, writer, subjects);
  const letters = new NatsLetters(connection, reader, writer, subjects, attempts, {
    retention: retention.deadLetters,
    doubt: () => strength.doubt(),
    expired(component, count) {
      logger?.warn(
        { component, deadLetters: count },
        "dead letters were removed: too old, or too many",
      );
      options.onExpired?.(component, count);
    },
  });
  const pauses = new NatsPauses(connection, reader, writer, subjects);
  const leases = new NatsLeases(connection, reader, writer, subjects, fences);
  const replicas = new NatsReplicas(connection, reader, writer, subjects);
  const owner = `${process.pid}-${randomBytes(12).toString("hex")}`;
  const tending = setInterval(() => {
    letters.tend().catch(() => undefined);
  }, tendPause);
  tending.unref();
  const history = new NatsHistory(connection, historyReader, historyWriter, subjects);
  return {
    deadLetters: letters,
    copying: natsCopying({
      ...{ reader, historyReader, writer, subjects, attempts, deadLetters: letters, history },
    }),
    attempts,
    history,
    claims: new NatsClaims(reader, writer, subjects, owner),
    pauses,
    checkpoints: new NatsCheckpoints(reader, writer, subjects),
    leases,
    replicas,
    shared: true,
    doubt: (stream) => strength.doubt(stream),
    get doubted() {
      return strength.last;
    },
    get trouble() {
      return trouble();
    },
    async look() {
      // What is in the way is told, and tried again.
      await connection.link().catch(() => undefined);
    },
    async close() {
      clearInterval(tending);
      for (const part of [letters, pauses, leases, replicas]) part.close();
      if (connection.current !== undefined)
        await Promise.all([writer.flush(), historyWriter.flush()]);
      await connection.close();
    },
  };
}
