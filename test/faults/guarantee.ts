import type { InputGuarantee } from "../../src/binding.ts";
import { bindings } from "../../src/bindings/index.ts";

/** What the input of this type promises, as `bindings.kafka`; `undefined`: it is an output. */
export function guaranteeOf(type: string): InputGuarantee | undefined {
  return bindings.find(({ name }) => `bindings.${name}` === type)?.guarantee;
}
