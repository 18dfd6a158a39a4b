#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { trustEnvironment } from "./tls/trust-environment.ts";

// Node would open its inspector, through which whoever runs as this user reads every secret.
process.on("SIGUSR1", () => {});

// The compiled code of the last start is used again; without a folder for it, all goes on as before.
enableCompileCache();

// An import of node:http reads each of its members, and these three would load Node's own undici, which
// nothing here uses: a tenth of the start, and 4 MiB.
const http: Record<string, unknown> = process.getBuiltinModule("node:http");
for (const name of ["WebSocket", "CloseEvent", "MessageEvent"]) delete http[name];

// A health check comes again and again, and asks without TLS as a rule.
const trusted =
  process.argv[2] === "health"
    ? undefined
    : trustEnvironment((text) => void process.stderr.write(`cufflink: ${text}\n`));
const { main } = await import("./cli/main.ts");
const { exitNow } = await import("./cli/exit-now.ts");
await trusted;
const code = (process.exitCode = await main(process.argv.slice(2)));
// A driver may have left a handle open, a file system may not answer: what keeps it alive so long keeps it for ever,
// unless it is its output that is still being read.
setInterval(() => {
  if (process.stdout.writableLength === 0) exitNow(code);
}, 1000).unref();
