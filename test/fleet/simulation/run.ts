// `npm run simulate:fleet`: the real code of leases on a simulated clock and network, for 10, 100 and 1,000 replicas of 1,000
// components. Prints what it gave; --publish writes it to results.json, of which the tables in docs/scale.md are made.
//
//   --replicas N     this many alone; may be repeated
//   --components N   default 1,000
//   --seed N         default 1; the same seed gives the same answer
import { parseArgs } from "node:util";
import { writeResults } from "./results.ts";
import { simulate, type Simulated } from "./simulate.ts";

const { values } = parseArgs({
  options: {
    replicas: { type: "string", multiple: true, default: [] },
    components: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    publish: { type: "boolean", default: false },
  },
});
const sizes = values.replicas.length === 0 ? [10, 100, 1_000] : values.replicas.map(Number);
const results: Simulated[] = [];
for (const replicas of sizes) {
  const began = performance.now();
  const result = await simulate(
    { replicas, components: Number(values.components), seed: Number(values.seed) },
    (text) => process.stderr.write(`${replicas} replicas, ${text}\n`),
  );
  results.push(result);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  process.stdout.write(`${JSON.stringify(result, null, 2)}\nsimulated in ${seconds} s\n`);
}
if (values.publish) writeResults(results);
if (results.some(({ overlaps }) => overlaps > 0)) {
  process.stderr.write("two replicas had the same component at the same time\n");
  process.exitCode = 1;
}
