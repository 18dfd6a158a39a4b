import { Argument, type Command, type Option } from "commander";

const shells: Readonly<Record<string, (program: Command) => string>> = { bash, zsh, fish };

/** `cufflink completion`: what a shell evaluates to complete commands and flags. */
export function addCompletionCommand(program: Command): void {
  program
    .command("completion")
    .description("print the completion script of a shell")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(shells)))
    .addHelpText(
      "after",
      `
Examples:
  eval "$(cufflink completion bash)"                                   # in ~/.bashrc
  cufflink completion zsh > "\${fpath[1]}/_cufflink"
  cufflink completion fish > ~/.config/fish/completions/cufflink.fish
`,
    )
    .action((shell: string) => {
      process.stdout.write(shells[shell]?.(program) ?? "");
    });
}

function bash(program: Command): string {
  const cases = program.commands.map(
    (command) => `    ${command.name()}) words="${wordsOf(command).join(" ")}" ;;`,
  );
  return `_cufflink() {
  local words cur="\${COMP_WORDS[COMP_CWORD]}"
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    *) words="" ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${[...program.commands.map((one) => one.name()), "--help", "--version"].join(" ")}"
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _cufflink cufflink
`;
}

function zsh(program: Command): string {
  const commands = program.commands.map(
    (one) => `    ${quoted(`${one.name()}:${one.description()}`)}`,
  );
  const cases = program.commands.map((one) => {
    const options = optionsOf(one).map((option) =>
      quoted(`*${option.long}[${zshText(option)}]${value(option)}`),
    );
    const places = choicesOf(one).map((choices) => quoted(`1:argument:(${choices.join(" ")})`));
    return `    ${one.name()}) _arguments ${[...options, ...places, "'*:file:_files'"].join(" ")} ;;`;
  });
  return `#compdef cufflink
_cufflink() {
  local -a commands=(
${commands.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local name=$words[2]
  shift words
  (( CURRENT-- ))
  case $name in
${cases.join("\n")}
  esac
}
if [ "$funcstack[1]" = "_cufflink" ]; then
  _cufflink "$@"
else
  compdef _cufflink cufflink
fi
`;
}

function fish(program: Command): string {
  const lines = program.commands.flatMap((one) => [
    `complete -c cufflink -n __fish_use_subcommand -f -a ${one.name()} -d ${quoted(one.description())}`,
    ...choicesOf(one).map(
      (choices) =>
        `complete -c cufflink -n '__fish_seen_subcommand_from ${one.name()}' -f -a '${choices.join(" ")}'`,
    ),
    ...optionsOf(one).map(
      (option) =>
        `complete -c cufflink -n '__fish_seen_subcommand_from ${one.name()}' -l ${(option.long ?? "").slice(2)}` +
        `${option.required ? " -r" : ""} -d ${quoted(option.description)}`,
    ),
  ]);
  return `${lines.join("\n")}\n`;
}

function wordsOf(command: Command): string[] {
  return [...choicesOf(command).flat(), ...optionsOf(command).map((option) => option.long ?? "")];
}

function optionsOf(command: Command): Option[] {
  return command.options.filter((option) => option.long !== undefined && !option.hidden);
}

function choicesOf(command: Command): (readonly string[])[] {
  return command.registeredArguments.flatMap(({ argChoices }) =>
    argChoices === undefined ? [] : [argChoices],
  );
}

function value(option: Option): string {
  return option.required ? ":value:_files" : "";
}

function zshText({ description }: Option): string {
  return description.replaceAll(/[[\]:\\]/g, "\\$&");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
