import type { Place, Source } from "../place.ts";

/** A tick each second. */
export const cron: Source = {
  name: "cron",
  // Which tick it is, by the time when it was due, only events of a stream say.
  mode: "stream",
  bounds: { app: 1, runtime: 1, server: 0 },
  place: () =>
    Promise.resolve({
      component: {
        ...{ name: "tick", type: "bindings.cron" },
        metadata: { schedule: "* * * * * *", direction: "input" },
      },
      ordered: true,
      async [Symbol.asyncDispose]() {},
    } satisfies Place),
};
