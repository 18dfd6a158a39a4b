import { readFile, writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { messageOf } from "../errors.ts";
import type { Model, Naming } from "../generate/model.ts";
import type { ResourceProblem } from "../resources/problem.ts";
import { ExitCode } from "./exit-code.ts";
import { addBindingsOption, allBindings } from "./own-bindings.ts";
import { wantsColor } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

const library = "cufflink/app";

/** `cufflink generate`: typed clients of component files. */
export function addGenerateCommand(program: Command): void {
  const generate = program
    .command("generate")
    .description(
      "write a typed client for component files: a method for each operation, a handler for each input",
    )
    .addHelpText(
      "after",
      `
Examples:
  cufflink generate ts --resources ./components --out src/bindings.ts
  cufflink generate python --resources ./components --out bindings.py
  cufflink generate ts --resources ./components --out src/bindings.ts --check
`,
    );
  addLanguage(generate, "ts", "a TypeScript module for cufflink/app")
    .option("--library <module>", "what the module imports the library for apps from", library)
    .action(async (_, command: Command) => {
      const options = command.opts<Options & { library: string }>();
      const { typescriptModule, typescriptNaming } = await import("../generate/typescript.ts");
      const model = await modelFor(options, typescriptNaming);
      await deliver(typescriptModule(model, options.library), options, command);
    });
  addLanguage(generate, "python", "a Python module that needs nothing beside Python 3.11").action(
    async (_, command: Command) => {
      const options = command.opts<Options>();
      const { pythonModule, pythonNaming } = await import("../generate/python.ts");
      await deliver(pythonModule(await modelFor(options, pythonNaming)), options, command);
    },
  );
}

type Options = {
  resources: string[];
  bindings: string[];
  appId?: string;
  out?: string;
  check?: true;
};

function addLanguage(generate: Command, name: string, what: string): Command {
  return addBindingsOption(generate.command(name))
    .description(`write ${what}`)
    .requiredOption("--resources <paths...>", "folders or files of component YAML")
    .option("--app-id <id>", "only components that this app may use; without it all")
    .option("--out <file>", "where to write it; without it to standard output")
    .option("--check", "write nothing, and fail if the file of --out is not as it would be written")
    .addHelpText(
      "after",
      `
Exit code 1: a component file is wrong, two names are the same in code, or with --check the file is stale.
`,
    );
}

async function modelFor(options: Options, naming: Naming): Promise<Model> {
  const { resources, appId, out, check } = options;
  if (check && out === undefined)
    throw new UsageError("--check needs --out FILE, the file to look at");
  const { bindings, problems: unusable } = await allBindings(options.bindings);
  for (const problem of unusable) process.stderr.write(`cufflink: ${problem}\n`);
  const { CannotGenerate, modelOf } = await import("../generate/model.ts");
  const { loadResources } = await import("../resources/load.ts");
  const { componentFields } = await import("../runtime/component/component-fields.ts");
  const { components, problems } = await loadResources({
    ...{ paths: resources, appId, bindings, frameworkFields: componentFields },
    ...{ checkSecrets: false, remoteSecrets: "skip" },
  });
  const errors = problems.filter(({ severity }) => severity === "error");
  if (errors.length > 0) {
    await report(errors);
    throw new ExitCode(1);
  }
  try {
    return await modelOf(components, bindings, naming);
  } catch (thrown) {
    if (!(thrown instanceof CannotGenerate)) throw thrown;
    for (const reason of thrown.reasons) process.stderr.write(`cufflink: ${reason}\n`);
    throw new ExitCode(1);
  }
}

async function report(errors: readonly ResourceProblem[]): Promise<void> {
  const { formatProblem } = await import("../resources/problem.ts");
  const color = wantsColor(process.stderr);
  for (const one of errors) process.stderr.write(`${formatProblem(one, { color })}\n\n`);
}

async function deliver(text: string, { out, check }: Options, command: Command): Promise<void> {
  if (out === undefined) {
    process.stdout.write(text);
    return;
  }
  if (!check) {
    await writeFile(out, text).catch((thrown: unknown) => {
      throw new UsageError(`--out ${out} cannot be written: ${messageOf(thrown)}`);
    });
    return;
  }
  const before = await readFile(out, "utf8").catch(() => undefined);
  if (before?.replaceAll("\r\n", "\n") === text) return;
  const how = before === undefined ? "is not there" : "is stale";
  process.stderr.write(`${out} ${how}; run cufflink generate ${command.name()} without --check\n`);
  throw new ExitCode(1);
}
