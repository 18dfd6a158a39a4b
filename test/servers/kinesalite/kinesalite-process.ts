// Kinesis and DynamoDB on one port, as a component's `endpoint` has them: `node kinesalite-process.ts HOST PORT FOLDER`.
import { mkdirSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const [host, port, folder = ""] = process.argv.slice(2);
const load = createRequire(import.meta.url);

function open(name: string): Server {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  const times = Object.fromEntries(
    ["create", "update", "delete"].flatMap((what) => [
      [`${what}StreamMs`, 0],
      [`${what}TableMs`, 0],
    ]),
  );
  // Each exports a function that makes a server.
  const make = load(name) as (options: object) => Server;
  return make({ path, ...times, shardLimit: 10_000 });
}

// Both throw what a client that breaks off comes to.
process.on("uncaughtException", (error) => {
  if ("code" in error && error.code === "ECONNRESET") return;
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});

const kinesis = open("kinesalite");
const dynamodb = open("dynalite");
const server = createServer((request, response) => {
  const target = String(request.headers["x-amz-target"]);
  (target.startsWith("Kinesis") ? kinesis : dynamodb).emit("request", request, response);
});
server.listen(Number(port), host);
