import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildGoProgram, goProgram } from "./go-program.ts";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";

export interface GrpcGoOptions {
  /** TLS is spoken too, on `tlsPort`, with this certificate and key. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** The authority that clients' certificates must be of. */
  readonly ca?: string;
  /** The versions of reflection that it has. Default: both. */
  readonly reflection?: "v1alpha" | "none";
  /** A service of which every call is refused; `*`: all but `grpc.testing.TestService`. */
  readonly denied?: string;
}

// HTTP/2: the preface and empty SETTINGS.
const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from("000000040000000000", "hex"),
]);

/** grpc-go's interoperability service, health and reflection. It prints `call /package.Service/Method` for each call. */
export const grpcGo: ServerKind<GrpcGoOptions, object, { readonly tlsPort: number }> = {
  title: "grpc-go",
  variable: "GRPC_GO_URL",
  ports: 2,
  startTimeout: 20_000,
  greeting: {
    question: preface,
    // SETTINGS.
    isAnswer: (answer) => answer[3] === 4,
  },
  startedLine: /^listening/,
  url: (host, port) => `http://${host}:${port}`,
  parse: (value) => parseUrl(value, 50_051),
  isInstalled: () => existsSync(goProgram("grpc-go")),
  install: () => buildGoProgram("grpc-go"),
  async prepare(place, { tls, ca, reflection, denied }) {
    const { folder, host } = place;
    const flags = ["-listen", `${host}:${portAt(place, 0)}`];
    if (tls !== undefined) flags.push("-tls-listen", `${host}:${portAt(place, 1)}`);
    const file = async (flag: string, text: string | undefined): Promise<void> => {
      if (text === undefined) return;
      const path = join(folder, `${flag}.pem`);
      await writeFile(path, text);
      flags.push(`-${flag}`, path);
    };
    await file("cert", tls?.cert);
    await file("key", tls?.key);
    await file("ca", ca);
    if (reflection !== undefined) flags.push("-reflection", reflection);
    if (denied !== undefined) flags.push("-denied", denied);
    return [{ program: goProgram("grpc-go"), arguments: flags }];
  },
  extras: () => ({}),
  ownExtras: (place) => ({ tlsPort: portAt(place, 1) }),
};
