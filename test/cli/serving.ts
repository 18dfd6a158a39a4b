import { join } from "node:path";
import { onTestFinished } from "vitest";
import { folder } from "../resources/folder.ts";
import { releasePort, reservePort } from "../servers/ports.ts";
import { Command, root } from "./command.ts";

export type Serving = {
  readonly command: Command;
  readonly http: number;
  readonly grpc: number;
  /** The folder of the resources. */
  readonly resources: string;
};

/** Starts `bin/cufflink` as daprd is started: its flags, no command, an empty environment. */
export async function startServing(
  resources: Readonly<Record<string, string>>,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Serving> {
  const [http, grpc] = [await reservePort(), await reservePort()];
  onTestFinished(async () => {
    await releasePort(http);
    await releasePort(grpc);
  });
  const flags = ["--app-id", "shop", `--dapr-http-port=${http}`, "--dapr-grpc-port", String(grpc)];
  const more = [
    "--enable-metrics=false",
    "--dapr-listen-addresses",
    "127.0.0.1",
    "--enable-mtls=false",
    "--mode",
    "standalone",
  ];
  const path = folder(resources);
  const command = new Command([...flags, ...more, "--resources-path", path, ...args], {
    launcher: [join(root, "bin/cufflink")],
    env,
    cwd: "/",
  });
  await command.printed(/Status: Running\./);
  return { command, http, grpc, resources: path };
}
