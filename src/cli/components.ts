import type { Command } from "commander";
import type { ListedComponent } from "../rpc/client.ts";
import { addClientOptions, createClientFor } from "./client-options.ts";
import { ExitCode } from "./exit-code.ts";
import { formatTable, writeJson } from "./terminal.ts";

/** `cufflink components`: the live state of a running runtime. */
export function addComponentsCommand(program: Command): void {
  const command = program
    .command("components")
    .description("show the components of a running runtime and their state")
    .argument("[name]", "only this one")
    .option("--json", "for tools")
    .addHelpText(
      "after",
      `
Exit code 1: there is no component of that name.

Examples:
  cufflink components
  cufflink components orders --json
`,
    );
  addClientOptions(command).action(async (name: string | undefined) => {
    using client = await createClientFor(command);
    const all = await client.components();
    const shown = name === undefined ? all : all.filter((one) => one.name === name);
    if (command.opts<{ json?: true }>().json) writeJson(shown);
    else if (shown.length > 0) process.stdout.write(`${table(shown)}\n`);
    if (name !== undefined && shown.length === 0) {
      const known = all.map((one) => one.name).join(", ") || "none at all";
      process.stderr.write(`no component is called ${JSON.stringify(name)}; there are: ${known}\n`);
      throw new ExitCode(1);
    }
  });
}

function table(components: readonly ListedComponent[]): string {
  const head = ["NAME", "TYPE", "STATE", "DIRECTION", "HANDLED", "IN FLIGHT", "WAITING", "REASON"];
  const rows = components.map((one) => {
    const counts = one.directions.includes("input")
      ? [one.handled, one.inFlight, one.waiting].map(String)
      : ["-", "-", "-"];
    return [one.name, one.type, one.state, one.directions.join(","), ...counts, one.reason];
  });
  return formatTable([head, ...rows]);
}
