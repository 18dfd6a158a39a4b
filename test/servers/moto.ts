import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";
import { installVenv, venvPython } from "./python-venv.ts";

/** The version that is installed. */
export const motoVersion = "5.2.1";
const wanted = { name: "moto", packages: [`moto[server]==${motoVersion}`] } as const;

/** The Python that has moto, and with it AWS's own library for Python. */
export async function motoPython(): Promise<string> {
  await installVenv(wanted);
  return venvPython(wanted) ?? "python3";
}

/** moto, which answers as AWS's services do, all on one port and in memory. Account 123456789012, any keys. */
export const moto: ServerKind<object, object, object> = {
  title: "moto",
  variable: "MOTO_URL",
  ports: 1,
  startTimeout: 30_000,
  greeting: {
    question: Buffer.from("GET /moto-api/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    isAnswer: (answer) => answer.includes("HTTP/1.1 200"),
  },
  url: (host, port) => `http://${host}:${port}`,
  parse: (value) => parseUrl(value, 5000),
  isInstalled: () => venvPython(wanted) !== undefined,
  install: () => installVenv(wanted),
  async prepare(place) {
    const server = ["-m", "moto.server", "-H", place.host, "-p", String(portAt(place, 0))];
    return [{ program: venvPython(wanted) ?? "python3", arguments: server }];
  },
  extras: () => ({}),
  ownExtras: () => ({}),
};
