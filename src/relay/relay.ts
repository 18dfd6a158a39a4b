import type { Logger } from "../binding.ts";
import type { Relay } from "../runtime/relay.ts";
import type { ConnectRelay } from "./link.ts";
import { RelayedInput, type RelayedInputOptions } from "./relayed-input.ts";
import { SharedLink } from "./shared-link.ts";
import { usualTimes, type RelayTimes } from "./stream.ts";

export type RelayOptions = Pick<RelayedInputOptions, "members" | "unsafe"> & {
  readonly connect: ConnectRelay;
  readonly logger: Logger;
  /** Copies of the streams that are made; `undefined`: as many as servers, up to 3. */
  readonly replicas: number | undefined;
  readonly times?: Partial<RelayTimes>;
};

/** The relay of a process, over one connection to NATS that is made at its first use. */
export function openRelay(options: RelayOptions): Relay & AsyncDisposable {
  const { connect, logger, replicas, members, unsafe } = options;
  const shared = new SharedLink(connect, logger);
  const times = { ...usualTimes, ...options.times };
  return {
    async open(opening) {
      const input = new RelayedInput({ shared, times, replicas, members, unsafe }, opening);
      await input.begin();
      return input;
    },
    [Symbol.asyncDispose]: () => shared[Symbol.asyncDispose](),
  };
}
