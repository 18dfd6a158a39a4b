import { Command, CommanderError } from "commander";
import { messageOf } from "../errors.ts";
import { version } from "../version.ts";
import { ExitCode, exitCodeOf } from "./exit-code.ts";
import { withNearSuggestion } from "./near-suggestion.ts";
import { addServeOptions, readServeOptions } from "./serve-options.ts";
import { UsageError } from "./usage-error.ts";

/**
 * Runs the command line and resolves to the exit code: 0 well, 1 failed, 2 wrong flags, 69 a port or
 * file that cannot be had, 70 a failure that belongs to no component.
 */
export async function main(args: readonly string[]): Promise<number> {
  let code = 0;
  const setExitCode = (exitCode: number): void => void (code = exitCode);
  // `cufflink types | head`: what nobody reads any more is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  // daprd is started with flags alone: that means serve.
  const first = args[0];
  const bare =
    first === undefined ||
    (first.startsWith("-") && !["-h", "--help", "-V", "--version"].includes(first));
  const words = bare ? ["serve", ...args] : [...args];
  // A daemon's start does not wait for the other commands.
  const program =
    words[0] === "serve" ? serveProgram(setExitCode) : await createProgram(setExitCode);
  try {
    await program.parseAsync(words, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof ExitCode) return error.code;
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    if (error instanceof CommanderError || error instanceof UsageError) {
      // Commander has told its own already.
      if (error instanceof UsageError) process.stderr.write(`cufflink: ${error.message}\n`);
      process.stderr.write(`See ${commandIn(program, words)} --help.\n`);
      return 2;
    }
    process.stderr.write(`cufflink: ${messageOf(error)}\n`);
    return exitCodeOf(error);
  }
}

/** The command that the words name, as far as they name one: its help tells what could have been said. */
function commandIn(program: Command, words: readonly string[]): string {
  const path = [program.name()];
  let command = program;
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word);
    if (next === undefined) continue;
    command = next;
    path.push(word);
  }
  return path.join(" ");
}

/** The whole command line; nothing runs until it is parsed. */
export async function createProgram(setExitCode: (code: number) => void): Promise<Command> {
  const program = serveProgram(setExitCode);
  const { addCommands } = await import("./commands.ts");
  addCommands(program, setExitCode);
  return program;
}

function serveProgram(setExitCode: (code: number) => void): Command {
  const program = new Command("cufflink")
    .description(
      "Connects an app to outside systems by component YAML: events in, invocations out.",
    )
    .version(version)
    .exitOverride()
    .configureOutput({
      outputError: (text, write) =>
        write(withNearSuggestion(text).replace(/^error: /, "cufflink: ")),
    })
    .configureHelp({ showGlobalOptions: false });
  const serveCommand = program
    .command("serve", { isDefault: false })
    .description("serve components; takes daprd's flags, and is meant when flags are given alone")
    .addHelpText(
      "after",
      "\nExample:\n  cufflink serve --app-id orders --app-port 7001 --app-protocol grpc --resources-path ./components\n",
    );
  addServeOptions(serveCommand).action(async () => {
    const options = readServeOptions(serveCommand);
    const { serve } = await import("./serve.ts");
    const { serveUntilSignalled } = await import("./process-signals.ts");
    const { started } = await import("./serve-log.ts");
    setExitCode(await serveUntilSignalled(() => started(options, serve(options))));
  });
  return program;
}
