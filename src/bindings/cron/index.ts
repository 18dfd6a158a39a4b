import { defineBinding, type InboundEvent } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { oneOf, string, type Field } from "../../metadata/fields.ts";
import { DropLog } from "./drop-log.ts";
import { tickEvent } from "./tick-event.ts";
import { parseSchedule, type Schedule } from "../../schedule/schedule.ts";
import { nextTimeOf, startInterval, startTicker } from "../../schedule/ticker.ts";

/**
 * Calls the app at the times of a schedule.
 *
 * A tick that the app does not handle is tried again. When the next one is due meanwhile, that one is
 * dropped and counted, so that there is one unhandled tick at most. Where one replica of several reads, and where `catchUp`
 * asks for it, ticks are recorded: see {@link RecordedTicks}. Otherwise nothing is made up for the time while the runtime was
 * down.
 */
export default defineBinding({
  name: "cron",
  status: "stable",
  summary: "Calls the app at the times of a schedule.",
  provedBy: [{ system: "Node.js timers", kind: "real" }],

  metadata: {
    schedule: schedule(),
    overlap: oneOf(["skip", "allow"], {
      description:
        "What to do with a tick that is due while an earlier one is not handled: skip it, or deliver it concurrently.",
      direction: "input",
      default: "skip",
    }),
    catchUp: oneOf(["none", "last", "all"], {
      description:
        "Which ticks are delivered afterwards that were due while no process read: none, the last one, or all, at most the newest 1,000. For this, ticks are recorded in the store before they are delivered. Those of the 20 seconds in which a replica takes over from another are always delivered.",
      direction: "input",
      default: "none",
    }),
  },

  async open({ metadata }) {
    const { schedule } = metadata;
    const next =
      schedule.kind === "calendar"
        ? nextTimeOf(schedule, (await import("croner")).Cron)
        : undefined;
    return { next, async [Symbol.asyncDispose]() {} };
  },

  async examine({ next }, { ask, omit, metadata }) {
    omit("reachable", "authenticated", "exists");
    await ask("may read", "", () => {
      if (metadata.schedule.kind === "every") return "by an interval";
      const due = next?.(Date.now());
      if (due === undefined)
        throw new BindingError("failed_precondition", "the schedule has no next time");
      return `the next time is ${new Date(due).toISOString()}`;
    });
  },

  eventMetadata: {
    readTimeUTC: "When the tick was due to be read, in UTC.",
    timeZone: "The time zone of the schedule, or `Local`.",
    dueTime: "When it was due, in RFC 3339, where ticks are recorded.",
  },

  guarantee: {
    returned: "is dropped and counted when the next tick is due",
    atLeastOnce:
      "the process runs; ticks that are due while it is down are skipped, unless `catchUp` says otherwise",
    key: "the component",
    shared: false,
    duplicates: {
      app: "1",
      runtime: "1",
      server: "–",
    },
  },

  async read({ next }, reading) {
    const { component, metadata, logger, deliver, ticks } = reading;
    const { schedule, overlap, catchUp } = metadata;
    const start =
      schedule.kind === "every"
        ? (tick: (due: Date) => void) => startInterval(schedule.interval, tick)
        : (tick: (due: Date) => void) => startTicker(next ?? (() => undefined), tick);
    if (next !== undefined && next(Date.now()) === undefined) {
      logger.warn({}, "the schedule has no future time: no tick will come");
    }

    if (ticks !== undefined && (ticks.owner !== undefined || catchUp !== "none")) {
      const { readRecorded } = await import("./read-recorded.ts");
      return readRecorded(next, ticks, reading);
    }

    let unsettled = false;
    let full = false;
    const drops = new DropLog(logger);

    let superseded = new AbortController();

    const deliverTick = (due: Date): void => {
      // A tick that waits for a retry makes way; one that the app has at this moment does not.
      if (unsettled && overlap === "skip") superseded.abort();
      if (full || (unsettled && overlap === "skip")) {
        return drops.dropped(due, "the app has not answered for the one before it");
      }
      unsettled = full = true;
      superseded = new AbortController();
      const settled: InboundEvent["settle"] = (settlement) => {
        unsettled = false;
        if (settlement.outcome === "handled") drops.over();
        else drops.dropped(due, settlement.reason);
      };
      const event = tickEvent(
        due,
        overlap === "skip" ? component.name : undefined,
        settled,
        superseded.signal,
      );
      deliver([event]).then(
        () => (full = false),
        (error: unknown) => {
          full = unsettled = false;
          logger.warn({ error, due }, "tick not delivered");
        },
      );
    };

    const stopTicking = start(deliverTick);
    const stop = (): void => {
      stopTicking();
      drops.over();
    };
    return { stop, flush() {}, close: stop };
  },
});

/** A required schedule, read when the component's metadata is, so that a wrong one is found by a check. */
function schedule(): Field<Schedule, true> {
  const text = string({
    description:
      "When to tick: `minute hour day month weekday`, optionally with seconds in front, and with `L`, `15W`, `5L` or `2#2` for a day, or `@every 15m`, `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. `TZ=Europe/Berlin` in front names the time zone; without it, the process's.",
    direction: "input",
    required: true,
    example: "*/15 * * * *",
  });
  return { ...text, parse: parseSchedule };
}
