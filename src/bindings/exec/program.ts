import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { BindingError, messageOf } from "../../errors.ts";
import type { Values } from "../../metadata/fields.ts";
import type { execFields } from "./fields.ts";

export type ExecMetadata = Values<typeof execFields>;

/** What is run, the same for each call. */
export type Program = {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
};

/** Reads and checks what is to be run, and runs nothing. Throws a `BindingError`. */
export async function programOf(metadata: ExecMetadata, searched: string): Promise<Program> {
  const { workingDirectory: folder } = metadata;
  const args = parseArgs(metadata.args);
  const env: Record<string, string> = searched === "" ? {} : { PATH: searched };
  for (const [name, value] of metadata.env) {
    if (!/^[A-Za-z_]\w*$/.test(name))
      throw refused(`env:${shown(name)} is no name of an environment variable`);
    if (value.includes("\0")) throw refused(`env:${name} has a NUL`);
    env[name] = value;
  }
  if (!isAbsolute(folder) || folder.includes("\0"))
    throw refused("workingDirectory is no absolute path");
  const path = await findProgram(metadata.command, searched);
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) throw refused(`workingDirectory ${shown(folder)} is no folder`);
  return { path, args, env, folder };
}

function parseArgs(text: string | undefined): readonly string[] {
  if (!text) return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const isList = Array.isArray(value) && value.every((one) => typeof one === "string");
  if (!isList) throw refused('args is no JSON array of texts, such as ["-c", "."]');
  const args = value as string[];
  if (args.some((one) => one.includes("\0"))) throw refused("args has a text with a NUL");
  return args;
}

async function findProgram(command: string, searched: string): Promise<string> {
  if (command.includes("\0")) throw refused("command has a NUL");
  if (isAbsolute(command)) {
    const why = await whyNotRun(command);
    if (why === undefined) return command;
    throw refused(`command ${shown(command)} cannot be run: ${why}`);
  }
  if (/[/\\]/.test(command) || command === "")
    throw refused(
      `command ${shown(command)} is neither an absolute path nor a name without folders`,
    );
  for (const folder of searched.split(delimiter)) {
    const path = join(folder, command);
    if (isAbsolute(folder) && (await whyNotRun(path)) === undefined) return path;
  }
  throw refused(`command ${shown(command)} is not in the PATH of the runtime`);
}

async function whyNotRun(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile() ? undefined : "it is no file";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : messageOf(error);
  }
}

function shown(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 197)}…` : text);
}

function refused(problem: string): BindingError {
  return new BindingError("invalid_argument", `exec: ${problem}`);
}
