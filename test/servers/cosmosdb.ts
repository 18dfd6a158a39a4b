import { createRequire } from "node:module";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";

/** `@vercel/cosmosdb-server`: documents, partitions and conflicts of Cosmos DB, without its signatures. */
export const cosmosdb: ServerKind<object, object, object> = {
  title: "cosmosdb-server",
  variable: "COSMOSDB_URL",
  ports: 1,
  startTimeout: 60_000,
  greeting: {
    question: Buffer.from("GET /dbs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    isAnswer: (answer) => answer.includes("HTTP/1.1 200"),
  },
  url: (host, port) => `http://${host}:${port}`,
  parse: (value) => parseUrl(value, 8081),
  isInstalled: () => true,
  install: () => Promise.resolve(),
  prepare: (place) =>
    Promise.resolve([
      {
        program: process.execPath,
        arguments: [
          createRequire(import.meta.url).resolve("@vercel/cosmosdb-server/lib/cli.js"),
          ...["--host", place.host, "-p", String(portAt(place, 0)), "--no-ssl"],
        ],
      },
    ]),
  extras: () => ({}),
  ownExtras: () => ({}),
};
