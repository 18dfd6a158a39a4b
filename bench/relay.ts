// What the relay costs an event, and how an app's throughput grows with its replicas: `node bench/relay.ts [EVENTS]`.
// The app takes 50 ms an event and 16 at one time, so that one replica handles 320 a second at most. A Markdown table.
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { startServer } from "../test/servers/start-server.ts";

const events = process.argv[2] ?? "10000";
const program = join(import.meta.dirname, "programs/relay-replica.ts");
await using server = await startServer("nats");

type Told = { readonly handled: number; readonly cpu: number };

/** Until all events are handled. `pause`: how long the app takes, in milliseconds. */
async function run(replicas: number, isRelayed: boolean, pause: number) {
  const args = [server.url, `bench-${replicas}-${isRelayed}-${pause}`, String(isRelayed), events];
  const children = Array.from({ length: replicas }, () => fork(program, [...args, String(pause)]));
  const told = children.map((): Told => ({ handled: 0, cpu: 0 }));
  const sum = (what: keyof Told): number => told.reduce((total, one) => total + one[what], 0);
  const done = Promise.withResolvers<void>();
  let began: { at: number; cpu: number } | undefined;
  for (const [index, child] of children.entries())
    child.on("message", (message: Told) => {
      told[index] = message;
      if (began === undefined && sum("handled") > 0)
        began = { at: performance.now(), cpu: sum("cpu") };
      if (sum("handled") >= Number(events)) done.resolve();
    });
  await Promise.all(children.map((child) => once(child, "message")));
  const first = sum("handled");
  // Those that deliver alone are there before the source begins.
  for (const [index, child] of children.entries()) {
    child.send({ members: replicas });
    if (index > 0) child.send({ owner: false });
  }
  await new Promise((resolve) => setTimeout(resolve, replicas > 1 ? 2_000 : 0));
  const cpu = sum("cpu");
  const at = performance.now();
  children[0]?.send({ owner: true });
  await done.promise;
  const took = performance.now() - at;
  const result = { took, cpu: sum("cpu") - cpu, share: told.map(({ handled }) => handled - first) };
  for (const child of children) child.kill();
  await Promise.all(children.map((child) => once(child, "exit")));
  return result;
}

const rows: string[] = [];
for (const [replicas, isRelayed, pause] of [
  [1, false, 0],
  [1, true, 0],
  [1, false, 50],
  [1, true, 50],
  [2, true, 50],
  [3, true, 50],
] as const) {
  const { took, cpu, share } = await run(replicas, isRelayed, pause);
  const rate = Math.round(Number(events) / (took / 1_000));
  const cost = Math.round((cpu * 1_000) / Number(events));
  rows.push(
    `| ${replicas} | ${isRelayed ? "yes" : "no"} | ${pause} ms | ${rate} | ${cost} | ${share.join(", ")} |`,
  );
}
process.stdout.write(
  `| Replicas | Relay | App takes | Events/s | Processor time an event, µs | Events of each |\n| --- | --- | --- | --- | --- | --- |\n${rows.join("\n")}\n`,
);
