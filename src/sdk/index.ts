export { createApp, type AppOptions, type BindingApp, type ServeOptions } from "./app.ts";
export { BindingError } from "../errors.ts";
export { DeadLetter, Drop, Retry } from "../handler/errors.ts";
export type { Effect, Reason } from "../errors.ts";
export type { BindingEvent, BindingEventHandler, BindingReply, Header } from "../handler/event.ts";
export type { InvokeAnswer, InvokeOptions } from "./invocation.ts";
