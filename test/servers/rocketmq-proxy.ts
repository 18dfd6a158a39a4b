import { join } from "node:path";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";

// HTTP/2: the preface and empty SETTINGS.
const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from("000000040000000000", "hex"),
]);

/** Our own stand-in of RocketMQ's proxy and broker, which keeps messages on disk. */
export const rocketmqProxy: ServerKind<object, object, object> = {
  title: "the stand-in of RocketMQ's proxy",
  variable: "ROCKETMQ_PROXY_URL",
  ports: 1,
  startTimeout: 20_000,
  greeting: { question: preface, isAnswer: (answer) => answer[3] === 4 },
  url: (host, port) => `http://${host}:${port}`,
  parse: (value) => parseUrl(value, 8081),
  isInstalled: () => true,
  install: () => Promise.resolve(),
  async prepare(place) {
    const program = join(import.meta.dirname, "rocketmq-proxy/proxy-process.ts");
    return [
      { program: process.execPath, arguments: [program, String(portAt(place, 0)), place.folder] },
    ];
  },
  extras: () => ({}),
  ownExtras: () => ({}),
};
