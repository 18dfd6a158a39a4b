// Tests of apps, with stand-ins for their systems.
export { createTestkit } from "./app/kit.ts";
export { poison } from "./app/input.ts";
export type { Testkit, TestkitOptions, TestInput, TestOutput, TestRequest } from "./app/testkit.ts";
export type { Delivered, TestEvent } from "./app/input.ts";
export type { KitClock } from "./app/kit-clock.ts";
export type { AnswerFunction, CallOutcome, RecordedCall, ScriptedAnswer } from "./app/output.ts";
export type { Payload } from "./app/payload.ts";
export type { ReplacedSecret } from "./app/secrets.ts";
export type { RemoteApp } from "./app/wiring.ts";

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
