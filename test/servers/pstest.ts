import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildGoProgram, goProgram } from "./go-program.ts";
import { parseUrl, portAt, type Place, type ServerKind } from "./kind.ts";

export interface PstestOptions {
  /** The methods that may be called: `Publish`. Default: all. */
  readonly only?: readonly string[];
  /** The tokens that are taken. Default: none is needed. */
  readonly tokens?: readonly string[];
  /** How long a stream lasts, as Go writes it: `2s`. Default: for ever. */
  readonly streamLife?: string;
}

interface PstestExtras {
  /** From now on these tokens are taken; it must have been started with some. */
  setTokens(tokens: readonly string[]): Promise<void>;
}

// HTTP/2: the preface and empty SETTINGS.
const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from("000000040000000000", "hex"),
]);

/** Google's fake of Pub/Sub for tests of its own clients. It prints `call /package.Service/Method` for each call. */
export const pstest: ServerKind<PstestOptions, object, PstestExtras> = {
  title: "Pub/Sub (pstest)",
  variable: "PSTEST_URL",
  ports: 1,
  startTimeout: 20_000,
  greeting: {
    question: preface,
    // SETTINGS.
    isAnswer: (answer) => answer[3] === 4,
  },
  startedLine: /^listening/,
  url: (host, port) => `http://${host}:${port}`,
  parse: (value) => parseUrl(value, 8085),
  isInstalled: () => existsSync(goProgram("pstest")),
  install: () => buildGoProgram("pstest"),
  async prepare(place, { only, tokens, streamLife }) {
    const { folder, host } = place;
    const flags = ["-listen", `${host}:${portAt(place, 0)}`, "-journal", join(folder, "journal")];
    if (only !== undefined) flags.push("-only", only.join(","));
    if (streamLife !== undefined) flags.push("-stream-life", streamLife);
    if (tokens !== undefined) {
      // Those that were set meanwhile outlast a restart.
      if (!existsSync(tokensFile(place))) await writeTokens(place, tokens);
      flags.push("-tokens", tokensFile(place));
    }
    return [{ program: goProgram("pstest"), arguments: flags }];
  },
  extras: () => ({}),
  ownExtras: (place) => ({ setTokens: (tokens) => writeTokens(place, tokens) }),
};

const tokensFile = ({ folder }: Place): string => join(folder, "tokens");

async function writeTokens(place: Place, tokens: readonly string[]): Promise<void> {
  const file = tokensFile(place);
  // The server reads it with each call.
  const fresh = `${file}.${randomUUID()}`;
  await writeFile(fresh, tokens.join("\n"));
  await rename(fresh, file);
}
