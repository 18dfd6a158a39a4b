import type { InboundEvent, Reader, Reading } from "../../binding.ts";
import { clock } from "../../clock.ts";
import { BindingError } from "../../errors.ts";
import type { Fields, Values } from "../../metadata/fields.ts";
import type { Schedule } from "../../schedule/schedule.ts";
import type { NextTime } from "../../schedule/ticker.ts";
import type { TickRecords } from "../../tick-records.ts";
import { DropLog } from "./drop-log.ts";
import type { CatchUp } from "./missed-ticks.ts";
import { RecordedTicks, type SentTick } from "./recorded-ticks.ts";
import { tickEvent } from "./tick-event.ts";
import { TickLedger } from "./tick-ledger.ts";

type CronReading = Pick<Reading<Fields>, "component" | "logger" | "deliver"> & {
  readonly metadata: Pick<Values<Fields>, never> & {
    readonly schedule: Schedule;
    readonly overlap: "skip" | "allow";
    readonly catchUp: CatchUp;
  };
};

/** Reads a schedule whose ticks are recorded. `next`: of a calendar. */
export async function readRecorded(
  next: NextTime | undefined,
  records: TickRecords,
  { component, metadata, logger, deliver }: CronReading,
): Promise<Reader> {
  const { schedule, overlap, catchUp } = metadata;
  const { owner } = records;
  const now = owner?.now() ?? clock.now();
  const ledger = await TickLedger.open(records, JSON.stringify(schedule), { now, logger });
  const drops = new DropLog(logger);
  let isStopped = false;

  const send = (due: Date): SentTick => {
    const superseded = new AbortController();
    const ended = Promise.withResolvers<void>();
    const settle: InboundEvent["settle"] = (settlement) => {
      ended.resolve();
      if (settlement.outcome === "handled") drops.over();
      // What is returned because this process may read no more is the next reader's.
      else if (isStopped || owner?.held === false) return;
      else drops.dropped(due, settlement.reason);
      ledger.done(due.getTime());
    };
    const key = overlap === "skip" ? component.name : undefined;
    const tick = tickEvent(due, key, settle, superseded.signal);
    const metadata = { ...tick.metadata, dueTime: due.toISOString() };
    const room = deliver([{ ...tick, metadata }]).catch((error: unknown) => {
      logger.warn({ error, due }, "tick not delivered");
      ended.resolve();
    });
    return { room, settled: ended.promise, supersede: () => superseded.abort() };
  };

  const ticks = new RecordedTicks({
    ...{ ledger, catchUp, overlap, owner, logger, drops, send },
    next: schedule.kind === "every" ? everyFrom(ledger.upTo, schedule.interval) : calendar(next),
  });
  ticks.start();
  const stop = (): void => {
    isStopped = true;
    ticks.stop();
    drops.over();
  };
  return { stop, flush: () => ledger.flush(), close: stop };
}

function calendar(next: NextTime | undefined): NextTime {
  if (next === undefined) throw new BindingError("internal", "a calendar has no next time");
  return next;
}

/** One tick each interval, counted from a recorded one: whoever reads, the ticks are the same. */
function everyFrom(first: number, interval: number): NextTime {
  return (after) => first + (Math.floor((after - first) / interval) + 1) * interval;
}
