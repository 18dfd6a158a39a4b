import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Aftermath } from "./large-fleet.ts";
import type { Simulated } from "./simulate.ts";

const file = join(import.meta.dirname, "results.json");

export function writeResults(results: readonly Simulated[]): void {
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
}

/** The generated part of docs/scale.md. */
export function markdownSimulation(): string {
  const results = existsSync(file)
    ? (JSON.parse(readFileSync(file, "utf8")) as readonly Simulated[])
    : [];
  return [
    "### Traffic",
    "",
    "| Replicas | Components | Renewals/s | Renewals told/s | Other requests/s | Requests at the start of all | Changes told when one replica dies |",
    "| --: | --: | --: | --: | --: | --: | --: |",
    ...results.map(({ replicas, components, steady, start, oneKilled }) =>
      row([
        ...[replicas, components, steady.renewals, steady.renewalsTold, steady.acquires],
        ...[start.acquires, 2 * oneKilled.unread * (replicas - 1)],
      ]),
    ),
    "",
    "### Balance",
    "",
    "| Replicas | Most on one replica after the start | In the end | Moves | After | Longest gap |",
    "| --: | --: | --: | --: | --: | --: |",
    ...results.flatMap(({ replicas, start, evened }) => {
      if (evened === undefined) return [];
      const { most, moves, took, longestGap } = evened;
      const times = [`${Math.round(took / 1000)} s`, `${Math.ceil(longestGap)} ms`];
      return row([replicas, start.most, most, moves, ...times]);
    }),
    "",
    "### Failover",
    "",
    "| What happened | Replicas | Components unread | p50 | p99 | Longest | Most requests in a second |",
    "| --- | --: | --: | --: | --: | --: | --: |",
    ...results.flatMap((result) => [
      aftermath("one replica killed", result.replicas, result.oneKilled),
      aftermath("a tenth killed at once", result.replicas, result.tenthKilled),
      aftermath("a tenth cut off for 20 s", result.replicas, result.tenthCutOff),
      aftermath("6 s without a leader", result.replicas, result.leaderLost),
    ]),
  ].join("\n");
}

function aftermath(what: string, replicas: number, one: Aftermath): string {
  const { unread, p50, p99, longest, requestsInWorstSecond } = one;
  const times = [p50, p99, longest].map((time) => `${(time / 1000).toFixed(1)} s`);
  return row([what, replicas, unread, ...times, requestsInWorstSecond]);
}

function row(cells: readonly (string | number)[]): string {
  const texts = cells.map((one) =>
    typeof one === "number" ? Math.round(one).toLocaleString("en") : one,
  );
  return `| ${texts.join(" | ")} |`;
}
