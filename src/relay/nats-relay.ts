import { loadDriver, type DriversFolder } from "../drivers.ts";
import type { Logger } from "../binding.ts";
import type { Driver } from "../nats-client/driver.ts";
import { Link } from "../nats-client/link.ts";
import type { NatsSettings } from "../nats-client/settings.ts";
import type { MemoryShare } from "../memory/budget.ts";
import type { Relay } from "../runtime/relay.ts";
import type { ReplicaStore } from "../store/replicas.ts";
import { Members } from "./members.ts";
import { openRelay } from "./relay.ts";

const driver = { name: "@nats-io/transport-node", version: "3.4.0" } as const;

export type NatsRelayOptions = {
  readonly appId: string;
  /** The id of this replica, as it is announced in the store. */
  readonly replica: string;
  readonly settings: NatsSettings;
  readonly driversFolder?: DriversFolder;
  /** Copies of the streams that are made. Default: as many as servers, up to 3. */
  readonly replicas?: number | undefined;
  readonly store: { readonly replicas: Pick<ReplicaStore, "list"> };
  /** Why an acknowledgement of the servers of a stream is not durable; `undefined`: it is. */
  readonly doubt: (stream: string) => Promise<string | undefined>;
  /** Counts the messages that come in. */
  readonly memory: MemoryShare;
  readonly logger: Logger;
  readonly hide?: ((secret: string) => void) | undefined;
};

/** The relay of a process that shares a store in NATS with other replicas. Connects at its first use. */
export function createNatsRelay(options: NatsRelayOptions): Relay & AsyncDisposable {
  const { appId, replica, settings, driversFolder, store, doubt, memory, logger, hide } = options;
  const members = new Members(replica, () => store.replicas.list());
  const relay = openRelay({
    connect: (signal, lost) =>
      Link.open(loadDriver(driver.name, driver.version, driversFolder) as Driver, {
        ...{ metadata: settings, name: `cufflink ${appId} relay`, signal, memory, lost, hide },
      }),
    ...{ logger, replicas: options.replicas, unsafe: doubt },
    members: (component) => members.of(component),
  });
  return {
    open: (opening) => relay.open(opening),
    async [Symbol.asyncDispose]() {
      members[Symbol.dispose]();
      await relay[Symbol.asyncDispose]();
    },
  };
}
