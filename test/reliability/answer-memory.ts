// `node test/reliability/answer-memory.ts`: how much memory answers can make a daemon take, and how much it keeps. Each attack takes
// 20 s, and a minute of rest. Memory is what the kernel says of the process (VmRSS), in MiB.
//
//   --attack NAME   this attack alone; may be repeated: app-http, app-h2c, app-grpc, output-http
//   --duration S    seconds of attack (20)
//   --rest S        seconds of rest (60)
//
// Exits with 1 where more than 64 MiB are kept.
import { parseArgs } from "node:util";
import { answersOf, attacks, measure } from "./answer-attacks.ts";

const { values: flags } = parseArgs({
  options: {
    attack: { type: "string", multiple: true, default: [] },
    duration: { type: "string", default: "20" },
    rest: { type: "string", default: "60" },
  },
});
const most = 64;
for (const attack of attacks) {
  if (flags.attack.length > 0 && !flags.attack.includes(attack.name)) continue;
  const size = attack.name.startsWith("app") ? answersOf(250, 8) : answersOf(100, 10);
  const { before, peak, after, connections, slowestHealth } = await measure(
    attack,
    size,
    Number(flags.duration) * 1000,
    Number(flags.rest) * 1000,
  );
  const health = Math.round(slowestHealth);
  console.log(
    `${attack.title}: ${before} MiB before, ${peak} at the most, ${after} after a rest; ${connections} connections; health within ${health} ms`,
  );
  if (after > before + most) process.exitCode = 1;
}
