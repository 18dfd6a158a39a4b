import type { Command } from "commander";
import { addDryOptions, readDryOptions } from "./dry-options.ts";
import { environmentOf } from "./app-environment.ts";
import { addServeOptions, readServeOptions } from "./serve-options.ts";
import type { RunOptions, Served } from "./serve.ts";
import { UsageError } from "./usage-error.ts";
import { createAppOutput } from "./app-output.ts";

/** `cufflink run`: serves, and runs the app beside it. */
export function addRunCommand(program: Command, setExitCode: (code: number) => void): void {
  program.enablePositionalOptions();
  const command = program
    .command("run")
    .description("serve components, and start the app too")
    .usage("[options] -- <command...>")
    .argument("<command...>", "starts the app")
    .passThroughOptions()
    .addHelpText(
      "after",
      `
The app gets APP_ID, APP_PORT, APP_PROTOCOL, DAPR_HTTP_PORT and DAPR_GRPC_PORT in its environment; where no port of
the loopback leads to the runtime in cleartext, DAPR_GRPC_ENDPOINT and DAPR_HTTP_ENDPOINT say what does. Ctrl-C lets it finish the events it has, then ends it. When it ends by itself, so does the runtime, with its exit code.

With --dry nothing is connected to: each component has a stand-in in memory. Events come from --feed, and from
cufflink emit; a line of JSON on standard output tells of each call of an output, and of what became of each event. The
log and the app's output go to standard error. When the feed has ended and its events are settled, so does the run: with
1 where one was not handled.

Examples:
  cufflink run --app-port 7001 --app-protocol grpc --resources-path ./components -- node app.ts
  cufflink run --dry --feed events.jsonl --fault "orders: fail 3rd" --resources-path ./components -- node app.ts
`,
    );
  addServeOptions(addDryOptions(command)).action(async (words: string[]) => {
    const dry = await readDryOptions(command);
    const options: RunOptions = { ...readServeOptions(command), ...(dry && { dry }) };
    if (dry !== undefined && options.workers > 1)
      throw new UsageError("--dry has one thread; leave out --workers");
    if (dry !== undefined && options.store !== undefined)
      throw new UsageError("--dry keeps its records in memory; leave out --store");
    const { serve } = await import("./serve.ts");
    const { serveUntilSignalled } = await import("./process-signals.ts");
    const { started } = await import("./serve-log.ts");
    const start = async (): Promise<Served> =>
      withApp(await started(options, serve(options)), options, words);
    setExitCode(await serveUntilSignalled(start));
  });
}

/** The same, with an app that starts now and ends after the rest did. */
async function withApp(
  served: Served,
  options: RunOptions,
  [command = "", ...args]: string[],
): Promise<Served> {
  const { AppProcess } = await import("./app-process.ts");
  const app = new AppProcess({
    command,
    args,
    env: environmentOf(options, served),
    output: createAppOutput(options, options.dry === undefined ? undefined : process.stderr),
    onFailedStart: (reason) =>
      served.logger.error({ command, reason }, "the app cannot be started"),
  });
  let ends = 0;
  const end = (why: string, exitCode?: number): void => {
    ends++;
    if (ends > 1) app.kill();
    served.end(why, exitCode);
  };
  void app.ended.then((code) => {
    if (ends === 0 && !served.shuttingDown()) end(`the app ended with exit code ${code}`, code);
  });
  return { ...served, end, ended: served.ended.then((code) => app.stop().then(() => code)) };
}
