import type { Command } from "commander";
import type { AnyBinding } from "../binding.ts";
import { installCommand, missingDrivers, type DriverVersions } from "../drivers.ts";
import { parseByteSize } from "../metadata/byte-size.ts";
import type { ResourceProblem } from "../resources/problem.ts";
import { ExitCode } from "./exit-code.ts";
import { addBindingsOption, allBindings } from "./own-bindings.ts";
import { modes } from "./mode-options.ts";
import { wantsColor, writeJson } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

/** `cufflink check`: says everything that is wrong with component YAML, without running anything. */
export function addCheckCommand(program: Command): void {
  const command = addBindingsOption(program.command("check"))
    .description("check component YAML and say everything that is wrong with it")
    .argument("<paths...>", "folders or files")
    .option("--app-id <id>", "check as this app would see them; without it, whatever the scopes")
    .option(
      "--max-body-size <size>",
      "what serve is started with; a component that allows more is a finding",
      "4Mi",
    )
    .option("--drivers <folder>", "where drivers are looked for after the working directory")
    .option("--allow-exec", "serve is started with it: components may run programs")
    .option("--mode <mode>", "kubernetes: as objects of its API, whose secrets need no store")
    .option("--no-secrets", "do not look whether secrets are there now")
    .option("--remote-secrets", "ask remote secret stores, too, whether secrets are there now")
    .option("--json", "for tools")
    .addHelpText(
      "after",
      `
Exit code 0: nothing was found; 1: something was: errors, warnings, or drivers that are not installed.

Examples:
  cufflink check ./components
  cufflink check --remote-secrets ./components
  cufflink check --json --no-secrets ./components/orders.yaml
`,
    )
    .action(async (paths: string[]) => {
      const {
        appId,
        maxBodySize,
        drivers,
        allowExec,
        bindings: named,
        ...rest
      } = command.opts<{
        appId?: string;
        maxBodySize: string;
        drivers?: string;
        mode?: string;
        allowExec?: true;
        secrets: boolean;
        remoteSecrets?: true;
        json?: true;
        bindings: string[];
      }>();
      const { secrets, remoteSecrets, json, mode } = rest;
      if (mode !== undefined && !modes.some((one) => one === mode))
        throw new UsageError(`--mode ${JSON.stringify(mode)} is none of ${modes.join(", ")}`);
      if (remoteSecrets && !secrets)
        throw new UsageError("--remote-secrets and --no-secrets say opposite things; give one");
      const { bindings, problems: unusable } = await allBindings(named);
      const { components, problems, needed } = await check(
        paths,
        appId,
        bindings,
        { maxBodySize: readMaxBodySize(maxBodySize), allowExec: allowExec === true },
        {
          ...{ secrets, remote: remoteSecrets === true, driversFolder: drivers },
          inKubernetes: mode === "kubernetes",
        },
      );
      const missing = missingDrivers(needed, drivers);
      const isComplete = Object.keys(missing).length === 0;
      const install = isComplete ? undefined : installCommand(missing, drivers);
      if (json) {
        writeJson({
          components,
          problems,
          missingDrivers: missing,
          ...(unusable.length > 0 ? { unusableBindings: unusable } : {}),
          ...(install ? { install } : {}),
        });
      } else {
        for (const problem of unusable) process.stdout.write(`${problem}\n\n`);
        await print(components, problems);
        if (install !== undefined)
          process.stdout.write(`drivers are not installed; run: ${install}\n`);
      }
      if (problems.length > 0 || unusable.length > 0 || !isComplete) throw new ExitCode(1);
    });
}

function readMaxBodySize(text: string): number {
  const size = parseByteSize(text);
  if (size === undefined || size < 1)
    throw new UsageError(
      `--max-body-size ${JSON.stringify(text)} is not a size above 0, such as "4Mi"`,
    );
  return size;
}

async function check(
  paths: readonly string[],
  appId: string | undefined,
  bindings: readonly AnyBinding[],
  started: { readonly maxBodySize: number; readonly allowExec: boolean },
  look: {
    readonly secrets: boolean;
    readonly remote: boolean;
    readonly driversFolder: string | undefined;
    readonly inKubernetes: boolean;
  },
): Promise<{ components: number; problems: ResourceProblem[]; needed: DriverVersions }> {
  const { readConfiguration } = await import("../resources/configuration.ts");
  const { lint } = await import("../resources/lint.ts");
  const { neededDrivers } = await import("../resources/needed-drivers.ts");
  const { loadResources } = await import("../resources/load.ts");
  const { componentFields: frameworkFields } =
    await import("../runtime/component/component-fields.ts");
  const { stateStores } = await import("../states/index.ts");
  const { SocketsFolder } = await import("../pluggable/sockets-folder.ts");
  const { SecretStores } = await import("../resources/secret-stores.ts");
  const builtInStore = look.inKubernetes
    ? (await import("../kubernetes/secret-store.ts")).kubernetesStore()
    : undefined;
  await using secretStores = new SecretStores({ driversFolder: look.driversFolder });
  const loaded = await loadResources({
    ...{ paths, appId, bindings, stateStores, frameworkFields, secretStores, builtInStore },
    ...{ checkSecrets: look.secrets, remoteSecrets: look.remote ? "read" : "skip" },
  });
  const linted = await lint(loaded.components, bindings, {
    ...{ frameworkFields, ...started, isThorough: true },
    pluggable: SocketsFolder.of(process.env),
  });
  // What cannot be read or parsed both tell.
  const told = new Set(loaded.problems.map((problem) => JSON.stringify(problem)));
  const configured = (await readConfiguration(paths)).problems.filter(
    (problem) => !told.has(JSON.stringify(problem)),
  );
  const problems = [...loaded.problems, ...linted, ...configured].sort(
    (a, b) =>
      (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || a.line - b.line || a.column - b.column,
  );
  const needed = {
    ...(await neededDrivers(loaded.components, bindings)),
    ...loaded.storeDrivers,
  };
  return { components: loaded.components.length, problems, needed };
}

async function print(components: number, problems: readonly ResourceProblem[]): Promise<void> {
  const { formatProblem } = await import("../resources/problem.ts");
  const color = wantsColor(process.stdout);
  for (const problem of problems) process.stdout.write(`${formatProblem(problem, { color })}\n\n`);
  const errors = problems.filter(({ severity }) => severity === "error").length;
  const warnings = problems.length - errors;
  const found = [...counted(errors, "error"), ...counted(warnings, "warning")].join(", ");
  process.stdout.write(
    `${counted(components, "component")[0] ?? "no components"}: ${found || "no problems"}\n`,
  );
}

function counted(count: number, what: string): string[] {
  return count === 0 ? [] : [`${count} ${what}${count === 1 ? "" : "s"}`];
}
