import { existsSync, readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Option, type Command } from "commander";
import { bindingModules } from "../bindings/modules.ts";
import { messageOf } from "../errors.ts";
import { ExitCode } from "./exit-code.ts";
import { UsageError } from "./usage-error.ts";

/** What runs the tests that are written. */
const runners = { node: "node --test", vitest: "npx vitest run" } as const;

/** `cufflink new`: files to begin with. */
export function addNewCommand(program: Command): void {
  const command = program.command("new").description("write files to begin with");
  const binding = command
    .command("binding")
    .description("write a binding of your own, and its test")
    .argument("<name>", "its type, without bindings.")
    .addOption(
      new Option("--test <runner>", "what runs the test")
        .choices(Object.keys(runners))
        .default("node"),
    )
    .option("--into <folder>", "where the two files are written", ".")
    .addHelpText(
      "after",
      `
Nothing is overwritten. docs/own-bindings.md explains what is written.

Examples:
  cufflink new binding tickets
  cufflink new binding acme.tickets --test vitest
`,
    )
    .action(async (name: string) => {
      const { test, into } = binding.opts<{ test: keyof typeof runners; into: string }>();
      process.stdout.write(`${await writeBinding(name, test, into)}\n`);
    });
}

/** Resolves to what is said of it. */
async function writeBinding(
  name: string,
  test: keyof typeof runners,
  into: string,
): Promise<string> {
  checkName(name);
  const folder = resolve(into);
  if (!existsSync(folder)) throw new UsageError(`--into ${into}: there is no such folder`);
  // Node reads .ts of a CommonJS package as CommonJS, and .mts as the module that it is.
  const ending = isCommonJs(folder) ? "mts" : "ts";
  const base = name.toLowerCase().replaceAll(".", "-");
  const files = { binding: `${base}.${ending}`, test: `${base}.test.${ending}` };
  for (const file of Object.values(files)) {
    if (!existsSync(join(folder, file))) continue;
    process.stderr.write(`cufflink: ${join(into, file)} is there already; nothing was written\n`);
    throw new ExitCode(1);
  }
  const filled = (text: string): string =>
    text.replaceAll("TYPE", name).replaceAll("FILE", files.binding);
  const written = filled(await templateOf("binding.ts"));
  const tested = filled(await templateOf("test.ts"));
  const withRunner = test === "node" ? tested : tested.replace('from "node:test"', 'from "vitest"');
  try {
    await writeFile(join(folder, files.binding), written, { flag: "wx" });
    await writeFile(join(folder, files.test), withRunner, { flag: "wx" });
  } catch (error) {
    process.stderr.write(`cufflink: the files cannot be written: ${messageOf(error)}\n`);
    throw new ExitCode(1);
  }
  const shown = (file: string): string => (into === "." ? file : join(into, file));
  const missing = [
    ...(hasPackage("cufflink", folder) ? [] : ["cufflink"]),
    ...(test === "vitest" && !hasPackage("vitest", folder) ? ["vitest"] : []),
  ];
  return [
    `${shown(files.binding)} is the binding bindings.${name}, ${shown(files.test)} its test.`,
    "",
    ...(missing.length === 0 ? [] : [`  npm install --save-dev ${missing.join(" ")}`]),
    `  ${runners[test]} ${shown(files.test)}`,
    `  cufflink check --bindings ./${shown(files.binding)} ./components`,
  ].join("\n");
}

function checkName(name: string): void {
  if (!/^[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*$/i.test(name) || /^bindings\./i.test(name)) {
    const what = 'is no type\'s name, such as "tickets" or "acme.tickets"';
    throw new UsageError(`${JSON.stringify(name)} ${what}`);
  }
  const taken = bindingModules.some(({ name: own, aliases = [] }) =>
    [own, ...aliases].some((one) => one.toLowerCase() === name.toLowerCase()),
  );
  if (taken)
    throw new UsageError(`Cufflink has a type bindings.${name} already; choose another name`);
}

/** As these lie in the checkout and in the package. */
function templateOf(name: string): Promise<string> {
  return readFile(new URL(`../../templates/binding/${name}`, import.meta.url), "utf8");
}

function isCommonJs(folder: string): boolean {
  for (let place = folder; ; place = dirname(place)) {
    const manifest = join(place, "package.json");
    if (existsSync(manifest)) {
      const { type } = JSON.parse(readFileSync(manifest, "utf8")) as { type?: unknown };
      return type === "commonjs";
    }
    if (dirname(place) === place) return false;
  }
}

function hasPackage(name: string, folder: string): boolean {
  for (let place = folder; ; place = dirname(place)) {
    if (existsSync(join(place, "node_modules", name))) return true;
    if (dirname(place) === place) return false;
  }
}
