import { join } from "node:path";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";

/** Our own server of events by HTTP, as pages, streams and WebSockets, which keeps them on disk. */
export const feed: ServerKind<object, object, object> = {
  title: "the server of feeds",
  variable: "FEED_URL",
  ports: 1,
  startTimeout: 20_000,
  greeting: {
    question: Buffer.from("GET /feeds/greeting HTTP/1.1\r\nHost: x\r\n\r\n"),
    isAnswer: (answer) => answer.includes("HTTP/1.1 200"),
  },
  url: (host, port) => `http://${host}:${port}`,
  parse: (value) => parseUrl(value, 80),
  isInstalled: () => true,
  install: () => Promise.resolve(),
  async prepare(place) {
    const program = join(import.meta.dirname, "feed/feed-process.ts");
    const folder = join(place.folder, "feeds");
    return [{ program: process.execPath, arguments: [program, String(portAt(place, 0)), folder] }];
  },
  extras: () => ({}),
  ownExtras: () => ({}),
};
