// Runs a server that listens on all addresses of the machine, and lets none but this machine reach it: the server is in
// a network namespace of its own, where its ports lead through Unix sockets of a folder to the same ports of 127.0.0.1.
//
// loopback-only-process.ts FOLDER PORT,PORT COMMAND [ARGUMENT…]
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";

const inside = process.env["CUFFLINK_TEST_INSIDE"] === "1";
const [folder = "", list = "", ...command] = process.argv.slice(2);

for (const port of list.split(",").map(Number)) {
  const socket = join(folder, `${port}.sock`);
  const loopback = { host: "127.0.0.1", port };
  if (inside) rmSync(socket, { force: true });
  const server = net.createServer({ allowHalfOpen: true }, (from) => {
    const to = net.connect({ ...(inside ? loopback : { path: socket }), allowHalfOpen: true });
    from.on("error", () => to.destroy());
    to.on("error", () => from.destroy());
    from.pipe(to).pipe(from);
  });
  if (inside) server.listen(socket);
  else server.listen(loopback);
}

const start = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"];
const self = [process.execPath, ...process.argv.slice(1)];
const [program = "", ...args] = inside ? command : [...start, ...self];
const child = spawn(program, args, {
  stdio: "inherit",
  // Its own processes are ended with it.
  detached: inside,
  env: { ...process.env, CUFFLINK_TEST_INSIDE: "1" },
});
function end(signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(inside ? -child.pid : child.pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => end(signal));
child.once("exit", (code) => {
  end("SIGKILL");
  process.exit(code ?? 1);
});
