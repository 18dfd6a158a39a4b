import { completeComponents } from "./complete-components.ts";
import type { Shape, Values } from "./completion-shape.ts";
import { quoted } from "./shell-quote.ts";

/** Offers what {@link Shape} says, as fish's `complete` has it. */
export function fishScript(program: Shape): string {
  const lines = program.commands.flatMap((one) => [
    `complete -c cufflink -n __fish_use_subcommand -f -a ${one.name} -d ${quoted(one.description)}`,
    ...one.commands.flatMap((sub) => [
      `complete -c cufflink -n ${quoted(without(one))} -f -a ${sub.name} -d ${quoted(sub.description)}`,
      ...linesOf(sub, `${within(one)}; and ${within(sub)}`),
    ]),
    ...linesOf(one, one.commands.length === 0 ? within(one) : without(one)),
  ]);
  return `function __cufflink_components
  cufflink ${completeComponents} (commandline -p | string collect) 2>/dev/null
end
${lines.join("\n")}
`;
}

function within({ name }: Shape): string {
  return `__fish_seen_subcommand_from ${name}`;
}

/** Within a command, before one of its own is said. */
function without(command: Shape): string {
  const names = command.commands.map(({ name }) => name).join(" ");
  return `${within(command)}; and not __fish_seen_subcommand_from ${names}`;
}

function linesOf({ flags, places }: Shape, condition: string): string[] {
  const when = `complete -c cufflink -n ${quoted(condition)}`;
  return [
    ...places.flatMap(({ values }) => {
      if (values === "files") return [`${when} -F`];
      return values === "anything" ? [] : [`${when} -f -a ${offered(values)}`];
    }),
    ...flags.map(({ name, description, values, isOptional }) => {
      const flag = `${when} -l ${name.slice(2)} -d ${quoted(description)}`;
      if (values === undefined || isOptional) return flag;
      if (values === "files") return `${flag} -r -F`;
      return values === "anything" ? `${flag} -x` : `${flag} -x -a ${offered(values)}`;
    }),
  ];
}

function offered(values: Exclude<Values, "files" | "anything">): string {
  return values === "components" ? "'(__cufflink_components)'" : quoted(values.join(" "));
}
