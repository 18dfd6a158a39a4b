import type { Command } from "commander";
import type { Definition } from "../resources/definition.ts";
import type { ListedComponent } from "../rpc/listed-component.ts";
import { noComponent } from "../runtime/find-component.ts";
import { addClientOptions, createClientFor } from "./client-options.ts";
import {
  addDrainCommand,
  addPauseCommand,
  addPolicyCommand,
  addRestartCommand,
  addResumeCommand,
} from "./component-changes.ts";
import { componentText } from "./component-text.ts";
import { ExitCode } from "./exit-code.ts";
import { formatTable, paragraph, plain, writeJson } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

/** `cufflink components`: the live state of a running runtime, and what its operator changes. */
export function addComponentsCommand(program: Command): void {
  const components = program
    .command("components")
    .description("show the components of a running runtime and their state, hold or renew one")
    .addHelpText(
      "after",
      `
Without a command of its own it lists: cufflink components [name] [--json].

Examples:
  cufflink components
  cufflink components orders --json
  cufflink components --watch
  cufflink components --fleet
  cufflink components show orders
  cufflink components pause orders --reason "the database moves"
`,
    );
  addListCommand(components);
  addShowCommand(components);
  addPauseCommand(components);
  addResumeCommand(components);
  addRestartCommand(components);
  addDrainCommand(components);
  addPolicyCommand(components);
}

function addListCommand(components: Command): void {
  const command = components
    .command("list", { isDefault: true })
    .description("list them with their state, why it is so, and what they have done")
    .argument("[name]", "only this one")
    .option("--json", "for tools")
    .option("--fleet", "of all replicas that share the store: who they are, and who owns what")
    .option("-w, --watch", "go on until Ctrl-C: the table each second, or a line for each change")
    .addHelpText("after", "\nExit code 1: there is no component of that name.\n");
  addClientOptions(command).action(async (name: string | undefined) => {
    const flags = command.opts<{ json?: true; watch?: true; fleet?: true }>();
    const { json = false, watch, fleet } = flags;
    if (watch && fleet) throw new UsageError("--watch and --fleet do not go together; give one");
    using client = await createClientFor(command);
    if (fleet) {
      const { showFleet } = await import("./fleet-text.ts");
      return showFleet(await client.operator.fleet(), name, json);
    }
    if (watch) {
      const { watchComponents } = await import("./components-watch.ts");
      await watchComponents(client, { name, json, table, unknown });
      return;
    }
    const { components: all, storeTrouble, storeDoubt } = await client.overview();
    const shown = name === undefined ? all : all.filter((one) => one.name === name);
    if (json) writeJson(shown);
    else if (shown.length > 0) process.stdout.write(`${table(shown)}\n`);
    if (storeTrouble !== undefined) process.stderr.write(`${plain(storeTrouble)}\n`);
    else if (storeDoubt !== undefined) process.stderr.write(`${plain(doubtText(storeDoubt))}\n`);
    if (name !== undefined && shown.length === 0) throw unknown(name, all);
  });
}

function doubtText(doubt: string): string {
  return `events whose attempts are used up would wait: ${doubt}`;
}

function addShowCommand(components: Command): void {
  const command = components
    .command("show")
    .description("show all that is known of one: its counts, and the event that waits longest")
    .argument("<name>", "the component's name")
    .option(
      "--definition",
      "its YAML instead, with *** in place of secrets, and what is wrong with it",
    )
    .option("--json", "for tools")
    .addHelpText("after", "\nExit code 1: there is no component of that name.\n");
  addClientOptions(command).action(async (name: string) => {
    using client = await createClientFor(command);
    const { json, definition } = command.opts<{ json?: true; definition?: true }>();
    const all = await client.components();
    const component = all.find((one) => one.name === name);
    if (component === undefined) throw unknown(name, all);
    if (definition) {
      const found = await client.operator.definition(name);
      return json ? writeJson(found) : writeDefinition(name, found);
    }
    if (json) writeJson(component);
    else process.stdout.write(`${componentText(component)}\n`);
  });
}

/** The YAML on standard output, what is wrong on standard error. */
function writeDefinition(name: string, { yaml, file, findings }: Definition): void {
  if (yaml === "") process.stderr.write(`${plain(name)} came from no file\n`);
  else process.stdout.write(`${yaml.trimEnd().split("\n").map(plain).join("\n")}\n`);
  for (const { severity, message, line, column } of findings)
    process.stderr.write(`${plain(`${file}:${line}:${column} ${severity}: ${message}`)}\n`);
}

/** Says that there is none of that name, and ends so. */
function unknown(name: string, all: readonly ListedComponent[]): ExitCode {
  const names = all.map((one) => one.name);
  process.stderr.write(`cufflink: ${noComponent(name, names).message}\n`);
  return new ExitCode(1);
}

/** A row for each, and a line below for the reason where there is one. */
function table(components: readonly ListedComponent[]): string {
  const head = ["NAME", "TYPE", "STATE", "DIRECTION", "HANDLED", "IN FLIGHT", "WAITING"];
  const rows = components.map((one) => {
    const counts = one.directions.includes("input")
      ? [one.handled, one.inFlight, one.waiting].map(String)
      : ["-", "-", "-"];
    return [one.name, one.type, one.state, one.directions.join(",") || "-", ...counts];
  });
  const [first = "", ...lines] = formatTable([head, ...rows]).split("\n");
  const reasons = components.map(({ reason }) =>
    reason === "" ? [] : [paragraph(reason, "    ")],
  );
  return [first, ...lines.flatMap((line, index) => [line, ...(reasons[index] ?? [])])].join("\n");
}
