// Tests of bindings of your own: what each input and output promises, and a binding opened without a runtime.
export { testDeclaration } from "./binding/declaration-suite.ts";
export {
  testInput,
  testRestart,
  type Place,
  type RestartableServer,
  type Source,
} from "./binding/input-suite.ts";
export { openInput, type InputOptions, type OpenedInput } from "./binding/opened-input.ts";
export { openOutput, textOf, type OpenedOutput } from "./binding/opened-output.ts";
export { testOutput, type Target } from "./binding/output-suite.ts";
export { eventually, type After, type TestFunction } from "./binding/runner.ts";
