import { completeComponents } from "./complete-components.ts";
import type { Shape, Values } from "./completion-shape.ts";

/** Offers what {@link Shape} says, in bash from 3.2 on. */
export function bashScript(program: Shape): string {
  const cases = program.commands.flatMap((command) => [
    ...command.commands.map(
      (one) => `    "${command.name} ${one.name}") from=3 ${variablesOf(one)} ;;`,
    ),
    `    "${command.name} "*) from=2 ${variablesOf(command)} ;;`,
  ]);
  return `_cufflink_values() {
  case "$1" in
    @components) words="$words $("\${COMP_WORDS[0]}" ${completeComponents} "$COMP_LINE" 2>/dev/null)" ;;
    @files) ;;
    "" | @anything) compopt +o default 2>/dev/null ;;
    *) words="$words \${1//,/ }" ;;
  esac
}
_cufflink() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" second="" words="" from=1
  local commands="" flags="" values="" places="" at one flag="" pending="" place=0
  if [ "$COMP_CWORD" -gt 2 ]; then second="\${COMP_WORDS[2]}"; fi
  case "\${COMP_WORDS[1]} $second" in
${cases.join("\n")}
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${[...program.commands.map(({ name }) => name), "--help", "--version"].join(" ")}" -- "$cur"))
    return
  fi
  # bash takes --flag=value and host:port apart.
  for ((at = from; at < COMP_CWORD; at++)); do
    one="\${COMP_WORDS[at]}"
    case "$one" in
      = | :) pending="$flag" ;;
      -*)
        flag="$one" pending=""
        case "$values" in *" $one="*) pending="$one" ;; esac
        ;;
      *) if [ -n "$pending" ]; then pending=""; else place=$((place + 1)); fi ;;
    esac
  done
  if [ "$cur" = "=" ]; then pending="$flag" cur=""; fi
  if [ -n "$pending" ]; then
    one=""
    for at in $values; do
      case "$at" in "$pending="* | "$pending?="*) one="\${at#*=}" ;; esac
    done
    _cufflink_values "$one"
  elif [[ "$cur" == -* ]]; then
    words="$flags"
  else
    one=""
    for at in $places; do
      one="\${at%+}"
      if [ "$place" -eq 0 ]; then break; fi
      if [ "$at" = "$one" ]; then place=$((place - 1)) one=""; fi
    done
    if [ "$COMP_CWORD" -eq 2 ]; then words="$commands"; fi
    _cufflink_values "$one"
    if [ -z "$one" ]; then words="$words $flags"; fi
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _cufflink cufflink
`;
}

/** Values are `--flag=kind`, or `--flag?=kind` where they may be left out; a place of many ends in `+`. */
function variablesOf({ commands, flags, places }: Shape): string {
  const values = flags.flatMap((flag) =>
    flag.values === undefined
      ? []
      : [`${flag.name}${flag.isOptional ? "?" : ""}=${kindOf(flag.values)}`],
  );
  const placeKinds = places.map((place) => `${kindOf(place.values)}${place.isLast ? "+" : ""}`);
  return [
    `commands="${commands.map(({ name }) => name).join(" ")}"`,
    `flags="${flags.map(({ name }) => name).join(" ")}"`,
    `values=" ${values.join(" ")} "`,
    `places="${placeKinds.join(" ")}"`,
  ].join(" ");
}

function kindOf(values: Values): string {
  return typeof values === "string" ? `@${values}` : values.join(",");
}
