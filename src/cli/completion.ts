import { Argument, type Command } from "commander";
import { bashScript } from "./completion-bash.ts";
import { fishScript } from "./completion-fish.ts";
import { addBindingsOption, allBindings } from "./own-bindings.ts";
import { shapeOf, type Shape } from "./completion-shape.ts";
import { zshScript } from "./completion-zsh.ts";

const shells: Readonly<Record<string, (program: Shape) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** `cufflink completion`: what a shell evaluates to complete commands, flags and their values. */
export function addCompletionCommand(program: Command): void {
  const command = addBindingsOption(program.command("completion"))
    .description("print the completion script of a shell")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(shells)))
    .addHelpText(
      "after",
      `
Names of components are those of the runtime that --address or the environment names; without one there are none.

Examples:
  eval "$(cufflink completion bash)"                                   # in ~/.bashrc
  cufflink completion zsh > "\${fpath[1]}/_cufflink"
  cufflink completion fish > ~/.config/fish/completions/cufflink.fish
`,
    )
    .action(async (shell: string) => {
      const { bindings } = await allBindings(command.opts<{ bindings: string[] }>().bindings);
      const types = bindings.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
      process.stdout.write(shells[shell]?.(shapeOf(program, types)) ?? "");
    });
}
