import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import type { Command } from "commander";
import { messageOf } from "../errors.ts";
import type { Injection } from "../kubernetes/inject/workload.ts";
import { ExitCode } from "./exit-code.ts";
import { addSidecarOptions, readSidecarOptions } from "./sidecar-options.ts";
import { plain } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

/** `cufflink kubernetes inject`: workloads in, workloads with the sidecar out. */
export function addKubernetesInjectCommand(group: Command): void {
  const command = group
    .command("inject")
    .description("put the sidecar into workloads that have Dapr's annotations")
    .requiredOption(
      "-f, --filename <file>",
      "YAML or JSON of Kubernetes; - is standard input; may be repeated",
      collect,
      [],
    )
    .addHelpText(
      "after",
      `
Writes everything it has read to standard output, with the sidecar in each pod that has dapr.io/enabled. What is not
changed is written as it was. What was put in before is put in anew, or taken out, as the annotations now say.
What has no effect is told on standard error.

Exit code 1: something could not be put in; then nothing is written.

Examples:
  cufflink kubernetes inject -f deploy.yaml | kubectl apply -f -
  kubectl get deployment orders -o yaml | cufflink kubernetes inject -f - | kubectl apply -f -
`,
    );
  addSidecarOptions(command).action(async () => {
    const { filename: files } = command.opts<{ filename: string[] }>();
    const options = readSidecarOptions(command);
    if (files.length === 0) throw new UsageError("-f FILE is missing; - is standard input");
    const { injectText } = await import("../kubernetes/inject/yaml-documents.ts");
    const written: string[] = [];
    let isRefused = false;
    for (const file of files) {
      const source = await read(file);
      try {
        const result = injectText(source, options);
        written.push(result.text);
        for (const one of result.injections) tell(one);
        isRefused ||= result.injections.some(({ outcome }) => outcome === "refused");
      } catch (error) {
        process.stderr.write(
          `cufflink: ${file === "-" ? "standard input" : file}: ${messageOf(error)}\n`,
        );
        isRefused = true;
      }
    }
    if (isRefused) throw new ExitCode(1);
    process.stdout.write(joined(written));
  });
}

async function read(file: string): Promise<string> {
  try {
    return file === "-" ? await text(process.stdin) : await readFile(file, "utf8");
  } catch (error) {
    throw new UsageError(`-f ${file} cannot be read: ${messageOf(error)}`);
  }
}

function tell({ name, outcome, reasons, warnings }: Injection): void {
  const line = (what: string): void => {
    process.stderr.write(`${plain(name)}: ${plain(what)}\n`);
  };
  for (const warning of warnings) line(`warning: ${warning}`);
  for (const reason of reasons) line(`refused: ${reason}`);
  if (outcome === "patched") line("changed");
  if (outcome === "unchanged") line("has it already");
}

/** Documents of several files, each behind a line of its own that separates it. */
function joined(texts: readonly string[]): string {
  return texts
    .filter((one) => one.trim() !== "")
    .map((one, index) => {
      const ended = one.endsWith("\n") ? one : `${one}\n`;
      return index === 0 || /^\s*---(\s|$)/.test(ended) ? ended : `---\n${ended}`;
    })
    .join("");
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
