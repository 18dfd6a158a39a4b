import { join } from "node:path";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";

/** kinesalite and dynalite: shards that are split, merged and end, and conditions of items. Both keep their data on disk. */
export const kinesalite: ServerKind<object, object, object> = {
  title: "kinesalite",
  variable: "KINESALITE_URL",
  ports: 1,
  startTimeout: 30_000,
  greeting: {
    question: Buffer.from("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    isAnswer: (answer) => answer.includes("HTTP/1.1 "),
  },
  url: (host, port) => `http://${host}:${port}`,
  parse: (value) => parseUrl(value, 4567),
  isInstalled: () => true,
  install: () => Promise.resolve(),
  prepare: (place) => {
    const script = join(import.meta.dirname, "kinesalite", "kinesalite-process.ts");
    const { host, folder } = place;
    const given = [script, host, String(portAt(place, 0)), folder];
    return Promise.resolve([{ program: process.execPath, arguments: given }]);
  },
  extras: () => ({}),
  ownExtras: () => ({}),
};
