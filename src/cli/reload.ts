import type { Command } from "commander";
import type { ComponentChange, ReloadResult } from "../runtime/component/reload.ts";
import { addClientOptions, createClientFor } from "./client-options.ts";
import { ExitCode } from "./exit-code.ts";
import { ago, formatTable, plain, writeJson } from "./terminal.ts";

/** `cufflink reload`: the resources, read again by a running runtime. */
export function addReloadCommand(program: Command): void {
  const command = program
    .command("reload")
    .description("have a running runtime read its resources again, and tell what came of it")
    .option("--last", "list the results of the last reloads instead")
    .option("--json", "for tools")
    .addHelpText(
      "after",
      `
A component whose new definition fails goes on with the one it had.

Exit code 1: something could not be taken over.

Examples:
  cufflink reload
  cufflink reload --last
`,
    );
  addClientOptions(command).action(async () => {
    const { last, json } = command.opts<{ last?: true; json?: true }>();
    using client = await createClientFor(command);
    if (last) {
      const results = await client.operator.reloads();
      if (json) writeJson(results.map(dated));
      else if (results.length === 0) process.stderr.write("nothing was reloaded since the start\n");
      else for (const one of results) process.stdout.write(describe(one));
      return;
    }
    const result = await client.operator.reload();
    if (json) writeJson(dated(result));
    else process.stdout.write(describe(result));
    if (hasFailed(result)) throw new ExitCode(1);
  });
}

function hasFailed({ outcome, components, problems }: ReloadResult): boolean {
  return (
    outcome === "refused" ||
    outcome === "partly applied" ||
    components.some((one) => one.outcome === "failed") ||
    problems.some((one) => one.includes(" error: "))
  );
}

function describe({ revision, at, outcome, components, problems }: ReloadResult): string {
  const changed = components.filter(({ change }) => change !== "kept");
  const lines = [`revision ${revision}: ${outcome}, ${ago(at)}`];
  if (changed.length > 0) {
    const rows = changed.map((one) => [one.change, one.name, ending(one)]);
    lines.push(
      ...formatTable(rows)
        .split("\n")
        .map((line) => `  ${line}`),
    );
  }
  lines.push(...problems.map((one) => `  ${plain(one)}`));
  return `${lines.join("\n")}\n`;
}

function ending({ outcome, reason, origin }: ComponentChange): string {
  if (outcome === "applied") return outcome;
  return `failed: ${plain(reason)}${origin === "" ? "" : ` (${origin})`}`;
}

function dated(result: ReloadResult): object {
  return { ...result, at: new Date(result.at).toISOString() };
}
