import { installPackages } from "./install.ts";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";
import { findProgram } from "./server-process.ts";

export interface RedisOptions {
  /** Further arguments of `redis-server`. */
  readonly arguments?: readonly string[];
}

/** Redis, with its append-only file on, so that what was written is there after a restart. */
export const redis: ServerKind<RedisOptions, object, object> = {
  title: "Redis",
  variable: "REDIS_URL",
  ports: 1,
  startTimeout: 20_000,
  greeting: {
    question: Buffer.from("PING\r\n"),
    isAnswer: (answer) => /^(\+PONG|-NOAUTH)/.test(answer.toString("latin1")),
  },
  url: (host, port) => `redis://${host}:${port}`,
  parse: (value) => parseUrl(value, 6379),
  isInstalled: () => findProgram("redis-server") !== undefined,
  install: () => installPackages("redis-server"),
  prepare: async (place, options) => [
    {
      program: findProgram("redis-server") ?? "redis-server",
      arguments: [
        ["--port", String(portAt(place, 0))],
        ["--bind", place.host],
        ["--dir", place.folder],
        ["--save", ""],
        ["--appendonly", "yes"],
        ["--enable-debug-command", "yes"],
        options.arguments ?? [],
      ].flat(),
    },
  ],
  extras: () => ({}),
  ownExtras: () => ({}),
};
