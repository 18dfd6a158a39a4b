import type { Relay } from "../../runtime/relay.ts";

/** The relay where there is one replica and no server: what it reads it delivers. */
export const directRelay: Relay = {
  async open({ read, deliver, report, signal }) {
    const reader = await read((events, source = "") => deliver(events, source), signal);
    report("", false);
    return {
      readsSource: true,
      backlog: undefined,
      credit: (events) => reader.credit?.(events),
      stop: () => reader.stop(),
      flush: () => reader.flush(),
      close: () => reader.close(),
    };
  },
};
