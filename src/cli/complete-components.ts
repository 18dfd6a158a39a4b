import type { Command } from "commander";
import { addClientOptions, createClientFor } from "./client-options.ts";

/** The command that completion scripts call; nobody else needs it. */
export const completeComponents = "complete-components";

/** How long somebody who has pressed Tab waits for a runtime. */
const longestWait = "500ms";

/**
 * `cufflink complete-components`: the names of a runtime's components, a line each, for the command line that is
 * being written, since its flags say which runtime. Quiet, also where there is none.
 */
export function addCompleteComponentsCommand(program: Command): void {
  const command = program
    .command(completeComponents, { hidden: true })
    .argument("<line>", "the command line so far");
  addClientOptions(command).action(async (line: string) => {
    const words = line.split(/[\s=]+/);
    const said = (flag: string): string | undefined =>
      words.includes(flag) ? words[words.indexOf(flag) + 1] : undefined;
    command.setOptionValue("timeout", longestWait);
    for (const flag of ["address", "ca"])
      if (said(`--${flag}`)) command.setOptionValue(flag, said(`--${flag}`));
    if (words.includes("--insecure")) command.setOptionValue("insecure", true);
    try {
      using client = await createClientFor(command);
      for (const { name } of await client.components()) {
        // A shell would expand others.
        if (/^[\w.-]+$/.test(name)) process.stdout.write(`${name}\n`);
      }
    } catch {
      // Nothing to offer.
    }
  });
}
