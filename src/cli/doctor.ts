import type { Command } from "commander";
import type { Check } from "../examination.ts";
import type { Examined } from "../runtime/component/examine.ts";
import { addClientOptions, createClientFor, readDuration } from "./client-options.ts";
import { ExitCode } from "./exit-code.ts";
import { addBindingsOption } from "./own-bindings.ts";
import { counted, plain, wantsColor, writeJson } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

type DoctorFlags = {
  readonly component: readonly string[];
  readonly resourcesPath: readonly string[];
  readonly appId?: string;
  readonly drivers?: string;
  readonly allowExec?: true;
  readonly bindings: readonly string[];
  readonly timeout: string;
  readonly json?: true;
};

/** `cufflink doctor`: whether components can do what they are for. */
export function addDoctorCommand(program: Command): void {
  const command = program
    .command("doctor")
    .description(
      "examine components: whether each is reachable, is authenticated, has what it names and may use it",
    )
    .argument("[components...]", "these; default: all")
    .option(
      "--resources-path <path>",
      "examine the components of this folder or file, without a running runtime; may be repeated",
      (path: string, before: readonly string[]) => [...before, path],
      [],
    )
    .option("--app-id <id>", "with --resources-path: the app whose components they are")
    .option("--drivers <folder>", "with --resources-path: where drivers are looked for too")
    .option("--allow-exec", "with --resources-path: components may run programs");
  addClientOptions(addBindingsOption(command), "how long one component may take", "10s")
    .option("--json", "for tools")
    .addHelpText(
      "after",
      `
Nothing is consumed, written or changed. What cannot be asked so is shown as unknown.

Exit code 0: nothing failed; 1: something did; 69: the runtime cannot be reached.

Examples:
  cufflink doctor
  cufflink doctor orders --json
  cufflink doctor --resources-path ./components --app-id shop
`,
    )
    .action(async (components: string[]) => {
      const flags = command.opts<DoctorFlags>();
      const timeout = readDuration("--timeout", flags.timeout);
      const stop = new AbortController();
      const onSignal = (): void => stop.abort();
      process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
      const examined: Examined[] = [];
      for await (const one of await examine(command, flags, components, timeout, stop.signal)) {
        examined.push(one);
        if (!flags.json) process.stdout.write(`${describe(one)}\n\n`);
      }
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
      const failed = examined.filter(({ checks }) => checks.some(isFailed)).length;
      if (flags.json) writeJson(examined.toSorted((a, b) => (a.component < b.component ? -1 : 1)));
      else process.stdout.write(`${summary(examined, failed)}\n`);
      if (failed > 0 || stop.signal.aborted) throw new ExitCode(1);
    });
}

async function examine(
  command: Command,
  flags: DoctorFlags,
  components: readonly string[],
  timeout: number,
  signal: AbortSignal,
): Promise<AsyncIterable<Examined>> {
  const { resourcesPath, appId, drivers, allowExec, bindings } = flags;
  if (resourcesPath.length > 0) {
    const { examineResources } = await import("./doctor-resources.ts");
    return examineResources({
      ...{ paths: resourcesPath, appId, driversFolder: drivers, allowExec: allowExec === true },
      ...{ components, named: bindings, timeout, signal },
    });
  }
  const without = ["appId", "drivers", "allowExec", "bindings"].find(
    (name) => command.getOptionValueSource(name) === "cli",
  );
  if (without !== undefined) {
    const flag = without.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(`--${flag} needs --resources-path: a running runtime has its own`);
  }
  return examineRunning(command, components, timeout, signal);
}

async function* examineRunning(
  command: Command,
  components: readonly string[],
  timeout: number,
  signal: AbortSignal,
): AsyncGenerator<Examined> {
  using client = await createClientFor(command);
  yield* client.operator.examine(components, timeout, signal);
}

const marks = { passed: "✓", failed: "✗", unknown: "?" } as const;
const colors = { passed: "\u001B[32m", failed: "\u001B[31m", unknown: "\u001B[33m" } as const;

function describe({ component, type, checks }: Examined): string {
  const lines = checks.map((check) => {
    const { kind, subject, result, detail } = check;
    const mark = wantsColor(process.stdout)
      ? `${colors[result]}${marks[result]}\u001B[39m`
      : marks[result];
    const text = [subject, detail].filter(Boolean).map(plain).join(": ");
    return `  ${mark} ${kind.padEnd(13)}  ${text}`.trimEnd();
  });
  return [`${plain(component)}  ${plain(type)}`, ...lines].join("\n");
}

function isFailed({ result }: Check): boolean {
  return result === "failed";
}

function summary(examined: readonly Examined[], failed: number): string {
  if (examined.length === 0) return "there are no components";
  const unknown = examined
    .flatMap(({ checks }) => checks)
    .filter(({ result }) => result === "unknown");
  const rest =
    unknown.length === 0 ? "" : `; ${counted(unknown.length, "question")} could not be asked`;
  return `${counted(examined.length, "component")} examined: ${failed === 0 ? "nothing failed" : `${failed} failed`}${rest}`;
}
