import { userInfo } from "node:os";
import type { Command } from "commander";
import type { ListedComponent } from "../rpc/listed-component.ts";
import type { PolicyPart } from "../policy/describe.ts";
import {
  addAddressOption,
  addClientOptions,
  createClientFor,
  readDuration,
} from "./client-options.ts";
import { ExitCode } from "./exit-code.ts";
import { counted, formatTable, paragraph, plain, writeJson } from "./terminal.ts";

const exits = "\nExit code 1: there is no component of that name, or it could not be done.\n";

/** `cufflink components pause`. */
export function addPauseCommand(components: Command): void {
  const command = components
    .command("pause")
    .description("stop a component's events until it is resumed; it can still be invoked")
    .argument("<name>", "the component's name")
    .option("--reason <text>", "why, for whoever looks at its state", "")
    .addHelpText("after", exits);
  addClientOptions(command).action(async (name: string) => {
    const { reason } = command.opts<{ reason: string }>();
    using client = await createClientFor(command);
    write(await client.operator.pause(name, reason, userName()));
  });
}

/** `cufflink components resume`. */
export function addResumeCommand(components: Command): void {
  const command = components
    .command("resume")
    .description("let the events of a paused component go on")
    .argument("<name>", "the component's name")
    .addHelpText("after", exits);
  addClientOptions(command).action(async (name: string) => {
    using client = await createClientFor(command);
    write(await client.operator.resume(name));
  });
}

/** `cufflink components restart`. */
export function addRestartCommand(components: Command): void {
  const command = components
    .command("restart")
    .description("close a component's connection and open a new one")
    .argument("<name>", "the component's name")
    .addHelpText("after", exits);
  addClientOptions(command).action(async (name: string) => {
    using client = await createClientFor(command);
    write(await client.operator.restart(name));
  });
}

/** `cufflink components drain`. */
export function addDrainCommand(components: Command): void {
  const command = components
    .command("drain")
    .description("pause a component, and wait until the app has finished the events that it has")
    .argument("<name>", "the component's name")
    .option("--deadline <duration>", "how long the app may take", "30s")
    .addHelpText(
      "after",
      "\nExit code 1: the app did not finish in time, or there is no such component.\n",
    );
  addAddressOption(command).action(async (name: string) => {
    const deadline = readDuration("--deadline", command.opts<{ deadline: string }>().deadline);
    using client = await createClientFor(command);
    const { component, abandoned } = await client.operator.drain(name, deadline);
    write(component);
    if (abandoned === 0) return;
    process.stderr.write(
      `the app did not finish ${counted(abandoned, "event")} in time; the source has them again\n`,
    );
    throw new ExitCode(1);
  });
}

/** `cufflink components policy`. */
export function addPolicyCommand(components: Command): void {
  const command = components
    .command("policy")
    .description("show what is done about a component's failures, and who said so")
    .argument("<name>", "the component's name")
    .option("--json", "for tools")
    .addHelpText("after", exits);
  addClientOptions(command).action(async (name: string) => {
    using client = await createClientFor(command);
    const { inbound, outbound } = await client.operator.policies(name);
    if (command.opts<{ json?: true }>().json) {
      writeJson({ name, ...(inbound && { inbound }), ...(outbound && { outbound }) });
      return;
    }
    const parts = [
      ...describeParts("events in", inbound),
      ...describeParts("invocations", outbound),
    ];
    process.stdout.write(`${parts.join("\n")}\n`);
  });
}

/** A policy under its title: parts that one has said stand together, with who that was below. */
function describeParts(title: string, parts: readonly PolicyPart[] | undefined): string[] {
  if (parts === undefined) return [];
  const rows = formatTable(parts.map(({ name, value }) => [name, value])).split("\n");
  return [
    title,
    ...rows.flatMap((row, index) => {
      const source = parts[index]?.source ?? "";
      const isLast = source !== parts[index + 1]?.source;
      return [`  ${row}`, ...(isLast ? [paragraph(`from ${source}`, "      ")] : [])];
    }),
  ];
}

function write({ name, state, reason }: ListedComponent): void {
  process.stdout.write(`${name}: ${state}${reason === "" ? "" : `, ${plain(reason)}`}\n`);
}

/** Whoever runs this command, as the system calls them. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user of a container may have no name.
    return "an operator";
  }
}
