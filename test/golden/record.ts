// `DAPRD=/path/to/daprd npm run test:golden`: asks that daprd what test/golden/suites ask, and writes what it answers to
// test/golden/answers, with which `npm test` compares Cufflink's own answers. It takes a few minutes.
//
//   --suite NAME   this suite alone; may be repeated
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { handleSignals } from "../../bench/children.ts";
import { kinds, type ServerName } from "../servers/kinds.ts";
import { startServer } from "../servers/start-server.ts";
import { serveDaprd } from "./daprd.ts";
import { goldenFile, roads, type Golden } from "./golden.ts";
import { runSuite, type Answers } from "./run-suite.ts";
import { suites } from "./suites/index.ts";

const { values: flags } = parseArgs({
  options: { suite: { type: "string", multiple: true, default: [] } },
});
const daprd = process.env["DAPRD"];
if (!daprd) {
  console.error("golden: DAPRD must name the daprd whose answers are to be kept");
  process.exit(2);
}
handleSignals();
const version = execFileSync(daprd, ["--version"]).toString().trim();
const servers = Object.fromEntries(Object.keys(kinds).map((name) => [name, ""])) as Record<
  ServerName,
  string
>;
await using started = new AsyncDisposableStack();
for (const suite of suites) {
  if (flags.suite.length > 0 && !flags.suite.includes(suite.name)) continue;
  for (const name of suite.servers) {
    if (servers[name] !== "") continue;
    const { host, port } = started.use(await startServer(name));
    servers[name] = `${host}:${port}`;
  }
  const answers: Partial<Record<(typeof roads)[number], Answers>> = {};
  for (const road of roads) answers[road] = await runSuite(suite, road, servers, serveDaprd(daprd));
  const golden = { daprd: version, ...answers } as Golden;
  await writeFile(goldenFile(suite.name), `${JSON.stringify(golden, undefined, 2)}\n`);
  console.log(
    `${suite.name}: ${Object.keys(golden.http.calls).length} calls over HTTP, ${Object.keys(golden.grpc.calls).length} over gRPC`,
  );
}
