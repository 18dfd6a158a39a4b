export { createTestkit } from "./app/kit.ts";
export { poison } from "./app/input.ts";
export type { Testkit, TestkitOptions, TestInput, TestOutput, TestRequest } from "./app/testkit.ts";
export type { Delivered, TestEvent } from "./app/input.ts";
export type { KitClock } from "./app/kit-clock.ts";
export type { AnswerFunction, CallOutcome, RecordedCall, ScriptedAnswer } from "./app/output.ts";
export type { Payload } from "./app/payload.ts";
export type { ReplacedSecret } from "./app/secrets.ts";
export type { RemoteApp } from "./app/wiring.ts";
