import { plural, type Row } from "../row.ts";
import { Trial } from "../trial.ts";

const quiet = 20_000;
const events = 20;

/** The app that is there at once, that comes late, and that listens but is not ready to answer yet. */
export const lateApps: readonly Row[] = [
  late("before", "the app starts before the runtime", 0, 0),
  late("0", "the app starts right after the runtime", 0, 0),
  late("5", "the app starts 5 s after the runtime", 5000, 0),
  late("60", "the app starts 60 s after the runtime", 60_000, 0),
  late("unready", "the app listens at once, and answers to what it subscribes after 5 s", 0, 5000),
];

function late(which: string, what: string, lateBy: number, subscriptionAfter: number): Row {
  return {
    name: `late-app-${which}`,
    title: `RabbitMQ: ${plural(events, "event")} wait, ${what}`,
    async run(contender, bench) {
      await using trial = await Trial.open(contender, bench, {
        source: "rabbitmq",
        app: { subscriptionAfter },
      });
      for (let number = 0; number < events; number++) await trial.send();
      const first = which === "before" || subscriptionAfter > 0;
      if (first) await trial.startApp();
      await trial.runtime.start();
      await new Promise((resolve) => setTimeout(resolve, lateBy));
      if (!first) await trial.startApp();
      const came = Date.now();
      await trial.untilQuiet(quiet);
      const open = (await trial.open()).length;
      const handled = await trial.handled();
      const after = ((handled.at(-1)?.at ?? 0) - came) / 1000;
      const ended = trial.runtime.ended();
      const text =
        open === 0
          ? `all handled ${after.toFixed(1)} s after the app came`
          : `**${handled.length === 0 ? "none" : handled.length} handled** within ${quiet / 1000} s${ended === undefined ? "; the runtime says it is healthy" : `; the runtime ended: ${ended}`}`;
      return { text, lost: open, reordered: 0 };
    },
  };
}
