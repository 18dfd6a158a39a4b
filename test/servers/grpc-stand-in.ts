import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseUrl, portAt, type Place, type ServerKind } from "./kind.ts";

export interface GrpcStandInOptions {
  /** The methods that may be called. Default: all. */
  readonly only?: readonly string[];
  /** The tokens that are taken. Default: none is needed. */
  readonly tokens?: readonly string[];
}

interface GrpcStandInExtras {
  /** From now on these tokens are taken; it must have been started with some. */
  setTokens(tokens: readonly string[]): Promise<void>;
}

// HTTP/2: the preface and empty SETTINGS.
const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from("000000040000000000", "hex"),
]);

/**
 * A program of ours that serves gRPC as `serveGrpc` does, and keeps what it has on disk. It is given its port, its folder,
 * the methods that may be called, and a file of tokens.
 */
export function grpcStandIn(
  title: string,
  variable: string,
  program: string,
): ServerKind<GrpcStandInOptions, object, GrpcStandInExtras> {
  return {
    ...{ title, variable, ports: 1, startTimeout: 20_000 },
    greeting: {
      question: preface,
      // SETTINGS.
      isAnswer: (answer) => answer[3] === 4,
    },
    startedLine: /^listening/,
    url: (host, port) => `http://${host}:${port}`,
    parse: (value) => parseUrl(value, 80),
    isInstalled: () => true,
    install: () => Promise.resolve(),
    async prepare(place, { only = [], tokens }) {
      const options = [String(portAt(place, 0)), place.folder, only.join(",")];
      if (tokens !== undefined) {
        // Those that were set meanwhile outlast a restart.
        if (!existsSync(tokensFile(place))) await writeTokens(place, tokens);
        options.push(tokensFile(place));
      }
      const path = join(import.meta.dirname, program);
      return [{ program: process.execPath, arguments: [path, ...options] }];
    },
    extras: () => ({}),
    ownExtras: (place) => ({ setTokens: (tokens) => writeTokens(place, tokens) }),
  };
}

const tokensFile = ({ folder }: Place): string => join(folder, "tokens");

async function writeTokens(place: Place, tokens: readonly string[]): Promise<void> {
  const file = tokensFile(place);
  // The server reads it with each call.
  const fresh = `${file}.${randomUUID()}`;
  await writeFile(fresh, tokens.join("\n"));
  await rename(fresh, file);
}
