/**
 * Loaded into a daemon under test by NODE_OPTIONS: makes what `CUFFLINK_TEST_WEDGES` names hang for ever. The threads
 * really wait, for a pipe that nobody writes to.
 */
const { promises } = process.getBuiltinModule("node:fs");
const threads = process.getBuiltinModule("node:worker_threads");
const { syncBuiltinESMExports } = process.getBuiltinModule("node:module");
const wedges = (process.env["CUFFLINK_TEST_WEDGES"] ?? "").split(",");
const pipe = process.env["CUFFLINK_TEST_PIPE"] ?? "";
const share = process.env["CUFFLINK_TEST_SHARE"] ?? "";

if (threads.isMainThread && wedges.includes("file system")) {
  // Each look at the share takes one of libuv's threads, and keeps it, as that of a server that is gone does.
  const { stat, open } = promises;
  promises.stat = (async (path: string, ...rest: []) =>
    path.startsWith(share) ? (await open(pipe)).stat() : stat(path, ...rest)) as typeof stat;
  syncBuiltinESMExports();
}

if (threads.isMainThread && wedges.includes("store")) {
  const { Worker } = threads;
  threads.Worker = class extends Worker {
    constructor() {
      super(`require("node:fs").readFileSync(${JSON.stringify(pipe)})`, { eval: true });
    }
  };
}

if (threads.isMainThread && wedges.includes("driver")) {
  const { Redis } = await import("ioredis");
  const never = (): Promise<never> => new Promise(() => setInterval(() => {}, 1000));
  Object.assign(Redis.prototype, { quit: never, disconnect: never });
}
