import type { Command } from "commander";
import {
  addClientOptions,
  addDataOption,
  collectPairs,
  createClientFor,
  readData,
} from "./client-options.ts";
import { ExitCode } from "./exit-code.ts";
import { writeData } from "./terminal.ts";

/** `cufflink emit`: a test event to the app, as if an input had read it. */
export function addEmitCommand(program: Command): void {
  const command = program
    .command("emit")
    .description(
      "hand the app one test event as if it came from a component; the app's reply goes to standard output",
    )
    .argument("<component>", "the component's name")
    .argument("[data]", "the payload, as text")
    .option(
      "-H, --header <name=value>",
      "a header of the event; may be repeated",
      collectPairs("--header"),
      [],
    )
    .addHelpText(
      "after",
      `
Exit code 1: the app did not handle the event.

Examples:
  cufflink emit orders '{"id":42}' -H key=42
  cufflink emit inbox --data-file photo.png
`,
    );
  addDataOption(addClientOptions(command)).action(
    async (component: string, text: string | undefined) => {
      const { header } = command.opts<{ header: [string, string][] }>();
      const data = await readData(command, text);
      using client = await createClientFor(command);
      const headers = header.map(([name, value]) => ({
        name,
        value: new Uint8Array(Buffer.from(value)),
      }));
      const outcome = await client.emit({ component, data, headers });
      if (outcome.kind === "not handled") {
        process.stderr.write(`not handled: ${outcome.reason}\n`);
        throw new ExitCode(1);
      }
      if (outcome.data !== undefined) writeData(outcome.data);
      const to =
        outcome.to.length === 0
          ? ""
          : `; its reply is for ${outcome.to.join(", ")}, which a test event does not invoke`;
      process.stderr.write(`handled${to}\n`);
    },
  );
}
