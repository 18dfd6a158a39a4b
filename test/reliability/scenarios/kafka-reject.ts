import { plural, type Row } from "../row.ts";
import { Trial } from "../trial.ts";

const quiet = 15_000;
const rejected = [3, 7];

/** Ten events, of which the app refuses two the first time: each must come again, in this life or after a restart. */
export const kafkaReject: Row = {
  name: "kafka-reject",
  title: "Kafka, one partition: of ten events the app rejects two once",
  tuning: "`consumeRetryEnabled: true`, Resiliency that retries for ever",
  async run(contender, bench) {
    await using trial = await Trial.open(contender, bench, {
      source: "kafka",
      partitions: 1,
      app: { refuseOnce: rejected },
    });
    await trial.startApp();
    await trial.runtime.start();
    for (let number = 0; number < 10; number++) await trial.send();
    await trial.untilQuiet(quiet);
    const before = 10 - (await trial.open()).length;
    await trial.runtime.end();
    await trial.runtime.start();
    await trial.untilQuiet(quiet);
    const { lost: missing, reordered } = await trial.verdict();
    const lost = missing.length;
    const text =
      lost === 0
        ? `all handled${before < 10 ? ", some only after a restart" : ""}`
        : `**${lost} lost**: ${plural(10 - lost, "event")} handled, also after a restart`;
    return { text, lost, reordered: reordered.length };
  },
};
