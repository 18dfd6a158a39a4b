import { completeComponents } from "./complete-components.ts";
import type { FlagShape, PlaceShape, Shape, Values } from "./completion-shape.ts";
import { quoted } from "./shell-quote.ts";

/** Offers what {@link Shape} says, by zsh's own `_arguments`. */
export function zshScript(program: Shape): string {
  const cases = program.commands.map((one) => {
    if (one.commands.length === 0) return `    ${one.name}) ${argumentsOf(one)} ;;`;
    const inner = one.commands.map((sub) => `        ${sub.name}) ${argumentsOf(sub)} ;;`);
    return `    ${one.name})
      local -a commands=(
${descriptionsOf(one)}
      )
      if (( CURRENT == 2 )); then
        _describe command commands
        ${argumentsOf(one)}
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
_cufflink_components() {
  local -a names=(\${(f)"$($cufflink ${completeComponents} "$line_so_far" 2>/dev/null)"})
  compadd -a names
}
_cufflink() {
  local cufflink=$words[1] line_so_far="$words"
  local -a commands=(
${descriptionsOf(program)}
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

function descriptionsOf({ commands }: Shape): string {
  return commands
    .map(({ name, description }) => `    ${quoted(`${name}:${description}`)}`)
    .join("\n");
}

function argumentsOf({ flags, places }: Shape): string {
  return `_arguments ${[...flags.map(flagOf), ...places.map(placeOf)].join(" ")}`;
}

function flagOf({ name, description, values, isOptional }: FlagShape): string {
  const text = description.replaceAll(/[[\]:\\]/g, "\\$&");
  if (values === undefined) return quoted(`*${name}[${text}]`);
  return isOptional
    ? quoted(`*${name}=-[${text}]::value:${actionOf(values)}`)
    : quoted(`*${name}=[${text}]:value:${actionOf(values)}`);
}

function placeOf({ name, values, isLast }: PlaceShape, index: number): string {
  return quoted(`${isLast ? "*" : index + 1}:${name}:${actionOf(values)}`);
}

function actionOf(values: Values): string {
  if (values === "components") return "_cufflink_components";
  if (values === "files") return "_files";
  return values === "anything" ? " " : `(${values.join(" ")})`;
}
