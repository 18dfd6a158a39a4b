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
  const cases = program.commands.flatMap((command) => [
    ...command.commands.map(
      (one) => `    "${command.name()} ${one.name()}") words="${wordsOf(one).join(" ")}" ;;`,
    ),
    `    "${command.name()} "*) words="${wordsOf(command).join(" ")}" ;;`,
  ]);
  return `_cufflink() {
  local words cur="\${COMP_WORDS[COMP_CWORD]}" second=""
  if [ "$COMP_CWORD" -gt 2 ]; then second="\${COMP_WORDS[2]}"; fi
  case "\${COMP_WORDS[1]} $second" in
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
  const cases = program.commands.map((one) => {
    if (one.commands.length === 0) return `    ${one.name()}) ${zshArguments(one)} ;;`;
    const inner = one.commands.map((sub) => `        ${sub.name()}) ${zshArguments(sub)} ;;`);
    return `    ${one.name()})
      local -a commands=(
${zshDescriptions(one)}
      )
      if (( CURRENT == 2 )); then
        _describe command commands
        ${zshArguments(withDefault(one))}
        return
      fi
      local inner=$words[2]
      shift words
      (( CURRENT-- ))
      case $inner in
${inner.join("\n")}
      esac ;;`;
  });
  return `#compdef cufflink
_cufflink() {
  local -a commands=(
${zshDescriptions(program)}
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

function zshDescriptions(command: Command): string {
  return command.commands
    .map((one) => `    ${quoted(`${one.name()}:${one.description()}`)}`)
    .join("\n");
}

function zshArguments(command: Command): string {
  const options = optionsOf(command).map((option) =>
    quoted(`*${option.long}[${zshText(option)}]${value(option)}`),
  );
  const places = choicesOf(command).map((choices) => quoted(`1:argument:(${choices.join(" ")})`));
  return `_arguments ${[...options, ...places, "'*:file:_files'"].join(" ")}`;
}

function fish(program: Command): string {
  const lines = program.commands.flatMap((one) => [
    `complete -c cufflink -n __fish_use_subcommand -f -a ${one.name()} -d ${quoted(one.description())}`,
    ...one.commands.flatMap((sub) => [
      `complete -c cufflink -n ${quoted(fishAt(one))} -f -a ${sub.name()} -d ${quoted(sub.description())}`,
      ...fishLines(sub, `${fishAt(one)}; and __fish_seen_subcommand_from ${sub.name()}`),
    ]),
    ...fishLines(one, fishAt(one)),
  ]);
  return `${lines.join("\n")}\n`;
}

function fishAt(command: Command): string {
  return `__fish_seen_subcommand_from ${command.name()}`;
}

function fishLines(command: Command, condition: string): string[] {
  const when = `complete -c cufflink -n ${quoted(condition)}`;
  return [
    ...choicesOf(command).map((choices) => `${when} -f -a '${choices.join(" ")}'`),
    ...optionsOf(command).map(
      (option) =>
        `${when} -l ${(option.long ?? "").slice(2)}${option.required ? " -r" : ""} -d ${quoted(option.description)}`,
    ),
  ];
}

/** A command itself, or the one of its own that is meant when none is said. */
function withDefault(command: Command): Command {
  return command.commands.find((one) => one.name() === "list") ?? command;
}

function wordsOf(command: Command): string[] {
  return [
    ...command.commands.map((one) => one.name()),
    ...choicesOf(command).flat(),
    ...optionsOf(withDefault(command)).map((option) => option.long ?? ""),
  ];
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
