import { plural, type Row } from "../row.ts";
import { sourceNames, titles, type SourceName } from "../sources.ts";
import { Trial } from "../trial.ts";

const events = 2000;
const perSecond = 250;
const away = 2.5;
const quiet = 15_000;

/** The app is killed 2.5 s into the stream and another one comes 2.5 s later. */
export const appRestarts: readonly Row[] = sourceNames.map(appRestart);

function appRestart(source: SourceName): Row {
  const name = `app-restart-${source}`;
  return {
    name,
    title: `${titles[source]}: the app is killed and away for ${away} s while ${plural(events, "event")} come at ${perSecond}/s`,
    tuning: `${source === "kafka" ? "`consumeRetryEnabled: true`, " : ""}Resiliency that retries for ever`,
    async run(contender, bench) {
      await using trial = await Trial.open(contender, bench, { source });
      await trial.startApp();
      await trial.runtime.start();
      await trial.warm();
      await trial.sendPaced(events - 1, perSecond, async (number) => {
        if (number === away * perSecond) await trial.killApp();
        if (number === 2 * away * perSecond) await trial.startApp();
      });
      await trial.untilQuiet(quiet);
      const open = (await trial.open()).length;
      if (open > 0) {
        await trial.runtime.end();
        await trial.runtime.start();
        await trial.untilQuiet(quiet);
      }
      const {
        lost: missing,
        duplicates,
        reordered: disorders,
        longestDelay,
      } = await trial.verdict();
      const [lost, reordered] = [missing.length, disorders.length];
      const parts = [
        lost === 0 ? "0 lost" : `**${lost.toLocaleString("en-US")} lost**`,
        `${duplicates.toLocaleString("en-US")} twice`,
        ...(source === "kafka" ? [`${reordered} out of order`] : []),
        ...(lost === 0 ? [`slowest ${(longestDelay / 1000).toFixed(1)} s`] : []),
        ...(open > lost ? [`**${open - lost} only after a restart of the runtime**`] : []),
      ];
      return { text: parts.join(", "), lost, reordered: source === "kafka" ? reordered : 0 };
    },
  };
}
