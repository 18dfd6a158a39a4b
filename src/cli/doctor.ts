import type { Command } from "commander";
import type { Check } from "../examination.ts";
import { BindingError } from "../errors.ts";
import { formatDuration, longestTimer } from "../metadata/duration.ts";
import type { Examined } from "../runtime/component/examine.ts";
import { addClientOptions, createClientFor, readDuration } from "./client-options.ts";
import type { ResourcesToExamine } from "./doctor-resources.ts";
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

Exit code 0: nothing failed; 1: something did, or a file is wrong; 69: the runtime cannot be
reached; 130: Ctrl-C.

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
      const onSignal = (signal: NodeJS.Signals): void => stop.abort(signal);
      process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
      const examined: Examined[] = [];
      let problems = 0;
      const onProblem: Wanted["onProblem"] = (text, severity) => {
        process.stderr.write(`${text}\n`);
        if (severity === "error") problems++;
      };
      const wanted = { components, timeout, signal: stop.signal, onProblem };
      try {
        for await (const one of await examine(command, flags, wanted)) {
          examined.push(one);
          if (!flags.json) process.stdout.write(`${describe(one)}\n\n`);
        }
      } finally {
        process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
      }
      const failed = examined.filter(({ checks }) => checks.some(isFailed)).length;
      // Who names components asks of these alone.
      const isWrong = problems > 0 && components.length === 0;
      if (flags.json) writeJson(examined.toSorted((a, b) => (a.component < b.component ? -1 : 1)));
      else
        process.stdout.write(
          `${summary(examined, failed, flags.resourcesPath)}${isWrong ? "; files are wrong" : ""}\n`,
        );
      if (stop.signal.aborted) {
        process.stderr.write("cufflink: interrupted; the other components were not examined\n");
        throw new ExitCode(stop.signal.reason === "SIGTERM" ? 143 : 130);
      }
      if (failed > 0 || isWrong) throw new ExitCode(1);
    });
}

type Wanted = Pick<ResourcesToExamine, "components" | "timeout" | "signal" | "onProblem">;

async function examine(
  command: Command,
  flags: DoctorFlags,
  wanted: Wanted,
): Promise<AsyncIterable<Examined>> {
  const { resourcesPath, appId, drivers, allowExec, bindings } = flags;
  if (resourcesPath.length > 0) {
    const { examineResources } = await import("./doctor-resources.ts");
    return examineResources({
      ...{ paths: resourcesPath, appId, driversFolder: drivers, allowExec: allowExec === true },
      ...{ ...wanted, named: bindings },
    });
  }
  const without = ["appId", "drivers", "allowExec", "bindings"].find(
    (name) => command.getOptionValueSource(name) === "cli",
  );
  if (without !== undefined) {
    const flag = without.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(`--${flag} needs --resources-path: a running runtime has its own`);
  }
  return examineRunning(command, wanted);
}

/** A runtime that neither answers nor ends the call is told after so many milliseconds more. */
const grace = 10_000;

async function* examineRunning(
  command: Command,
  { components, timeout, signal }: Wanted,
): AsyncGenerator<Examined> {
  using client = await createClientFor(command);
  const late = new AbortController();
  const ended = AbortSignal.any([signal, late.signal]);
  const timer = setTimeout(() => late.abort(), Math.min(timeout + grace, longestTimer));
  try {
    for await (const one of client.operator.examine(components, timeout, ended)) {
      timer.refresh();
      yield one;
    }
  } finally {
    clearTimeout(timer);
  }
  if (!late.signal.aborted) return;
  const text = `the runtime has answered nothing for ${formatDuration(timeout + grace)}`;
  throw new BindingError("unavailable", text, { effect: "unsent" });
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

function summary(examined: readonly Examined[], failed: number, paths: readonly string[]): string {
  if (examined.length === 0)
    return paths.length === 0
      ? "there are no components"
      : `there are no components in ${paths.join(", ")}: a document counts if its kind is Component`;
  const unknown = examined
    .flatMap(({ checks }) => checks)
    .filter(({ result }) => result === "unknown");
  const rest =
    unknown.length === 0 ? "" : `; ${counted(unknown.length, "question")} could not be asked`;
  return `${counted(examined.length, "component")} examined: ${failed === 0 ? "nothing failed" : `${failed} failed`}${rest}`;
}
