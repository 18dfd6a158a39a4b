import { join } from "node:path";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";

/** Our own stand-in of Alibaba's Log Service, which keeps logs and checkpoints on disk. */
export const sls: ServerKind<object, object, object> = {
  title: "the stand-in of Alibaba Cloud Log Service",
  variable: "SLS_URL",
  ports: 1,
  startTimeout: 20_000,
  greeting: {
    question: Buffer.from("GET / HTTP/1.1\r\nHost: sls\r\nConnection: close\r\n\r\n"),
    isAnswer: (answer) => answer.toString("latin1").startsWith("HTTP/1.1 400"),
  },
  url: (host, port) => `http://${host}:${port}`,
  parse: (value) => parseUrl(value, 80),
  isInstalled: () => true,
  install: () => Promise.resolve(),
  async prepare(place) {
    const program = join(import.meta.dirname, "sls/sls-process.ts");
    return [
      { program: process.execPath, arguments: [program, String(portAt(place, 0)), place.folder] },
    ];
  },
  extras: () => ({}),
  ownExtras: () => ({}),
};
