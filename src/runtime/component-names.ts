import type { ComponentSpec } from "../component.ts";
import type { ComponentNames } from "./app.ts";
import type { ComponentTypes } from "./component-types.ts";

/** Which components are inputs, and which outputs. One of no known type may be meant as an input. */
export function namesOf(specs: readonly ComponentSpec[], types: ComponentTypes): ComponentNames {
  const isOutput = ({ type }: ComponentSpec): boolean => {
    const binding = types.find(type);
    return binding !== undefined && binding.read === undefined;
  };
  return {
    inputs: specs.filter((spec) => !isOutput(spec)).map(({ name }) => name),
    outputs: specs.filter(isOutput).map(({ name }) => name),
  };
}
