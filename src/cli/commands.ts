import type { Command } from "commander";
import { addCheckCommand } from "./check.ts";
import { addCompletionCommand } from "./completion.ts";
import { addComponentsCommand } from "./components.ts";
import { addEmitCommand } from "./emit.ts";
import { addInvokeCommand } from "./invoke.ts";
import { addRunCommand } from "./run.ts";
import { addTypesCommand } from "./types.ts";

/** Adds every command but `serve`. */
export function addCommands(program: Command, setExitCode: (code: number) => void): void {
  addRunCommand(program, setExitCode);
  addInvokeCommand(program);
  addEmitCommand(program);
  addComponentsCommand(program);
  addCheckCommand(program);
  addTypesCommand(program);
  addCompletionCommand(program);
}
