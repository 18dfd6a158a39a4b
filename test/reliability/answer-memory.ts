// `npm run test:answers`: how much memory answers can make Cufflink and, with DAPRD=/path/to/daprd, that daprd take, and how
// much it keeps. Each attack takes 20 s, and a minute of rest. Memory is what the kernel says of the process (VmRSS), in MiB.
//
//   --attack NAME      this attack alone; may be repeated: app-http, app-h2c, app-grpc, output-http, output-calls
//   --contender NAME   cufflink or daprd alone
//   --duration S       seconds of attack (20)
//   --rest S           seconds of rest (60)
//
// Exits with 1 where Cufflink keeps more than 64 MiB.
import { parseArgs } from "node:util";
import { handleSignals } from "../../bench/children.ts";
import { answersOf, attacks, measure } from "./answer-attacks.ts";

const { values: flags } = parseArgs({
  options: {
    attack: { type: "string", multiple: true, default: [] },
    contender: { type: "string", multiple: true, default: [] },
    duration: { type: "string", default: "20" },
    rest: { type: "string", default: "60" },
  },
});
handleSignals();
const daprd = process.env["DAPRD"] || undefined;
const mostKept = 64;
for (const attack of attacks) {
  if (flags.attack.length > 0 && !flags.attack.includes(attack.name)) continue;
  console.log(attack.title);
  const size = attack.name.startsWith("app") ? answersOf(250, 8) : answersOf(100, 10);
  for (const contender of ["cufflink", "daprd"] as const) {
    if (flags.contender.length > 0 && !flags.contender.includes(contender)) continue;
    if (contender === "daprd" && daprd === undefined) continue;
    const { before, peak, after, connections, slowestHealth } = await measure(attack, size, {
      ...{ contender, daprd },
      duration: Number(flags.duration) * 1000,
      rest: Number(flags.rest) * 1000,
    });
    const memory = `${before} → ${peak} MiB, ${after} after ${flags.rest} s`;
    const health = Math.round(slowestHealth);
    console.log(
      `  ${contender}: ${memory}; ${connections} connections; slowest health ${health} ms`,
    );
    if (contender === "cufflink" && after > before + mostKept) process.exitCode = 1;
  }
}
