#!/usr/bin/env node
import { version } from "./version.ts";

if (process.argv[2] === "--version") {
  process.stdout.write(`${version}\n`);
} else {
  process.stderr.write(`cufflink: unknown command ${process.argv[2] ?? "(none)"}\n`);
  process.exitCode = 64;
}
