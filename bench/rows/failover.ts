import { Servers } from "../../test/faults/servers.ts";
import { failovers, type Ending } from "../../test/fleet/failovers.ts";
import { median } from "../measure/statistics.ts";
import type { Row } from "./row.ts";

/** Fifty are one round: `--rounds 1`. */
const times = 50;

/** A replica dies; the next one has to read within 5 s. */
export const failoverRow = rowOf("failover", "failover: the owner is killed", "killed", 5_000);

/** The server that leads the leases' stream dies with it: within 20 s. */
export const leaderFailoverRow = rowOf(
  "failover-with-leader",
  "failover: the owner and the stream's leader are killed",
  "killed with the leader",
  20_000,
);

/** A shutdown hands over within a second. */
export const handOverRow = rowOf(
  "hand-over",
  "hand-over: the owner ends in order",
  "ended in order",
  1_000,
);

function rowOf(name: string, title: string, ending: Ending, atMost: number): Row {
  return {
    ...{ name, title, contenders: ["cufflink"] },
    requirements: [{ measure: "longestFailover", contender: "cufflink", atMost }],
    async open(_, bench) {
      const servers = new Servers(1);
      return {
        async round() {
          const took = await failovers(servers, ending, bench.count(times), (text) =>
            process.stderr.write(`bench: ${text}\n`),
          );
          return { failover: median(took), longestFailover: Math.max(...took) };
        },
        [Symbol.asyncDispose]: () => servers[Symbol.asyncDispose](),
      };
    },
  };
}
