// The reference of the command line, from what `--help` prints of each command.
import type { Command } from "commander";
import { markdownTable } from "../../src/metadata/describe.ts";

export function markdownCommands(program: Command): string {
  return [
    "All commands with all flags, as `cufflink COMMAND --help` prints them. [The command line](../cli.md) describes them by subject, with the environment and the exit codes.",
    ...commandsOf(program, "cufflink"),
  ].join("\n\n");
}

function commandsOf(parent: Command, path: string): string[] {
  const help = parent.createHelp();
  return help
    .visibleCommands(parent)
    .filter((command) => command.name() !== "help")
    .flatMap((command) => {
      const name = `${path} ${command.name()}`;
      const below = commandsOf(command, name);
      const usage = command.usage().replace("[options]", "").trim();
      const argumentRows = help
        .visibleArguments(command)
        .map((one) => [`\`${one.name()}\``, escaped(help.argumentDescription(one))]);
      const rows = help
        .visibleOptions(command)
        .filter(({ long }) => long !== "--help")
        .map((option) => [
          `\`${help.optionTerm(option)}\``,
          escaped(help.optionDescription(option)),
        ]);
      if (rows.length + argumentRows.length === 0 && below.length > 0) {
        return [`## ${name}`, sentence(help.commandDescription(command)), ...below];
      }
      return [
        `${path === "cufflink" ? "##" : "###"} ${name}`,
        sentence(help.commandDescription(command)),
        `\`${`${name} ${usage}`.trim()}\``,
        ...(argumentRows.length === 0
          ? []
          : [markdownTable(["Argument", "Meaning"], argumentRows)]),
        ...(rows.length === 0 ? [] : [markdownTable(["Flag", "Meaning"], rows)]),
        ...below,
      ];
    });
}

function sentence(text: string): string {
  const plain = escaped(text).trim();
  if (plain === "") return "";
  const begun = plain[0]?.toUpperCase() + plain.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

function escaped(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll("<", "&lt;");
}
