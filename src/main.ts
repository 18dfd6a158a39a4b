#!/usr/bin/env node
import { enableCompileCache } from "node:module";

// The compiled code of the last start is used again; without a folder for it, all goes on as before.
enableCompileCache();

const { main } = await import("./cli/main.ts");
process.exitCode = await main(process.argv.slice(2));
