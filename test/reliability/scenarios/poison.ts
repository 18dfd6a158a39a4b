import { percentiles } from "../../../bench/measure/statistics.ts";
import { plural, type Row } from "../row.ts";
import { sourceNames, titles, type SourceName } from "../sources.ts";
import { Trial } from "../trial.ts";

const events = 3000;
const perSecond = 200;
const poisonEvery = 1000;
// No divisor of it, so that each poison event has a key of its own.
const keys = 97;
// Ten attempts with pauses of 1 s doubling to 60 s take four minutes.
const quietTimeout = 300_000;
const afterwards = 10_000;

/** One event in 1,000 is refused whenever it comes. */
export const poisons: readonly Row[] = sourceNames.map(poison);

function poison(source: SourceName): Row {
  return {
    name: `poison-${source}`,
    title: `${titles[source]}: of ${plural(events, "event")} at ${perSecond}/s the app refuses one in ${poisonEvery.toLocaleString("en-US")} always`,
    tuning: `${source === "kafka" ? "`consumeRetryEnabled: true`, " : ""}Resiliency that retries for ever`,
    async run(contender, bench) {
      await using trial = await Trial.open(contender, bench, {
        source,
        keys,
        app: { poisonEvery },
      });
      await trial.startApp();
      await trial.runtime.start();
      await trial.warm();
      await trial.sendPaced(events - 1, perSecond);
      const isPoison = ({ number }: { number: number }): boolean =>
        number % poisonEvery === poisonEvery - 1;
      await trial.untilQuiet(
        contender === "cufflink" ? quietTimeout : 20_000,
        events / poisonEvery,
      );
      // Time in which one that is still tried comes again.
      if (contender !== "cufflink") await new Promise((resolve) => setTimeout(resolve, afterwards));
      const deadLetters =
        contender === "cufflink"
          ? await trial.untilDeadLetters(events / poisonEvery, quietTimeout)
          : 0;
      const poisonKeys = new Set(trial.produced.filter(isPoison).map(({ key }) => key));
      const others = (await trial.handled()).filter(({ key }) => !poisonKeys.has(key));
      const latencies = percentiles(Float64Array.from(others, ({ at, sent }) => at - sent));
      const refused = (await trial.deliveries()).filter(isPoison);
      const open = (await trial.open()).filter((event) => !isPoison(event)).length;
      const attempts = poisonAttempts(refused.map(({ number }) => number));
      const lately = Date.now() - (refused.at(-1)?.at ?? 0) < afterwards / 2;
      const text = [
        `others' p99 ${Math.round(latencies.p99).toLocaleString("en-US")} ms`,
        `attempts on each poison event: ${attempts}`,
        contender === "cufflink"
          ? `${deadLetters} in the dead letters`
          : `${lately ? "still delivered again and again" : "not delivered again"}, in no dead letters`,
        ...(open > 0 ? [`**${plural(open, "other event")} not handled** 20 s later`] : []),
      ].join("; ");
      return { text, lost: open + (contender === "cufflink" ? 3 - deadLetters : 0), reordered: 0 };
    },
  };
}

function poisonAttempts(numbers: readonly number[]): string {
  const counts = Object.values(Object.groupBy(numbers, (number) => number)).map(
    (of) => of?.length ?? 0,
  );
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const text = (count: number): string => count.toLocaleString("en-US");
  return counts.length === 0
    ? "0"
    : least === most
      ? text(least)
      : `${text(least)} to ${text(most)}`;
}
