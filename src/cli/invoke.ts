import type { Command } from "commander";
import {
  addClientOptions,
  addDataOption,
  collectPairs,
  createClientFor,
  readData,
} from "./client-options.ts";
import { writeData } from "./terminal.ts";

/** `cufflink invoke`: runs an operation of an output of a running runtime. */
export function addInvokeCommand(program: Command): void {
  const command = program
    .command("invoke")
    .description(
      "run an operation of a component of a running runtime; its answer goes to standard output",
    )
    .argument("<component>", "the component's name")
    .argument("<operation>", "what to do: create, get, list, delete …")
    .argument("[data]", "the payload, as text")
    .option(
      "-m, --metadata <name=value>",
      "request metadata; may be repeated",
      collectPairs("--metadata"),
      [],
    )
    .option("--show-metadata", "print the answer's metadata to standard error")
    .addHelpText(
      "after",
      `
Examples:
  cufflink invoke notes create 'hello' -m fileName=hello.txt
  cufflink invoke cache get -m key=user-7
  cufflink invoke notes create --data-file photo.png -m fileName=photo.png
`,
    );
  addDataOption(addClientOptions(command)).action(
    async (name: string, operation: string, text: string | undefined) => {
      const { metadata, showMetadata } = command.opts<{
        metadata: [string, string][];
        showMetadata?: true;
      }>();
      const data = await readData(command, text);
      using client = await createClientFor(command);
      const answer = await client.invoke({
        name,
        operation,
        data,
        metadata: Object.fromEntries(metadata),
      });
      writeData(answer.data);
      if (showMetadata) {
        for (const [key, value] of Object.entries(answer.metadata))
          process.stderr.write(`${key}=${value}\n`);
      }
    },
  );
}
