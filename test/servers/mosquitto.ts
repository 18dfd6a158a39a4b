import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installPackages } from "./install.ts";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";
import { findProgram } from "./server-process.ts";

export interface MosquittoOptions {
  /** Further lines of `mosquitto.conf`, such as `max_inflight_messages 5`. */
  readonly config?: readonly string[];
}

// MQTT 3.1.1 CONNECT: clean session, keep-alive 10 s, no client id.
const connectPacket = Buffer.from("100c00044d5154540402000a0000", "hex");

/** Eclipse Mosquitto, with sessions and retained messages kept on disk over an orderly restart. */
export const mosquitto: ServerKind<MosquittoOptions, object, object> = {
  title: "Mosquitto",
  variable: "MQTT_URL",
  ports: 1,
  startTimeout: 20_000,
  greeting: {
    question: connectPacket,
    isAnswer: (answer) => answer[0] === 0x20,
  },
  url: (host, port) => `mqtt://${host}:${port}`,
  parse: (value) => parseUrl(value, 1883),
  isInstalled: () => findProgram("mosquitto") !== undefined,
  install: () => installPackages("mosquitto"),
  async prepare(place, options) {
    const file = join(place.folder, "mosquitto.conf");
    const lines = [
      "per_listener_settings false",
      `listener ${portAt(place, 0)} ${place.host}`,
      "allow_anonymous true",
      "persistence true",
      `persistence_location ${place.folder}/`,
      "log_dest stdout",
      "set_tcp_nodelay true",
      // By default it throws away what waits beyond a thousand, also what it said that it has.
      "max_queued_messages 0",
      // By default it drops root for a user that may not write into the folder.
      ...(process.getuid?.() === 0 ? ["user root"] : []),
      ...(options.config ?? []),
    ];
    await writeFile(file, `${lines.join("\n")}\n`);
    return [{ program: findProgram("mosquitto") ?? "mosquitto", arguments: ["-c", file] }];
  },
  extras: () => ({}),
  ownExtras: () => ({}),
};
