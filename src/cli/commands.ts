import type { Command } from "commander";

/** Adds every command but `serve`. */
export function addCommands(program: Command): void {
  void program;
}
