import type { Argument, Command, Option } from "commander";
import { appProtocols } from "../app/app-protocol.ts";
import { completeComponents } from "./complete-components.ts";
import { modes } from "./mode-options.ts";
import { logLevels } from "./serve-options.ts";

/** What may stand at a place: some words, a name that a runtime knows, a file, or whatever there is no list of. */
export type Values = readonly string[] | "components" | "files" | "anything";

export type FlagShape = {
  /** With its dashes. */
  readonly name: string;
  readonly description: string;
  /** `undefined`: it takes no value. */
  readonly values: Values | undefined;
  /** The value may be left out, and is said as `--flag=value`. */
  readonly isOptional: boolean;
};

export type PlaceShape = {
  readonly name: string;
  readonly values: Values;
  /** All that follow are alike. */
  readonly isLast: boolean;
};

/** A command as completion sees it. */
export type Shape = {
  readonly name: string;
  readonly description: string;
  readonly commands: readonly Shape[];
  /** Its own; of one that has commands those of the command that is meant when none is said. */
  readonly flags: readonly FlagShape[];
  readonly places: readonly PlaceShape[];
};

/** Flags whose values are known beforehand, or by a runtime. */
const valuesByFlag: Readonly<Record<string, Values>> = {
  "--app-protocol": appProtocols,
  "--log-level": logLevels,
  "--mode": modes,
  "--component": "components",
  "--to": "components",
};

/** The shape of the whole command line. `types`: the names of the binding types. */
export function shapeOf(command: Command, types: readonly string[]): Shape {
  const meant = command.commands.find((one) => one.name() === "list") ?? command;
  return {
    name: command.name(),
    description: command.description(),
    commands: command.commands
      .filter((one) => one.name() !== completeComponents)
      .map((one) => shapeOf(one, types)),
    flags: meant.options
      .filter((option) => option.long !== undefined && !option.hidden)
      .map((option) => ({
        name: option.long ?? "",
        description: option.description,
        values: option.required || option.optional ? valuesOfFlag(option) : undefined,
        isOptional: isOptional(option),
      })),
    places: meant.registeredArguments.map((argument) => ({
      name: argument.name(),
      values: valuesOfArgument(argument, command, types),
      isLast: argument.variadic,
    })),
  };
}

/** Commander calls a value optional too that only has brackets in its name. */
function isOptional({ optional, required }: Option): boolean {
  return optional && !required;
}

function valuesOfFlag(option: Option): Values {
  const { long, flags, argChoices } = option;
  if (argChoices !== undefined) return argChoices;
  if (isOptional(option)) return ["true", "false"];
  return valuesByFlag[long ?? ""] ?? (/<(file|folder|path)>/.test(flags) ? "files" : "anything");
}

function valuesOfArgument(argument: Argument, command: Command, types: readonly string[]): Values {
  if (argument.argChoices !== undefined) return argument.argChoices;
  const name = argument.name();
  if (name === "component") return "components";
  if (command.name() === "binding") return "anything";
  if (name === "name") return command.name() === "types" ? types : "components";
  return ["file", "paths", "command"].includes(name) ? "files" : "anything";
}
