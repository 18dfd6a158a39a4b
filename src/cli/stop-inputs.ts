import type { Command } from "commander";
import { addAddressOption, createClientFor, readDuration } from "./client-options.ts";
import { ExitCode } from "./exit-code.ts";

/** `cufflink stop-inputs`: for a preStop of Kubernetes, and for scripts that end an app before its runtime. */
export function addStopInputsCommand(program: Command): void {
  const command = program
    .command("stop-inputs")
    .description("have a running runtime read no more events; outputs go on")
    .option("--deadline <duration>", "how long the app may take for what it has", "30s")
    .addHelpText(
      "after",
      `
It returns once the app has finished what it has, or the deadline has passed. Inputs stay stopped until the runtime
ends. For one component, see cufflink components drain.

Exit code 1: the app did not finish in time; its events go back to their sources.

Example:
  cufflink stop-inputs --deadline 20s
`,
    );
  addAddressOption(command).action(async () => {
    const deadline = readDuration("--deadline", command.opts<{ deadline: string }>().deadline);
    using client = await createClientFor(command);
    const { abandoned } = await client.operator.drainInputs(deadline);
    if (abandoned === 0) {
      process.stdout.write("all inputs are stopped\n");
      return;
    }
    process.stderr.write(
      `cufflink: all inputs are stopped; the app did not finish ${abandoned} events in time, which go back to their sources\n`,
    );
    throw new ExitCode(1);
  });
}
