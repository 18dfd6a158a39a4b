// A server in a process of its own, whose memory is its own: it answers `/bytes/N`, and tells what it holds when asked.
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { serve } from "../served.ts";

/** What it says of itself. */
export type ServerState = {
  readonly port: number;
  /** In bytes. */
  readonly resident: number;
  readonly counted: number;
  readonly connections: number;
  /** How many it has closed, for whatever reason. */
  readonly closed: number;
};

const share = new MemoryBudget(Number(process.argv[2])).share("http", Number(process.argv[2]));
const served = await serve({ memory: share, notesNothing: true });
process.on("message", () => {
  global.gc?.();
  process.send?.({
    port: served.port,
    resident: process.memoryUsage.rss(),
    counted: share.used,
    connections: served.group.connections.size,
    closed: served.reasons.length,
  } satisfies ServerState);
});
process.on("disconnect", () => process.exit());
