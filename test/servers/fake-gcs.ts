import { existsSync } from "node:fs";
import { buildGoProgram, goProgram } from "./go-program.ts";
import { parseUrl, portAt, type ServerKind } from "./kind.ts";

export interface FakeGcsOptions {
  /** What may be asked, as `POST /upload`. Default: all. */
  readonly only?: readonly string[];
  /** The token that is taken. Default: none is needed. */
  readonly token?: string;
}

/** fake-gcs-server, a fake of Cloud Storage. It prints `call GET /storage/v1/b` for each call. */
export const fakeGcs: ServerKind<FakeGcsOptions, object, object> = {
  title: "fake-gcs-server",
  variable: "FAKE_GCS_URL",
  ports: 1,
  startTimeout: 20_000,
  greeting: {
    question: Buffer.from(
      "GET /_internal/healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ),
    isAnswer: (answer) => answer.toString("latin1").startsWith("HTTP/1.1 "),
  },
  startedLine: /^listening/,
  url: (host, port) => `http://${host}:${port}`,
  parse: (value) => parseUrl(value, 4443),
  isInstalled: () => existsSync(goProgram("fake-gcs")),
  install: () => buildGoProgram("fake-gcs"),
  async prepare(place, { only, token }) {
    const flags = ["-listen", `${place.host}:${portAt(place, 0)}`];
    if (only !== undefined) flags.push("-only", only.join(","));
    if (token !== undefined) flags.push("-token", token);
    return [{ program: goProgram("fake-gcs"), arguments: flags }];
  },
  extras: () => ({}),
  ownExtras: () => ({}),
};
